-- What analysts ask for first. Plain SQL over the tables; sums in Decimal(76, 12), so that none overflows; rates are
-- Decimal or NULL where there is nothing to divide by. Months are calendar months in UTC, named by their first day, as
-- Date32: Date ends in 2149 and turns what lies beyond into another day.
-- A statement ends with a semicolon at the end of its line. The comment of a column says what it means and what of it adds up:
-- DESCRIBE of the view shows it.

-- Each event on each meter and price as it counts now: what was rated, taken back and corrected comes to one row. Where
-- only sums are wanted, rows need not be put together, so that this is done for the other aggregations alone.
CREATE OR REPLACE VIEW usage_events
(
    event_time DateTime64(9, 'UTC') COMMENT 'Of the event; for a meter whose events add up, of the row',
    event_id String COMMENT 'The event within its source',
    value String COMMENT 'The text that the meter read',
    event_count Int64 COMMENT '1 for an event that counts, 0 for one that was taken back, of sum and count meters 1, -1 and 0 by row',
    quantity Decimal(38, 12) COMMENT 'What counts now; of sum and count meters rows add up, of others it is the value of the event',
    amount Decimal(38, 12) COMMENT 'What the event is rated at; adds up',
    customer_id String COMMENT 'The customer',
    subscription_id String COMMENT 'The subscription',
    plan LowCardinality(String) COMMENT 'The plan',
    price LowCardinality(String) COMMENT 'The price; nothing for a meter that no price wants',
    meter LowCardinality(String) COMMENT 'The meter',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    aggregation String COMMENT 'Of the meter, as the catalog has it'
)
AS
WITH how AS (SELECT m.meter AS meter, any(m.aggregation) AS aggregation FROM meters AS m GROUP BY m.meter)
SELECT
    event_time, event_id, value, event_count, quantity, amount,
    customer_id, subscription_id, plan, price, meter, currency, entity_id,
    how.aggregation AS aggregation
FROM rated_usage LEFT JOIN how USING (meter)
WHERE aggregation IN ('sum', 'count')
UNION ALL
SELECT
    argMaxIf(r.event_time, r.ledger_sequence, r.event_count > 0) AS event_time, event_id,
    argMaxIf(r.value, r.ledger_sequence, r.event_count > 0) AS value, sum(r.event_count) AS event_count,
    sum(r.quantity) AS quantity, sum(r.amount) AS amount,
    customer_id, subscription_id, plan, price, meter, currency, entity_id,
    any(how.aggregation) AS aggregation
FROM rated_usage AS r LEFT JOIN how USING (meter)
WHERE how.aggregation NOT IN ('sum', 'count')
GROUP BY event_source, event_id, customer_id, subscription_id, plan, price, meter, currency, entity_id;

-- `quantity` is what the meter's aggregation makes of the hour's or the day's events: their sum, their greatest, their
-- least, their latest, how many different ones; NULL where a part of a period has no such figure (levels over time,
-- percentiles). `events` and `amount` always add up, `quantity` where `quantity_adds_up`.
CREATE OR REPLACE VIEW usage_hourly
(
    hour DateTime64(0, 'UTC') COMMENT 'Begin of the hour, UTC',
    customer_id String COMMENT 'The customer',
    subscription_id String COMMENT 'The subscription',
    plan LowCardinality(String) COMMENT 'The plan',
    price LowCardinality(String) COMMENT 'The price; nothing for a meter that no price wants',
    meter LowCardinality(String) COMMENT 'The meter',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    events Int64 COMMENT 'Events as they count now: less those taken back; adds up, over everything',
    quantity Nullable(Decimal(76, 12)) COMMENT 'What the aggregation of the meter makes of the events of the row. Adds up for sum and count alone: a maximum of days is a maximum, a latest the one of the last day, distinct values of two days may be the same. NULL for weighted_sum, time_average and percentile, which have no figure for a part of a period',
    amount Decimal(76, 12) COMMENT 'What the events are rated at: adds up to the charges, whatever the aggregation',
    aggregation String COMMENT 'Of the meter: says whether quantity adds up',
    quantity_adds_up UInt8 COMMENT 'Whether quantities of several rows of this meter may be added: true for sum and count'
)
AS
SELECT
    fromUnixTimestamp64Second(toUnixTimestamp64Second(event_time) - positiveModulo(toUnixTimestamp64Second(event_time), 3600), 'UTC') AS hour,
    customer_id, subscription_id, plan, price, meter, currency, entity_id,
    sum(e.event_count) AS events,
    multiIf(
        any(e.aggregation) IN ('sum', 'count'), sum(toDecimal256(e.quantity, 12)),
        any(e.aggregation) = 'max', maxIf(toDecimal256(e.quantity, 12), e.event_count > 0),
        any(e.aggregation) = 'min', minIf(toDecimal256(e.quantity, 12), e.event_count > 0),
        any(e.aggregation) = 'latest', argMaxIf(toDecimal256(e.quantity, 12), (e.event_time, e.event_id), e.event_count > 0),
        any(e.aggregation) = 'unique_count', toDecimal256(uniqExactIf(e.value, e.event_count > 0), 12),
        NULL) AS quantity,
    sum(toDecimal256(e.amount, 12)) AS amount,
    any(e.aggregation) AS aggregation,
    aggregation IN ('sum', 'count') AS quantity_adds_up
FROM usage_events AS e
GROUP BY hour, customer_id, subscription_id, plan, price, meter, currency, entity_id;

CREATE OR REPLACE VIEW usage_daily
(
    day Date32 COMMENT 'Day of the events, UTC',
    customer_id String COMMENT 'The customer',
    subscription_id String COMMENT 'The subscription',
    plan LowCardinality(String) COMMENT 'The plan',
    price LowCardinality(String) COMMENT 'The price; nothing for a meter that no price wants',
    meter LowCardinality(String) COMMENT 'The meter',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    events Int64 COMMENT 'Events as they count now: less those taken back; adds up, over everything',
    quantity Nullable(Decimal(76, 12)) COMMENT 'What the aggregation of the meter makes of the events of the row. Adds up for sum and count alone: a maximum of days is a maximum, a latest the one of the last day, distinct values of two days may be the same. NULL for weighted_sum, time_average and percentile, which have no figure for a part of a period',
    amount Decimal(76, 12) COMMENT 'What the events are rated at: adds up to the charges, whatever the aggregation',
    aggregation String COMMENT 'Of the meter: says whether quantity adds up',
    quantity_adds_up UInt8 COMMENT 'Whether quantities of several rows of this meter may be added: true for sum and count'
)
AS
SELECT
    toDate32(event_time, 'UTC') AS day,
    customer_id, subscription_id, plan, price, meter, currency, entity_id,
    sum(e.event_count) AS events,
    multiIf(
        any(e.aggregation) IN ('sum', 'count'), sum(toDecimal256(e.quantity, 12)),
        any(e.aggregation) = 'max', maxIf(toDecimal256(e.quantity, 12), e.event_count > 0),
        any(e.aggregation) = 'min', minIf(toDecimal256(e.quantity, 12), e.event_count > 0),
        any(e.aggregation) = 'latest', argMaxIf(toDecimal256(e.quantity, 12), (e.event_time, e.event_id), e.event_count > 0),
        any(e.aggregation) = 'unique_count', toDecimal256(uniqExactIf(e.value, e.event_count > 0), 12),
        NULL) AS quantity,
    sum(toDecimal256(e.amount, 12)) AS amount,
    any(e.aggregation) AS aggregation,
    aggregation IN ('sum', 'count') AS quantity_adds_up
FROM usage_events AS e
GROUP BY day, customer_id, subscription_id, plan, price, meter, currency, entity_id;

-- How each delivery stands: SELECT connection, state, count() FROM deliveries_latest GROUP BY connection, state.
CREATE OR REPLACE VIEW deliveries_latest
(
    delivery_id String COMMENT 'Of this record at this connection',
    connection LowCardinality(String) COMMENT 'Name of the connection',
    record_kind LowCardinality(String) COMMENT 'What was delivered: journal, batch and the like',
    record_id String COMMENT 'Its id',
    key String COMMENT 'The key by which the receiver knows a repeated record',
    state LowCardinality(String) COMMENT 'How the delivery stands now',
    external_id String COMMENT 'The id that the receiver gave',
    changed_at DateTime64(3, 'UTC') COMMENT 'When the state became so',
    attempt_count UInt32 COMMENT 'Attempts so far',
    outcome LowCardinality(String) COMMENT 'Of the last attempt',
    code LowCardinality(String) COMMENT 'Why it was refused or set aside',
    detail String COMMENT 'The receiver''s own words',
    stream_sequence UInt64 COMMENT 'Message of DELIVERIES'
)
AS
SELECT *
FROM deliveries
ORDER BY stream_sequence DESC
LIMIT 1 BY connection, delivery_id;

-- The version with the greatest sequence of each subscription, as it is known now.
CREATE OR REPLACE VIEW subscription_versions_latest
(
    subscription_id String COMMENT 'The subscription',
    customer_id String COMMENT 'The customer',
    sequence UInt64 COMMENT 'Version: raised by the system of record with each change',
    revision UInt64 COMMENT 'Which reading of that version; the last one holds',
    change LowCardinality(String) COMMENT 'The change that made the version',
    status LowCardinality(String) COMMENT 'active, suspended or cancelled',
    plan LowCardinality(String) COMMENT 'The plan',
    plan_version UInt32 COMMENT 'Version of the plan',
    effective_from DateTime64(9, 'UTC') COMMENT 'From when on the version holds',
    effective_until Nullable(DateTime64(9, 'UTC')) COMMENT 'End of the subscription; NULL: none',
    quantities Map(LowCardinality(String), String) COMMENT 'By price',
    mrr Decimal(38, 12) COMMENT 'Of this version in its currency; adds up over subscriptions by currency',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    contract_id String COMMENT 'The contract',
    po_number String COMMENT 'Purchase order',
    metadata String COMMENT 'JSON of the sender',
    notices Map(LowCardinality(String), String) COMMENT 'What was kept and has no effect yet, by price',
    event_source String COMMENT 'Source of the lifecycle event',
    event_id String COMMENT 'Id of the lifecycle event',
    correlation_id String COMMENT 'Of the lifecycle event, else of the created one',
    `partition` UInt32 COMMENT 'Partition of the ledger',
    ledger_sequence UInt64 COMMENT 'Commit of that partition'
)
AS
SELECT *
FROM subscription_versions
ORDER BY sequence DESC, revision DESC
LIMIT 1 BY subscription_id;

-- Every month from a currency's first movement to its last, those without movements included.
CREATE OR REPLACE VIEW mrr_by_month
(
    month Date32 COMMENT 'First day of the calendar month, UTC',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    opening Decimal(76, 12) COMMENT 'MRR at the month''s beginning; the closing of the month before',
    new_business Decimal(76, 12) COMMENT 'From 0 for the first time; adds up over months',
    expansion Decimal(76, 12) COMMENT 'More from customers who had some; adds up over months',
    contraction Decimal(76, 12) COMMENT 'Less from customers who keep some, 0 or less; adds up over months',
    churn Decimal(76, 12) COMMENT 'From customers who go to 0, 0 or less; adds up over months',
    reactivation Decimal(76, 12) COMMENT 'From customers who come back from 0; adds up over months',
    transfer Decimal(76, 12) COMMENT 'Moved between subscriptions or currencies of one customer; adds up over months',
    closing Decimal(76, 12) COMMENT 'opening and all movements: the MRR at the month''s end; does not add up over months'
)
AS
SELECT
    month, currency,
    closing - net AS opening,
    new_business, expansion, contraction, churn, reactivation, transfer,
    closing
FROM
(
    SELECT *, sum(net) OVER (PARTITION BY currency ORDER BY month ROWS UNBOUNDED PRECEDING) AS closing
    FROM
    (
        SELECT
            month, currency,
            sumIf(moved, kind = 'new_business') AS new_business,
            sumIf(moved, kind = 'expansion') AS expansion,
            sumIf(moved, kind = 'contraction') AS contraction,
            sumIf(moved, kind = 'churn') AS churn,
            sumIf(moved, kind = 'reactivation') AS reactivation,
            sumIf(moved, kind = 'transfer') AS transfer,
            sum(moved) AS net
        FROM
        (
            SELECT makeDate32(toYear(effective_at), toMonth(effective_at), 1) AS month, currency, kind, toDecimal256(amount, 12) AS moved
            FROM mrr_movements
            UNION ALL
            SELECT addMonths(first, arrayJoin(range(months))) AS month, currency, '' AS kind, toDecimal256(0, 12) AS moved
            FROM
            (
                SELECT
                    currency, makeDate32(toYear(min(effective_at)), toMonth(min(effective_at)), 1) AS first,
                    toUInt32(dateDiff('month', min(effective_at), max(effective_at)) + 1) AS months
                FROM mrr_movements
                GROUP BY currency
            )
        )
        GROUP BY month, currency
    )
)
ORDER BY currency, month;

CREATE OR REPLACE VIEW arr_by_month
(
    month Date32 COMMENT 'First day of the calendar month, UTC',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    opening Decimal(76, 12) COMMENT 'ARR at the month''s beginning; the closing of the month before. MRR times 12',
    new_business Decimal(76, 12) COMMENT 'MRR of this kind times 12; adds up over months',
    expansion Decimal(76, 12) COMMENT 'MRR of this kind times 12; adds up over months',
    contraction Decimal(76, 12) COMMENT 'MRR of this kind times 12; adds up over months',
    churn Decimal(76, 12) COMMENT 'MRR of this kind times 12; adds up over months',
    reactivation Decimal(76, 12) COMMENT 'MRR of this kind times 12; adds up over months',
    transfer Decimal(76, 12) COMMENT 'MRR of this kind times 12; adds up over months',
    closing Decimal(76, 12) COMMENT 'opening and all movements: the ARR at the month''s end; does not add up over months. MRR times 12'
)
AS
SELECT
    month, currency,
    opening * 12 AS opening,
    new_business * 12 AS new_business, expansion * 12 AS expansion, contraction * 12 AS contraction,
    churn * 12 AS churn, reactivation * 12 AS reactivation, transfer * 12 AS transfer,
    closing * 12 AS closing
FROM mrr_by_month;

-- Each customer's MRR at the beginning and the end of every month from its first movement to the currency's last, and
-- what came to it from other currencies of the customer, or went to them.
CREATE OR REPLACE VIEW customer_mrr_by_month
(
    month Date32 COMMENT 'First day of the calendar month, UTC',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    customer_id String COMMENT 'The customer',
    cohort_month Date32 COMMENT 'Month of the customer''s first movement in this currency',
    opening Decimal(76, 12) COMMENT 'The customer''s MRR at the month''s beginning; adds up over customers',
    transfer Decimal(76, 12) COMMENT 'What came from other currencies or subscriptions of the customer, or went to them',
    closing Decimal(76, 12) COMMENT 'At the month''s end; adds up over customers, not over months'
)
AS
SELECT month, currency, customer_id, cohort_month, closing - net AS opening, transfer, closing
FROM
(
    SELECT
        *,
        sum(net) OVER (PARTITION BY currency, customer_id ORDER BY month ROWS UNBOUNDED PRECEDING) AS closing,
        min(month) OVER (PARTITION BY currency, customer_id) AS cohort_month
    FROM
    (
        SELECT month, currency, customer_id, sum(moved) AS net, sumIf(moved, kind = 'transfer') AS transfer
        FROM
        (
            SELECT makeDate32(toYear(effective_at), toMonth(effective_at), 1) AS month, currency, customer_id, kind, toDecimal256(amount, 12) AS moved
            FROM mrr_movements
            UNION ALL
            SELECT
                addMonths(first, arrayJoin(range(toUInt32(dateDiff('month', first, last) + 1)))) AS month,
                currency, customer_id, '' AS kind, toDecimal256(0, 12) AS moved
            FROM
            (
                SELECT
                    currency, customer_id, makeDate32(toYear(min(effective_at)), toMonth(min(effective_at)), 1) AS first,
                    max(max(makeDate32(toYear(effective_at), toMonth(effective_at), 1))) OVER (PARTITION BY currency) AS last
                FROM mrr_movements
                GROUP BY currency, customer_id
            )
        )
        GROUP BY month, currency, customer_id
    )
);

-- Of the customers with MRR at the month's beginning: how many had none at its end, and what MRR they lost (gross), less
-- what they gained (net). New and returning customers are in neither; a transfer to another currency or subscription is
-- no loss and no gain.
CREATE OR REPLACE VIEW churn_by_month
(
    month Date32 COMMENT 'First day of the calendar month, UTC',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    customers_opening UInt64 COMMENT 'Customers with MRR at the month''s beginning',
    customers_churned UInt64 COMMENT 'Those of them without any at its end',
    opening_mrr Decimal(76, 12) COMMENT 'Their MRR at the beginning',
    lost_mrr Decimal(76, 12) COMMENT 'What those who have less at the end lost; adds up over months',
    gained_mrr Decimal(76, 12) COMMENT 'What those who have more at the end gained; adds up over months',
    logo_churn Nullable(Decimal(38, 12)) COMMENT 'customers_churned / customers_opening; NULL if there was none. Ratios do not add up',
    gross_revenue_churn Nullable(Decimal(76, 12)) COMMENT 'lost_mrr / opening_mrr',
    net_revenue_churn Nullable(Decimal(76, 12)) COMMENT '(lost_mrr - gained_mrr) / opening_mrr'
)
AS
SELECT
    month, currency, customers_opening, customers_churned, opening_mrr, lost_mrr, gained_mrr,
    if(customers_opening = 0, NULL, toDecimal128(customers_churned, 12) / customers_opening) AS logo_churn,
    if(opening_mrr <= 0, NULL, divideDecimal(lost_mrr, if(opening_mrr <= 0, toDecimal256(1, 12), opening_mrr), 12)) AS gross_revenue_churn,
    if(opening_mrr <= 0, NULL, divideDecimal(lost_mrr - gained_mrr, if(opening_mrr <= 0, toDecimal256(1, 12), opening_mrr), 12)) AS net_revenue_churn
FROM
(
    SELECT
        month, currency,
        countIf(opening > 0) AS customers_opening,
        countIf(opening > 0 AND closing - transfer <= 0) AS customers_churned,
        sumIf(opening, opening > 0) AS opening_mrr,
        sumIf(opening - closing + transfer, opening > 0 AND closing - transfer < opening) AS lost_mrr,
        sumIf(closing - transfer - opening, opening > 0 AND closing - transfer > opening) AS gained_mrr
    FROM customer_mrr_by_month
    GROUP BY month, currency
)
ORDER BY currency, month;

-- The same customers and amounts seen from what stayed: nrr = 1 - net revenue churn, grr = 1 - gross revenue churn.
CREATE OR REPLACE VIEW retention_by_month
(
    month Date32 COMMENT 'First day of the calendar month, UTC',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    customers_opening UInt64 COMMENT 'Customers with MRR at the month''s beginning',
    customers_retained Int64 COMMENT 'Those of them who have some at its end',
    opening_mrr Decimal(76, 12) COMMENT 'Their MRR at the beginning',
    retained_mrr Decimal(76, 12) COMMENT 'opening_mrr less what they lost',
    closing_mrr Decimal(76, 12) COMMENT 'retained_mrr and what they gained',
    logo_retention Nullable(Decimal(38, 12)) COMMENT 'customers_retained / customers_opening; NULL if there was none. Ratios do not add up',
    nrr Nullable(Decimal(76, 12)) COMMENT 'closing_mrr / opening_mrr = 1 - net_revenue_churn',
    grr Nullable(Decimal(76, 12)) COMMENT 'retained_mrr / opening_mrr = 1 - gross_revenue_churn'
)
AS
SELECT
    month, currency, customers_opening, customers_opening - customers_churned AS customers_retained, opening_mrr,
    opening_mrr - lost_mrr AS retained_mrr,
    opening_mrr - lost_mrr + gained_mrr AS closing_mrr,
    1 - logo_churn AS logo_retention,
    1 - net_revenue_churn AS nrr,
    1 - gross_revenue_churn AS grr
FROM churn_by_month
ORDER BY currency, month;

-- Customers by the month of their first movement, and what is left of them and of their first month's closing MRR.
CREATE OR REPLACE VIEW cohort_retention
(
    cohort_month Date32 COMMENT 'Month of the customers'' first movement in this currency',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    month Date32 COMMENT 'First day of the calendar month, UTC',
    months_since UInt32 COMMENT 'Months from cohort_month to month',
    cohort_customers UInt64 COMMENT 'Customers of the cohort',
    customers_active UInt64 COMMENT 'Those with MRR at the end of month',
    cohort_mrr Decimal(76, 12) COMMENT 'MRR of the cohort at the end of its first month',
    mrr Decimal(76, 12) COMMENT 'MRR of the cohort at the end of month; adds up over cohorts, not over months',
    logo_retention Nullable(Decimal(38, 12)) COMMENT 'customers_active / cohort_customers',
    revenue_retention Nullable(Decimal(76, 12)) COMMENT 'mrr / cohort_mrr; NULL if that is not above 0'
)
AS
SELECT
    cohort_month, currency, month, months_since, cohort_customers, customers_active, cohort_mrr, mrr,
    if(cohort_customers = 0, NULL, toDecimal128(customers_active, 12) / cohort_customers) AS logo_retention,
    if(cohort_mrr <= 0, NULL, divideDecimal(mrr, if(cohort_mrr <= 0, toDecimal256(1, 12), cohort_mrr), 12)) AS revenue_retention
FROM
(
    SELECT
        *,
        max(if(months_since = 0, customers, 0)) OVER (PARTITION BY currency, cohort_month) AS cohort_customers,
        sum(if(months_since = 0, mrr, toDecimal256(0, 12))) OVER (PARTITION BY currency, cohort_month) AS cohort_mrr
    FROM
    (
        SELECT
            cohort_month, currency, month,
            toUInt32(dateDiff('month', cohort_month, month)) AS months_since,
            count() AS customers,
            countIf(closing > 0) AS customers_active,
            sum(closing) AS mrr
        FROM customer_mrr_by_month
        GROUP BY cohort_month, currency, month
    )
)
ORDER BY currency, cohort_month, month;

-- Money asked for and money received, by the month in which it happened. A failed payment moves nothing.
CREATE OR REPLACE VIEW collections_by_month
(
    month Date32 COMMENT 'First day of the calendar month, UTC, in which it happened',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    invoiced Decimal(76, 12) COMMENT 'Totals of invoices finalized; adds up over months',
    voided Decimal(76, 12) COMMENT 'Totals of invoices voided',
    collected Decimal(76, 12) COMMENT 'Payments that succeeded',
    refunded Decimal(76, 12) COMMENT 'Payments that went back',
    failed Decimal(76, 12) COMMENT 'Payments that failed; they move nothing',
    payments UInt64 COMMENT 'Number of payments that succeeded',
    failed_payments UInt64 COMMENT 'Number of payments that failed',
    net_collected Decimal(76, 12) COMMENT 'collected - refunded',
    collection_rate Nullable(Decimal(76, 12)) COMMENT 'net_collected / invoiced of the month; NULL if nothing was invoiced. Ratios do not add up'
)
AS
SELECT
    month, currency,
    sumIf(money, what = 'finalized') AS invoiced,
    sumIf(money, what = 'voided') AS voided,
    sumIf(money, what = 'succeeded') AS collected,
    sumIf(money, what = 'refunded') AS refunded,
    sumIf(money, what = 'failed') AS failed,
    countIf(what = 'succeeded') AS payments,
    countIf(what = 'failed') AS failed_payments,
    collected - refunded AS net_collected,
    if(invoiced <= 0, NULL, divideDecimal(collected - refunded, if(invoiced <= 0, toDecimal256(1, 12), invoiced), 12)) AS collection_rate
FROM
(
    SELECT makeDate32(toYear(event_time), toMonth(event_time), 1) AS month, currency, status AS what, toDecimal256(amount, 12) AS money
    FROM payments
    UNION ALL
    SELECT makeDate32(toYear(event_time), toMonth(event_time), 1) AS month, currency, status AS what, toDecimal256(total, 12) AS money
    FROM invoices
    WHERE status IN ('finalized', 'voided')
)
GROUP BY month, currency
ORDER BY currency, month;

-- The catalog by which each row of rated_usage was rated: a commit applies what is published before it rates, so it is
-- the newest one of the row's partition up to the row's commit. `catalog_since`: the commit that began to use it.
CREATE OR REPLACE VIEW rated_usage_catalogs
(
    event_source String COMMENT 'Source of the event',
    event_id String COMMENT 'The event within its source',
    customer_id String COMMENT 'The customer',
    charge_id String COMMENT 'The charge that the row belongs to',
    plan LowCardinality(String) COMMENT 'The plan',
    plan_version UInt32 COMMENT 'Version of the plan',
    price LowCardinality(String) COMMENT 'The price',
    meter LowCardinality(String) COMMENT 'The meter',
    amount Decimal(38, 12) COMMENT 'Of the rated row; adds up to the charge',
    `partition` UInt32 COMMENT 'Partition of the ledger',
    ledger_sequence UInt64 COMMENT 'Commit that rated the row',
    catalog_hash String COMMENT 'The catalog that it was rated by',
    catalog_since UInt64 COMMENT 'The commit that began to use that catalog'
)
AS
SELECT
    r.event_source AS event_source, r.event_id AS event_id, r.customer_id AS customer_id, r.charge_id AS charge_id,
    r.plan AS plan, r.plan_version AS plan_version, r.price AS price, r.meter AS meter, r.amount AS amount,
    r.`partition` AS `partition`, r.ledger_sequence AS ledger_sequence,
    c.catalog_hash AS catalog_hash, c.ledger_sequence AS catalog_since
FROM rated_usage AS r
ASOF LEFT JOIN catalog_versions AS c ON r.`partition` = c.`partition` AND r.ledger_sequence >= c.ledger_sequence;

-- What ought to be looked at: `flag` and its `version` name the rule, `object_kind` and `object_id` what it is about.
-- credit_pattern: more is credited than was billed, a credit corrects a charge that was never billed, or one charge is
-- corrected by three runs or more. repeated_collisions: a source sent five or more other contents under ids that it had
-- used, in seven days. write_without_source: a usage charge of the last 35 days was billed, and no event is rated for it.
CREATE OR REPLACE VIEW red_flags
(
    flag String COMMENT 'Name of the rule',
    version UInt8 COMMENT 'Version of the rule',
    entity_id String COMMENT 'The entity that bills, or nothing',
    customer_id String COMMENT 'The customer',
    object_kind String COMMENT 'What it is about: charge or source',
    object_id String COMMENT 'Its id',
    detail String COMMENT 'What was seen, in words',
    recorded_at DateTime64(3, 'UTC') COMMENT 'When the latest of it was written'
)
AS
SELECT
    'credit_pattern' AS flag, 1 AS version, entity AS entity_id, customer AS customer_id, 'charge' AS object_kind,
    corrected AS object_id,
    multiIf(originals = 0, concat('a credit corrects ', corrected, ', which was never billed'),
        net < 0, concat(toString(-net), ' ', of_currency, ' more is credited than was billed for ', corrected),
        concat(corrected, ' was corrected by ', toString(corrections), ' runs')) AS detail,
    at AS recorded_at
FROM
(
    SELECT
        if(corrects = '', charge_id, corrects) AS corrected, any(c.entity_id) AS entity, any(c.customer_id) AS customer,
        any(c.currency) AS of_currency, sum(toDecimal256(amount_rounded, 12)) AS net,
        countIf(corrects = '') AS originals, uniqExactIf(billing_run_id, corrects != '') AS corrections,
        sumIf(toDecimal256(amount_rounded, 12), corrects = '') AS billed, max(c.recorded_at) AS at
    FROM charges AS c WHERE billing_run_id != '' GROUP BY corrected
)
WHERE corrections > 0 AND (originals = 0 OR (billed >= 0 AND net < 0) OR corrections >= 3)
UNION ALL
SELECT
    'repeated_collisions', 1, '', d.customer_id, 'source', d.event_source,
    concat(toString(any(s.collisions)), ' other contents under known ids came from ', d.event_source), max(d.recorded_at)
FROM dead_letters AS d
INNER JOIN
(
    SELECT event_source, sum(event_count) AS collisions FROM dead_letters
    WHERE code = 'conflicting_duplicate' AND recorded_at >= now() - INTERVAL 7 DAY
    GROUP BY event_source HAVING collisions >= 5
) AS s ON s.event_source = d.event_source
WHERE d.code = 'conflicting_duplicate' AND d.recorded_at >= now() - INTERVAL 7 DAY
GROUP BY d.customer_id, d.event_source
UNION ALL
SELECT
    'write_without_source', 1, entity_id, customer_id, 'charge', charge_id,
    concat(toString(quantity), ' of ', meter, ' is billed by ', charge_id, ', and no event is rated for it'), recorded_at
FROM charges
WHERE billing_run_id != '' AND kind = 'usage' AND quantity != 0 AND recorded_at >= now() - INTERVAL 35 DAY
    AND charge_id NOT IN (SELECT charge_id FROM rated_usage GROUP BY charge_id HAVING sum(event_count) > 0);

-- Which lines of entries each line of a summary adds up, one row per line of an entry.
CREATE OR REPLACE VIEW journal_summary_entries
(
    summary_id String COMMENT 'Journal id of the summary',
    summary_line UInt32 COMMENT 'Line of the summary',
    journal_id String COMMENT 'An entry that it adds up',
    line UInt32 COMMENT 'Line of that entry',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    accounting_date Date32 COMMENT 'Day in the time zone of the entity',
    account LowCardinality(String) COMMENT 'The account',
    role LowCardinality(String) COMMENT 'What the account stands for',
    debit Decimal(38, 12) COMMENT 'Of the entry''s line; adds up to the summary''s line',
    credit Decimal(38, 12) COMMENT 'Of the entry''s line; adds up to the summary''s line',
    charge_id String COMMENT 'The charge behind the entry',
    customer_id String COMMENT 'The customer'
)
AS
SELECT
    s.journal_id AS summary_id, s.line AS summary_line, e.journal_id AS journal_id, e.line AS line,
    s.entity_id AS entity_id, s.currency AS currency, s.accounting_date AS accounting_date, s.account AS account, s.role AS role,
    if(s.debit > 0, e.debit, toDecimal128(0, 12)) AS debit, if(s.credit > 0, e.credit, toDecimal128(0, 12)) AS credit,
    e.charge_id AS charge_id, e.customer_id AS customer_id
FROM journal_summaries AS s
INNER JOIN journal_entries AS e
    ON e.entity_id = s.entity_id AND e.currency = s.currency AND e.accounting_date = s.accounting_date
        AND e.account = s.account AND e.role = s.role
WHERE e.stream_sequence BETWEEN s.covers_from AND s.covers_to
    AND mapSort(e.segments) = mapSort(s.segments)
    AND e.release_id = s.release_id AND (s.release_id != '' OR e.billing_run_id = s.billing_run_id)
    AND (e.debit > 0) = (s.debit > 0);

-- What rounding came to, by run, entity and currency: the exact amounts of the charges, what was billed, and the difference,
-- with what of it was posted to the account that the mapping names for it. What is not posted is less than a minor unit a
-- batch, or the mapping names no account.
CREATE OR REPLACE VIEW rounding_by_run
(
    billing_run_id String COMMENT 'The billing run',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    exact Decimal(76, 12) COMMENT 'Exact amounts of the charges; adds up over runs',
    billed Decimal(76, 12) COMMENT 'Amounts as invoiced; adds up over runs',
    difference Decimal(76, 12) COMMENT 'exact - billed',
    posted Decimal(76, 12) COMMENT 'What of it was posted to the account for rounding'
)
AS
SELECT
    billing_run_id, entity_id, currency,
    sum(toDecimal256(b.amount_total, 12)) AS exact, sum(toDecimal256(b.amount_rounded_total, 12)) AS billed,
    exact - billed AS difference, any(r.posted) AS posted
FROM billing_batches AS b
LEFT JOIN
(
    SELECT billing_run_id, entity_id, currency, sum(toDecimal256(debit, 12) - toDecimal256(credit, 12)) AS posted
    FROM journal_entries
    WHERE entry_kind = 'rounding' AND role = 'rounding'
    GROUP BY billing_run_id, entity_id, currency
) AS r USING (billing_run_id, entity_id, currency)
GROUP BY billing_run_id, entity_id, currency;

-- What is still deferred, by entity, currency, customer and charge: what was deferred, what became revenue, what is left.
CREATE OR REPLACE VIEW deferred_revenue
(
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    customer_id String COMMENT 'The customer',
    charge String COMMENT 'The charge; an adjustment belongs to the charge that it corrects',
    deferred Decimal(76, 12) COMMENT 'What was deferred',
    released Decimal(76, 12) COMMENT 'What of it became revenue',
    remaining Decimal(76, 12) COMMENT 'deferred - released; all three add up by currency'
)
AS
SELECT
    entity_id, currency, customer_id, if(corrects = '', charge_id, corrects) AS charge,
    sumIf(toDecimal256(credit, 12) - toDecimal256(debit, 12), entry_kind = 'journal') AS deferred,
    sumIf(toDecimal256(debit, 12) - toDecimal256(credit, 12), entry_kind = 'release') AS released,
    deferred - released AS remaining
FROM journal_entries
WHERE role = 'deferred_revenue'
GROUP BY entity_id, currency, customer_id, charge;
