-- How the checks of customers (KYC, KYB, AML, VAT) stood: the latest row by event_time, then by event, holds.
CREATE TABLE IF NOT EXISTS customer_statuses
(
    customer_id String,
    gate LowCardinality(String),
    status LowCardinality(String),
    until Nullable(DateTime64(9, 'UTC')),
    reason String,
    reference String,
    event_time DateTime64(9, 'UTC'),
    event_source String,
    event_id String,
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (customer_id, gate, event_time)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
