-- What systems of record sent, and what became of it: rows of the stream ARRIVAL_OUTCOMES. The last row of an arrival holds.
CREATE TABLE IF NOT EXISTS arrivals
(
    source_name LowCardinality(String),
    source_kind LowCardinality(String),
    arrival_id String,
    arrival_sequence UInt64,
    arrival_type LowCardinality(String),
    via LowCardinality(String),
    event_time DateTime64(9, 'UTC'),
    ingested_at DateTime64(3, 'UTC'),
    state LowCardinality(String),
    code LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    pointer LowCardinality(String),
    problems String CODEC(ZSTD(1)),
    superseded_by String,
    events UInt32,
    mapping_revision UInt32,
    changed_at DateTime64(3, 'UTC'),
    stream_sequence UInt64
)
ENGINE = MergeTree
ORDER BY (source_name, arrival_sequence, stream_sequence)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS arrival_events
(
    source_name LowCardinality(String),
    arrival_id String,
    arrival_sequence UInt64,
    event_source String,
    event_id String,
    event_type LowCardinality(String),
    customer_id String,
    content_hash String,
    mapping_revision UInt32,
    changed_at DateTime64(3, 'UTC'),
    stream_sequence UInt64,
    INDEX event_identity cityHash64(event_source, event_id) TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (source_name, arrival_sequence, stream_sequence, event_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
