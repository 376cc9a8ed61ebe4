-- What tax engines say of taxes: every state as it was told, the one that holds, and its lines; and what journal lines of role tax are the tax
-- of. A statement ends with a semicolon at the end of its line.

CREATE TABLE IF NOT EXISTS tax_transactions
(
    tax_id String COMMENT 'The transaction, the same in all its states',
    customer_id String COMMENT 'The customer',
    sequence UInt64 COMMENT 'The highest of a tax_id holds',
    status LowCardinality(String) COMMENT 'committed, adjusted, voided, pending or failed',
    currency LowCardinality(String) COMMENT 'ISO 4217, or nothing',
    document String COMMENT 'Its code at the engine',
    document_status LowCardinality(String) COMMENT 'In the words of the engine',
    invoice_id String COMMENT 'The invoice that it names, or nothing',
    total Decimal(38, 12) COMMENT 'What the tax is on',
    total_taxable Decimal(38, 12) COMMENT 'What of it is taxed',
    total_exempt Decimal(38, 12) COMMENT 'What of it is exempt',
    total_tax Decimal(38, 12) COMMENT 'The tax',
    lines String COMMENT 'JSON; the view tax_lines has a row for each',
    code LowCardinality(String) COMMENT 'Why it failed',
    reason String COMMENT 'The same in words',
    event_time DateTime64(9, 'UTC') COMMENT 'When it became so',
    event_source String COMMENT 'Source of the event',
    event_id String COMMENT 'The event within its source',
    correlation_id String COMMENT 'Its correlation id',
    `partition` UInt32 COMMENT 'Partition of the customer',
    ledger_sequence UInt64 COMMENT 'Commit that told of it'
)
ENGINE = MergeTree
ORDER BY (customer_id, tax_id, sequence)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

ALTER TABLE journal_entries
    ADD COLUMN IF NOT EXISTS tax_id String COMMENT 'Of a line of role tax: the tax in tax_transactions, or nothing' AFTER releases_part,
    ADD COLUMN IF NOT EXISTS tax_document String COMMENT 'Its document at the tax engine' AFTER tax_id,
    ADD COLUMN IF NOT EXISTS tax_document_status LowCardinality(String) COMMENT 'How the document stood when the entry was posted' AFTER tax_document,
    ADD COLUMN IF NOT EXISTS tax_code LowCardinality(String) COMMENT 'Tax code of what is taxed' AFTER tax_document_status,
    ADD COLUMN IF NOT EXISTS tax_jurisdiction LowCardinality(String) COMMENT 'Whose tax it is' AFTER tax_code,
    ADD COLUMN IF NOT EXISTS tax_rate Decimal(38, 12) COMMENT 'Rate; 0 where the source did not say' AFTER tax_jurisdiction,
    ADD COLUMN IF NOT EXISTS taxable_amount Decimal(38, 12) COMMENT 'What is taxed at the rate, signed like the charge in a credit too' AFTER tax_rate,
    ADD COLUMN IF NOT EXISTS exempt_amount Decimal(38, 12) COMMENT 'What is exempt' AFTER taxable_amount;

CREATE OR REPLACE VIEW tax_states
(
    tax_id String COMMENT 'The tax',
    customer_id String COMMENT 'The customer',
    sequence UInt64 COMMENT 'The highest that was told',
    status LowCardinality(String) COMMENT 'committed, adjusted, voided, pending or failed',
    currency LowCardinality(String) COMMENT 'ISO 4217, or nothing',
    document String COMMENT 'Its code at the engine',
    document_status LowCardinality(String) COMMENT 'In the words of the engine',
    invoice_id String COMMENT 'The invoice that it names, or nothing',
    total Decimal(38, 12) COMMENT 'What the tax is on; adds up within a currency',
    total_taxable Decimal(38, 12) COMMENT 'What of it is taxed; adds up',
    total_exempt Decimal(38, 12) COMMENT 'What of it is exempt; adds up',
    total_tax Decimal(38, 12) COMMENT 'The tax; adds up',
    lines String COMMENT 'JSON; tax_lines has a row for each',
    code LowCardinality(String) COMMENT 'Why it failed',
    reason String COMMENT 'The same in words',
    event_time DateTime64(9, 'UTC') COMMENT 'When it became so',
    event_source String COMMENT 'Source of the event',
    event_id String COMMENT 'The event within its source',
    correlation_id String COMMENT 'Its correlation id',
    `partition` UInt32 COMMENT 'Partition of the customer',
    ledger_sequence UInt64 COMMENT 'Commit that told of it'
)
AS
SELECT *
FROM tax_transactions
ORDER BY sequence DESC, event_time DESC, event_source DESC, event_id DESC
LIMIT 1 BY tax_id;

-- The lines of taxes that are in force: of the latest state that was committed, adjusted or voided; a voided one has none.
CREATE OR REPLACE VIEW tax_lines
(
    tax_id String COMMENT 'The tax',
    customer_id String COMMENT 'The customer',
    currency LowCardinality(String) COMMENT 'ISO 4217',
    document String COMMENT 'The document at the engine',
    invoice_id String COMMENT 'The invoice that it names, or nothing',
    line String COMMENT 'The line of the document',
    charge_id String COMMENT 'The charge that it names, or nothing',
    amount Decimal(38, 12) COMMENT 'Of the line, without tax; the same in each row of a line',
    tax_code String COMMENT 'Tax code of what is taxed',
    jurisdiction String COMMENT 'Whose tax it is',
    jurisdiction_type String COMMENT 'In the words of the engine',
    tax_name String COMMENT 'Name of the tax',
    rate Decimal(38, 12) COMMENT 'Rate; ratios do not add up',
    taxable Decimal(38, 12) COMMENT 'What is taxed at the rate; adds up within a jurisdiction',
    exempt Decimal(38, 12) COMMENT 'What is exempt; adds up within a jurisdiction',
    tax Decimal(38, 12) COMMENT 'The tax; adds up',
    event_time DateTime64(9, 'UTC') COMMENT 'Since when it is so'
)
AS
SELECT
    tax_id, customer_id, currency, document, invoice_id,
    JSONExtractString(one, 'line') AS line, JSONExtractString(one, 'charge_id') AS charge_id, toDecimal128(JSONExtractString(one, 'amount'), 12) AS amount,
    JSONExtractString(one, 'tax_code') AS tax_code, JSONExtractString(one, 'jurisdiction') AS jurisdiction,
    JSONExtractString(one, 'jurisdiction_type') AS jurisdiction_type, JSONExtractString(one, 'tax_name') AS tax_name,
    toDecimal128(JSONExtractString(one, 'rate'), 12) AS rate, toDecimal128(JSONExtractString(one, 'taxable'), 12) AS taxable,
    toDecimal128(JSONExtractString(one, 'exempt'), 12) AS exempt, toDecimal128(JSONExtractString(one, 'tax'), 12) AS tax, event_time
FROM
(
    SELECT *
    FROM tax_transactions
    WHERE status IN ('committed', 'adjusted', 'voided')
    ORDER BY sequence DESC, event_time DESC, event_source DESC, event_id DESC
    LIMIT 1 BY tax_id
)
ARRAY JOIN JSONExtractArrayRaw(lines) AS one
WHERE status != 'voided';

-- Refusals for a reason of tax, of events, of deliveries and by a tax engine, by the day of the first.
CREATE OR REPLACE VIEW kpi_tax_refusals
(
    day Date32 COMMENT 'Day, UTC',
    refused Int64 COMMENT 'Above 0: it was refused and not mended'
)
AS
SELECT day, refused
FROM
(
    SELECT toDate32(min(recorded_at), 'UTC') AS day, sum(event_count) AS refused FROM dead_letters WHERE startsWith(code, 'tax_') GROUP BY event_source, event_id, code
    UNION ALL
    SELECT toDate32(changed_at, 'UTC') AS day, toInt64(1) AS refused FROM deliveries_latest WHERE state = 'refused' AND startsWith(code, 'tax_')
    UNION ALL
    SELECT toDate32(event_time, 'UTC') AS day, toInt64(status = 'failed') AS refused FROM tax_states WHERE tax_id IN (SELECT tax_id FROM tax_transactions WHERE status = 'failed')
);
