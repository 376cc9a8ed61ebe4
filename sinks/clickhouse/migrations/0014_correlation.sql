-- The correlation id of what caused it, on each billed line and each delivery, so that one id leads through every station.
-- Lines of before are filled by `weir rebuild clickhouse --table batch_lines`; deliveries that began before keep none.
-- A statement ends with a semicolon at the end of its line.

ALTER TABLE batch_lines
    ADD COLUMN IF NOT EXISTS correlation_id String COMMENT 'Of the change that set its terms, or nothing' AFTER parent_customer_id;

ALTER TABLE deliveries
    ADD COLUMN IF NOT EXISTS correlation_id String COMMENT 'Of the record that is delivered, or nothing' AFTER entity_id;
