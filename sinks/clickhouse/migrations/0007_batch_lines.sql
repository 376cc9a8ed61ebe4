-- A line of a billing batch, as connections get it: line_id is the id of its record in `deliveries`. A database that took batches
-- before it had this table is filled by `weir rebuild clickhouse --table batch_lines`.
CREATE TABLE IF NOT EXISTS batch_lines
(
    line_id String,
    batch_id String,
    billing_run_id String,
    entity_id LowCardinality(String),
    currency LowCardinality(String),
    -- The last local day that it bills, or the first of a line that is billed in advance.
    billing_date Date32,
    charge_id String,
    customer_id String,
    amount Decimal(38, 12),
    amount_rounded Decimal(38, 12),
    sealed_at DateTime64(3, 'UTC'),
    stream_sequence UInt64,
    INDEX charge_identity charge_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (entity_id, currency, billing_date, line_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
