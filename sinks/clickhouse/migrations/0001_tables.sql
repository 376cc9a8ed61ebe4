-- The tables of schemas/tables.ts, column by column. Plain MergeTree: nothing is ever replaced or collapsed, so that
-- sum(amount) needs no FINAL. Every table remembers its last inserts by token (non_replicated_deduplication_window;
-- the default of 0 would remember none), and brings them to the disk before it answers: the position of the feed is
-- written after that and must never be ahead.
-- A statement ends with a semicolon at the end of its line.

-- By day, then by one of 512 groups of customers: what rating again (pipeline/deliver/history-source.ts) and most
-- questions ask for is found by the key, and a merge copies stretches of rows. By customer and time it would pick them
-- one by one, at four times the cost of a merge.
-- Partitions go by the month in which a row was rated, not by that of its event: an insert is then one part, where a few
-- late events among many would have every column taken apart row by row, at a third of the cost of the insert.
-- Parts of single inserts are compact (one file instead of two per column, each brought to the disk). A merge waits for
-- some 20 parts of a size, so that a row is written again half as often.
-- Granules are small, because a charge of a month has a few rows in each of its days (weir explain sums them).
CREATE TABLE IF NOT EXISTS rated_usage
(
    event_source String,
    event_id String,
    event_type LowCardinality(String),
    event_time DateTime64(9, 'UTC') CODEC(Delta, LZ4),
    ingested_at DateTime64(3, 'UTC') CODEC(Delta, LZ4),
    rated_at DateTime64(3, 'UTC') CODEC(Delta, LZ4),
    customer_id String,
    pinned_subscription_id String,
    subscription_id String,
    subscription_version UInt64,
    plan LowCardinality(String),
    plan_version UInt32,
    price LowCardinality(String),
    meter LowCardinality(String),
    charge_id String,
    period_from DateTime64(9, 'UTC'),
    period_until DateTime64(9, 'UTC'),
    value String,
    quantity Decimal(38, 12),
    amount Decimal(38, 12),
    currency LowCardinality(String),
    entity_id LowCardinality(String),
    kind LowCardinality(String),
    event_count Int8,
    dimensions Map(LowCardinality(String), String),
    correlation_id String,
    traceparent String,
    input_stream LowCardinality(String),
    input_sequence UInt64,
    `partition` UInt32,
    ledger_sequence UInt64,
    -- One event, and the events of one charge, are found without customer and time (weir explain).
    INDEX event_identity cityHash64(event_source, event_id) TYPE bloom_filter(0.001) GRANULARITY 8,
    INDEX charge_identity charge_id TYPE bloom_filter(0.01) GRANULARITY 32
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(rated_at)
ORDER BY (toDate32(event_time), cityHash64(customer_id) % 512)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 67108864,
    merge_selector_base = 20, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS subscription_versions
(
    subscription_id String,
    customer_id String,
    sequence UInt64,
    revision UInt64,
    change LowCardinality(String),
    status LowCardinality(String),
    plan LowCardinality(String),
    plan_version UInt32,
    effective_from DateTime64(9, 'UTC'),
    effective_until Nullable(DateTime64(9, 'UTC')),
    quantities Map(LowCardinality(String), String),
    mrr Decimal(38, 12),
    currency LowCardinality(String),
    entity_id LowCardinality(String),
    contract_id String,
    po_number String,
    metadata String,
    notices Map(LowCardinality(String), String),
    event_source String,
    event_id String,
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (customer_id, subscription_id, sequence, revision)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS charges
(
    charge_id String,
    customer_id String,
    subscription_id String,
    subscription_version UInt64,
    entity_id LowCardinality(String),
    contract_id String,
    plan LowCardinality(String),
    plan_version UInt32,
    price LowCardinality(String),
    meter LowCardinality(String),
    kind LowCardinality(String),
    timing LowCardinality(String),
    period_from DateTime64(9, 'UTC'),
    period_until DateTime64(9, 'UTC'),
    timezone LowCardinality(String),
    quantity Decimal(38, 12),
    amount Decimal(38, 12),
    amount_rounded Decimal(38, 12),
    currency LowCardinality(String),
    status LowCardinality(String),
    corrects String,
    billing_run_id String,
    recorded_at DateTime64(3, 'UTC'),
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(period_from)
ORDER BY (customer_id, subscription_id, price, period_from)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS billing_batches
(
    batch_id String,
    billing_run_id String,
    entity_id LowCardinality(String),
    currency LowCardinality(String),
    number UInt32,
    `of` UInt32,
    line_count UInt32,
    amount_total Decimal(38, 12),
    amount_rounded_total Decimal(38, 12),
    sha256 String,
    sealed_at DateTime64(3, 'UTC'),
    stream_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (billing_run_id, batch_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS journal_entries
(
    journal_id String,
    idempotency_key String,
    line UInt32,
    entity_id LowCardinality(String),
    currency LowCardinality(String),
    accounting_date Date32,
    account LowCardinality(String),
    debit Decimal(38, 12),
    credit Decimal(38, 12),
    segments Map(LowCardinality(String), String),
    charge_id String,
    contract_id String,
    customer_id String,
    subscription_id String,
    subscription_version UInt64,
    period_from DateTime64(9, 'UTC'),
    period_until DateTime64(9, 'UTC'),
    performance_obligation LowCardinality(String),
    correlation_id String,
    billing_run_id String,
    batch_id String,
    posted_at DateTime64(3, 'UTC'),
    -- journal, release (a month of a schedule becomes revenue), rounding (what the rounding of a batch's lines came to).
    entry_kind LowCardinality(String),
    -- What the account stands for: receivable, revenue, deferred_revenue, contract_liability, tax, rounding.
    role LowCardinality(String),
    -- The name of the period in the accounting calendar of the entity.
    accounting_period LowCardinality(String),
    -- The date that the entry would have if its period were open; '' where nothing was moved.
    moved_from LowCardinality(String),
    -- Of an adjustment: the charge that it credits or rebills.
    corrects String,
    plan LowCardinality(String),
    plan_version UInt32,
    price LowCardinality(String),
    meter LowCardinality(String),
    charge_kind LowCardinality(String),
    timing LowCardinality(String),
    -- Days in the time zone of the subscription, both included; '' in entries of before these columns.
    first_service_day LowCardinality(String),
    last_service_day LowCardinality(String),
    timezone LowCardinality(String),
    -- Of a release: the order that posted it, and which part of which entry's schedule it is.
    release_id String,
    releases_journal_id String,
    releases_part UInt32,
    stream_sequence UInt64,
    INDEX charge_identity charge_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(accounting_date)
ORDER BY (entity_id, account, accounting_date, journal_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- A line of a summary: what the entries between two messages of POSTINGS (both included) come to, by run or order, currency,
-- accounting day, account, role and segments. journal_summary_entries leads to the entries and back.
CREATE TABLE IF NOT EXISTS journal_summaries
(
    journal_id String,
    line UInt32,
    entity_id LowCardinality(String),
    currency LowCardinality(String),
    accounting_date Date32,
    accounting_period LowCardinality(String),
    account LowCardinality(String),
    role LowCardinality(String),
    debit Decimal(38, 12),
    credit Decimal(38, 12),
    segments Map(LowCardinality(String), String),
    billing_run_id String,
    release_id String,
    covers_from UInt64,
    covers_to UInt64,
    posted_at DateTime64(3, 'UTC'),
    stream_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (entity_id, account, accounting_date, journal_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS revenue_schedule
(
    journal_id String,
    part UInt32,
    entity_id LowCardinality(String),
    currency LowCardinality(String),
    month Date32,
    earned_from DateTime64(9, 'UTC'),
    earned_until DateTime64(9, 'UTC'),
    amount Decimal(38, 12),
    charge_id String,
    contract_id String,
    customer_id String,
    subscription_id String,
    subscription_version UInt64,
    performance_obligation LowCardinality(String),
    correlation_id String,
    billing_run_id String,
    batch_id String,
    posted_at DateTime64(3, 'UTC'),
    stream_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (entity_id, currency, month, journal_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- One row is one change of one delivery; deliveries_latest has the last ones.
CREATE TABLE IF NOT EXISTS deliveries
(
    delivery_id String,
    connection LowCardinality(String),
    record_kind LowCardinality(String),
    record_id String,
    key String,
    state LowCardinality(String),
    external_id String,
    changed_at DateTime64(3, 'UTC'),
    attempt_count UInt32,
    outcome LowCardinality(String),
    code LowCardinality(String),
    detail String,
    customer_id String,
    entity_id LowCardinality(String),
    stream_sequence UInt64,
    INDEX record_identity record_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (connection, delivery_id, stream_sequence)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS mrr_movements
(
    movement_id String,
    customer_id String,
    subscription_id String,
    effective_at DateTime64(9, 'UTC'),
    kind LowCardinality(String),
    amount Decimal(38, 12),
    currency LowCardinality(String),
    mrr_before Decimal(38, 12),
    mrr_after Decimal(38, 12),
    recorded_at DateTime64(3, 'UTC'),
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (currency, effective_at, customer_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS payments
(
    payment_id String,
    customer_id String,
    invoice_id String,
    status LowCardinality(String),
    currency LowCardinality(String),
    amount Decimal(38, 12),
    reason String,
    event_time DateTime64(9, 'UTC'),
    event_source String,
    event_id String,
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (customer_id, event_time, payment_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS invoices
(
    invoice_id String,
    customer_id String,
    subscription_id String,
    status LowCardinality(String),
    currency LowCardinality(String),
    total Decimal(38, 12),
    due_at Nullable(DateTime64(9, 'UTC')),
    event_time DateTime64(9, 'UTC'),
    event_source String,
    event_id String,
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (customer_id, event_time, invoice_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS customers
(
    customer_id String,
    name String,
    entity_id LowCardinality(String),
    currency LowCardinality(String),
    crm_id String,
    billing_id String,
    erp_id String,
    metadata String,
    event_time DateTime64(9, 'UTC'),
    event_source String,
    event_id String,
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (customer_id, event_time)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS dead_letters
(
    event_source String,
    event_id String,
    event_type LowCardinality(String),
    code LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    pointer LowCardinality(String),
    customer_id String,
    event_time Nullable(DateTime64(9, 'UTC')),
    ingested_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    content_hash String,
    other_content_hash String,
    payload String CODEC(ZSTD(1)),
    event_count Int8,
    correlation_id String,
    input_stream LowCardinality(String),
    input_sequence UInt64,
    `partition` UInt32,
    ledger_sequence UInt64,
    INDEX event_identity cityHash64(event_source, event_id) TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (code, event_source, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS event_outcomes
(
    event_source String,
    event_id String,
    event_type LowCardinality(String),
    customer_id String,
    event_time DateTime64(9, 'UTC'),
    ingested_at DateTime64(3, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    disposition LowCardinality(String),
    code LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    event_count Int8,
    payload String CODEC(ZSTD(1)),
    target_source String,
    target_id String,
    correlation_id String,
    input_stream LowCardinality(String),
    input_sequence UInt64,
    `partition` UInt32,
    ledger_sequence UInt64,
    INDEX event_identity cityHash64(event_source, event_id) TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX target_identity cityHash64(target_source, target_id) TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (disposition, code, event_source, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS fx_rates
(
    base LowCardinality(String),
    quote LowCardinality(String),
    rate Decimal(38, 12),
    effective_from DateTime64(9, 'UTC'),
    recorded_at DateTime64(3, 'UTC'),
    event_source String,
    event_id String,
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (base, quote, effective_from)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS meters
(
    meter LowCardinality(String),
    event_type LowCardinality(String),
    aggregation LowCardinality(String),
    recorded_at DateTime64(3, 'UTC'),
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
ORDER BY meter
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS event_dispositions
(
    recorded_at DateTime64(3, 'UTC') CODEC(Delta, LZ4),
    received Int64,
    rated Int64,
    applied Int64,
    duplicate Int64,
    conflicting Int64,
    parked Int64,
    dead_lettered Int64,
    unmetered Int64,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (`partition`, ledger_sequence)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What a person or a job answered to an exception; the last row of an exception holds.
CREATE TABLE IF NOT EXISTS exception_resolutions
(
    exception_id String,
    exception_kind LowCardinality(String),
    resolution LowCardinality(String),
    code LowCardinality(String),
    event_source String,
    event_id String,
    customer_id String,
    revision UInt64,
    job_id String,
    reason String CODEC(ZSTD(1)),
    key_id String,
    key_name String,
    resolved_at DateTime64(3, 'UTC'),
    stream_sequence UInt64,
    INDEX event_identity cityHash64(event_source, event_id) TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (exception_id, stream_sequence)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- The catalog of each partition, from a commit on: rated_usage_catalogs joins a rated row with the one it was rated with.
CREATE TABLE IF NOT EXISTS catalog_versions
(
    catalog_hash String,
    meter_count UInt32,
    plan_count UInt32,
    recorded_at DateTime64(3, 'UTC'),
    event_source String,
    event_id String,
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (`partition`, ledger_sequence)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS audit_log
(
    audit_sequence UInt64,
    previous_hash String,
    entry_hash String,
    entry_id String,
    recorded_at DateTime64(3, 'UTC'),
    by_kind LowCardinality(String),
    by_id String,
    by_name String,
    act LowCardinality(String),
    object_kind LowCardinality(String),
    object_id String,
    reason String,
    before String CODEC(ZSTD(1)),
    after String CODEC(ZSTD(1)),
    stream_sequence UInt64
)
ENGINE = MergeTree
ORDER BY audit_sequence
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
