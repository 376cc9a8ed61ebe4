-- Who pays for a customer and whose part it is: what each event said, how it stands now, and on each billed line as of its sealing.
-- A database that took batches before is filled by `weir rebuild clickhouse --table batch_lines`, and `--table customers`.
-- A statement ends with a semicolon at the end of its line.

ALTER TABLE customers
    ADD COLUMN IF NOT EXISTS bill_to_customer_id String COMMENT 'Who pays from event_time on, if sets_bill_to is 1; nothing: nobody else any more' AFTER erp_id,
    ADD COLUMN IF NOT EXISTS sets_bill_to Int8 COMMENT '1: the event says who pays; 0: it leaves that as it was' AFTER bill_to_customer_id,
    ADD COLUMN IF NOT EXISTS parent_customer_id String COMMENT 'Whose part the customer is from event_time on, if sets_parent is 1; nothing: of none any more' AFTER sets_bill_to,
    ADD COLUMN IF NOT EXISTS sets_parent Int8 COMMENT '1: the event says whose part it is; 0: it leaves that as it was' AFTER parent_customer_id;

ALTER TABLE batch_lines
    ADD COLUMN IF NOT EXISTS bill_to_customer_id String COMMENT 'Who pays for the customer, as of the sealing; nothing: the customer' AFTER customer_id,
    ADD COLUMN IF NOT EXISTS parent_customer_id String COMMENT 'Whose part the customer is, as of the sealing, or nothing' AFTER bill_to_customer_id;

-- Each customer that was told of, with who pays and whose part it is by what is known now. Each is set on its own: the latest event by
-- time that sets it holds, then the greater source and id as the pipeline compares them.
CREATE OR REPLACE VIEW customer_relations
(
    customer_id String COMMENT 'The customer',
    bill_to_customer_id String COMMENT 'Who pays; nothing: the customer',
    bill_to_since Nullable(DateTime64(9, 'UTC')) COMMENT 'Time of the event that says so; NULL: none does',
    parent_customer_id String COMMENT 'Whose part it is, or nothing',
    parent_since Nullable(DateTime64(9, 'UTC')) COMMENT 'Time of the event that says so; NULL: none does'
)
AS
SELECT
    c.customer_id AS customer_id,
    argMaxIf(c.bill_to_customer_id, (c.event_time, c.event), c.sets_bill_to = 1) AS bill_to_customer_id,
    maxOrNullIf(c.event_time, c.sets_bill_to = 1) AS bill_to_since,
    argMaxIf(c.parent_customer_id, (c.event_time, c.event), c.sets_parent = 1) AS parent_customer_id,
    maxOrNullIf(c.event_time, c.sets_parent = 1) AS parent_since
FROM
(
    SELECT *, concat(toString(lengthUTF8(event_source)), ':', event_source, toString(lengthUTF8(event_id)), ':', event_id) AS event
    FROM customers
) AS c
GROUP BY c.customer_id;
