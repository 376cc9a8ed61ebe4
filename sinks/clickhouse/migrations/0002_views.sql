-- What analysts ask for first. Plain SQL over the tables; sums in Decimal(76, 12), so that none overflows; rates are
-- Decimal or NULL where there is nothing to divide by. Months are calendar months in UTC, named by their first day, as
-- Date32: Date ends in 2149 and turns what lies beyond into another day.
-- A statement ends with a semicolon at the end of its line.

-- Each event on each meter and price as it counts now: what was rated, taken back and corrected comes to one row. Where
-- only sums are wanted, rows need not be put together, so that this is done for the other aggregations alone.
CREATE OR REPLACE VIEW usage_events AS
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
-- percentiles). `events` and `amount` always add up.
CREATE OR REPLACE VIEW usage_hourly AS
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
    any(e.aggregation) AS aggregation
FROM usage_events AS e
GROUP BY hour, customer_id, subscription_id, plan, price, meter, currency, entity_id;

CREATE OR REPLACE VIEW usage_daily AS
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
    any(e.aggregation) AS aggregation
FROM usage_events AS e
GROUP BY day, customer_id, subscription_id, plan, price, meter, currency, entity_id;

-- How each delivery stands: SELECT connection, state, count() FROM deliveries_latest GROUP BY connection, state.
CREATE OR REPLACE VIEW deliveries_latest AS
SELECT *
FROM deliveries
ORDER BY stream_sequence DESC
LIMIT 1 BY connection, delivery_id;

-- The version with the greatest sequence of each subscription, as it is known now.
CREATE OR REPLACE VIEW subscription_versions_latest AS
SELECT *
FROM subscription_versions
ORDER BY sequence DESC, revision DESC
LIMIT 1 BY subscription_id;

-- Every month from a currency's first movement to its last, those without movements included.
CREATE OR REPLACE VIEW mrr_by_month AS
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

CREATE OR REPLACE VIEW arr_by_month AS
SELECT
    month, currency,
    opening * 12 AS opening,
    new_business * 12 AS new_business, expansion * 12 AS expansion, contraction * 12 AS contraction,
    churn * 12 AS churn, reactivation * 12 AS reactivation, transfer * 12 AS transfer,
    closing * 12 AS closing
FROM mrr_by_month;

-- Each customer's MRR at the beginning and the end of every month from its first movement to the currency's last, and
-- what came to it from other currencies of the customer, or went to them.
CREATE OR REPLACE VIEW customer_mrr_by_month AS
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
CREATE OR REPLACE VIEW churn_by_month AS
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
CREATE OR REPLACE VIEW retention_by_month AS
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
CREATE OR REPLACE VIEW cohort_retention AS
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
CREATE OR REPLACE VIEW collections_by_month AS
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

-- Charges as invoiced (amount_rounded), in the local months of their subscriptions in which they are earned: in advance as
-- the schedule of its journal entry says; in arrears in the month of its accounting date. Before its entry is here, a
-- charge counts by months in UTC: in advance evenly over its service period, in arrears when that ends. The months of a
-- charge add up to it exactly.
CREATE OR REPLACE VIEW revenue_by_month AS
SELECT
    month, currency, entity_id,
    sumIf(earned, kind = 'usage') AS usage,
    sumIf(earned, kind = 'recurring') AS recurring,
    sumIf(earned, kind = 'adjustment') AS adjustments,
    sum(earned) AS revenue
FROM
(
    SELECT
        makeDate32(toYear(earned_on), toMonth(earned_on), 1) AS month,
        if(lines > 0, posted_on, toDate32(period_until - toIntervalNanosecond(1), 'UTC')) AS earned_on,
        currency, entity_id, kind, toDecimal256(amount_rounded, 12) AS earned
    FROM charges
    LEFT JOIN
    (
        SELECT charge_id, any(accounting_date) AS posted_on, count() AS lines
        FROM journal_entries
        WHERE entry_kind IN ('', 'journal')
        GROUP BY charge_id
    ) AS posted USING (charge_id)
    WHERE timing != 'in_advance'
    UNION ALL
    SELECT s.month AS month, s.month AS earned_on, s.currency AS currency, s.entity_id AS entity_id, c.kind AS kind,
        toDecimal256(s.amount, 12) AS earned
    FROM revenue_schedule AS s
    INNER JOIN (SELECT charge_id, kind FROM charges WHERE timing = 'in_advance') AS c USING (charge_id)
    UNION ALL
    -- Earned by the end of the month less earned by its beginning, so that roundings cancel out.
    SELECT month, month AS earned_on, currency, entity_id, kind,
        whole * greatest(0, least(length_ns, until_ns - from_ns)) / length_ns
            - whole * greatest(0, least(length_ns, month_ns - from_ns)) / length_ns AS earned
    FROM
    (
        SELECT
            currency, entity_id, kind, toDecimal256(amount_rounded, 12) AS whole,
            toUnixTimestamp64Nano(period_from) AS from_ns,
            greatest(1, toUnixTimestamp64Nano(period_until) - from_ns) AS length_ns,
            arrayJoin(arrayMap(
                n -> addMonths(makeDate32(toYear(period_from), toMonth(period_from), 1), n),
                range(toUInt32(dateDiff('month', period_from, period_until - toIntervalNanosecond(1)) + 1)))) AS month,
            toUnixTimestamp64Nano(toDateTime64(month, 9, 'UTC')) AS month_ns,
            toUnixTimestamp64Nano(toDateTime64(addMonths(month, 1), 9, 'UTC')) AS until_ns
        FROM charges
        WHERE timing = 'in_advance' AND period_until > period_from
            AND charge_id NOT IN (SELECT charge_id FROM revenue_schedule)
    )
)
GROUP BY month, currency, entity_id
ORDER BY currency, entity_id, month;

-- The catalog by which each row of rated_usage was rated: a commit applies what is published before it rates, so it is
-- the newest one of the row's partition up to the row's commit. `catalog_since`: the commit that began to use it.
CREATE OR REPLACE VIEW rated_usage_catalogs AS
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
CREATE OR REPLACE VIEW red_flags AS
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
CREATE OR REPLACE VIEW journal_summary_entries AS
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
CREATE OR REPLACE VIEW rounding_by_run AS
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
CREATE OR REPLACE VIEW deferred_revenue AS
SELECT
    entity_id, currency, customer_id, if(corrects = '', charge_id, corrects) AS charge,
    sumIf(toDecimal256(credit, 12) - toDecimal256(debit, 12), entry_kind = 'journal') AS deferred,
    sumIf(toDecimal256(debit, 12) - toDecimal256(credit, 12), entry_kind = 'release') AS released,
    deferred - released AS remaining
FROM journal_entries
WHERE role = 'deferred_revenue'
GROUP BY entity_id, currency, customer_id, charge;
