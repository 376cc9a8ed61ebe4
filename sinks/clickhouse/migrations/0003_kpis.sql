-- The business figures by day (UTC), each from the rows that are here; docs/kpis.md has the definitions. A figure without a
-- row is not known: no source of it has told anything yet. A 0 is counted. Plain SQL over the tables, exact.
--
--   ratio    value = numerator / denominator
--   seconds  value = mean = numerator (sum of seconds) / denominator (cases); worst = the slowest case
--   items    value = numerator; denominator = the cases that were looked at
--   money    value = numerator; denominator = the money that was looked at
--
-- Numerators and denominators of several days add up, the worst is the greatest, so any period can be told exactly.
-- A statement ends with a semicolon at the end of its line.

-- Each batch of lines that was sealed, with the last of its journal entries so far.
CREATE OR REPLACE VIEW kpi_batches
(
    batch_id String COMMENT 'The billing batch',
    billing_run_id String COMMENT 'Its run',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    sealed_at DateTime64(3, 'UTC') COMMENT 'When it was sealed',
    sequence UInt64 COMMENT 'Message of BILLING',
    entries UInt64 COMMENT 'Journal entry lines so far',
    posted_at DateTime64(3, 'UTC') COMMENT 'The last of them'
)
AS
SELECT b.batch_id AS batch_id, b.billing_run_id AS billing_run_id, b.entity_id AS entity_id, b.currency AS currency,
    b.sealed_at AS sealed_at, b.stream_sequence AS sequence, j.entries AS entries, j.posted_at AS posted_at
FROM billing_batches AS b
LEFT JOIN
(
    SELECT batch_id, count() AS entries, max(posted_at) AS posted_at
    FROM journal_entries
    WHERE entry_kind IN ('', 'journal')
    GROUP BY batch_id
) AS j USING (batch_id);

-- Each charge that ought to be posted: posted is its number of entries, right those that balance and come to its amount.
-- Postings are made in the order of the batches, so a charge of an earlier batch than the last one posted was passed over.
CREATE OR REPLACE VIEW kpi_postings
(
    charge_id String COMMENT 'A charge that ought to be posted',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    day Date32 COMMENT 'Of its last entry, without one of the sealing; UTC',
    entries UInt64 COMMENT 'Its journal entries',
    matching UInt64 COMMENT 'Those that balance and come to its amount'
)
AS
SELECT
    c.charge_id AS charge_id, c.entity_id AS entity_id, c.currency AS currency,
    if(entries = 0, toDate32(r.sealed_at, 'UTC'), toDate32(e.posted_at, 'UTC')) AS day,
    e.entries AS entries, e.matching AS matching
FROM
(
    SELECT charge_id, entity_id, currency, billing_run_id, toDecimal256(amount_rounded, 12) AS owed
    FROM charges
    WHERE billing_run_id != ''
) AS c
INNER JOIN
(
    SELECT billing_run_id, entity_id, currency, max(sealed_at) AS sealed_at, max(sequence) AS sequence
    FROM kpi_batches
    GROUP BY billing_run_id, entity_id, currency
) AS r USING (billing_run_id, entity_id, currency)
LEFT JOIN
(
    SELECT
        charge_id, count() AS entries, max(last_posted_at) AS posted_at,
        countIf(debits = credits AND debits = abs(toDecimal256(ch.amount_rounded, 12))) AS matching
    FROM
    (
        SELECT journal_id, charge_id, sum(toDecimal256(debit, 12)) AS debits, sum(toDecimal256(credit, 12)) AS credits, max(posted_at) AS last_posted_at
        FROM journal_entries
        WHERE entry_kind IN ('', 'journal')
        GROUP BY journal_id, charge_id
    ) AS sums
    INNER JOIN (SELECT charge_id, amount_rounded FROM charges WHERE billing_run_id != '') AS ch USING (charge_id)
    GROUP BY charge_id
) AS e USING (charge_id)
WHERE e.entries > 0 OR (c.owed != 0 AND r.sequence < (SELECT max(sequence) FROM kpi_batches WHERE entries > 0));

-- Each payment as it stands now: what came in, less what went back.
CREATE OR REPLACE VIEW kpi_payments
(
    payment_id String COMMENT 'The payment',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    invoice String COMMENT 'The invoice that it names, or nothing',
    received_at DateTime64(9, 'UTC') COMMENT 'First success',
    received Decimal(76, 12) COMMENT 'What came in',
    refunded Decimal(76, 12) COMMENT 'What went back'
)
AS
SELECT
    payment_id, currency, max(p.invoice_id) AS invoice,
    minIf(p.event_time, p.status = 'succeeded') AS received_at,
    sumIf(toDecimal256(p.amount, 12), p.status = 'succeeded') AS received,
    sumIf(toDecimal256(p.amount, 12), p.status = 'refunded') AS refunded
FROM payments AS p
GROUP BY payment_id, currency
HAVING countIf(p.status = 'succeeded') > 0;

-- Each change of a subscription that took effect or was refused and not mended. Another content under its identity is no
-- part of it.
CREATE OR REPLACE VIEW kpi_changes
(
    event_source String COMMENT 'Source of the lifecycle event',
    event_id String COMMENT 'The event within its source',
    event_type LowCardinality(String) COMMENT 'created, renewed or amended',
    applied Int64 COMMENT 'Above 0: it took effect',
    refused Int64 COMMENT 'Above 0: it was refused and not mended',
    ingested_at DateTime64(3, 'UTC') COMMENT 'When it came',
    event_time DateTime64(9, 'UTC') COMMENT 'When it happened',
    correlation String COMMENT 'Its correlation id',
    applied_at DateTime64(3, 'UTC') COMMENT 'When it took effect'
)
AS
SELECT
    event_source, event_id, event_type,
    sum(o.applied) AS applied, sum(o.refused) AS refused,
    min(o.ingested_at) AS ingested_at, min(o.event_time) AS event_time, max(o.correlation_id) AS correlation,
    minIf(o.recorded_at, o.applied > 0) AS applied_at
FROM
(
    SELECT event_source, event_id, event_type, event_count AS applied, 0 AS refused, ingested_at, recorded_at, event_time, correlation_id
    FROM event_outcomes
    WHERE disposition = 'applied' AND event_type IN ('weir.subscription.created', 'weir.subscription.renewed', 'weir.subscription.amended')
    UNION ALL
    SELECT event_source, event_id, event_type, 0 AS applied, event_count AS refused, ingested_at, recorded_at, toDateTime64(ingested_at, 9, 'UTC') AS event_time, correlation_id
    FROM dead_letters
    WHERE code != 'conflicting_duplicate' AND event_type IN ('weir.subscription.created', 'weir.subscription.renewed', 'weir.subscription.amended')
) AS o
GROUP BY event_source, event_id, event_type
HAVING applied > 0 OR refused > 0;

CREATE OR REPLACE VIEW kpi_daily
(
    day Date32 COMMENT 'Day, UTC',
    kpi String COMMENT 'The figure; docs/kpis.md has the definitions',
    entity_id String COMMENT 'The entity that bills, or nothing; nothing for figures of all',
    currency String COMMENT 'ISO 4217, or nothing',
    unit String COMMENT 'ratio, seconds, items, money or days',
    numerator Decimal(76, 12) COMMENT 'Adds up over days',
    denominator Decimal(76, 12) COMMENT 'Adds up over days',
    worst Nullable(Decimal(76, 12)) COMMENT 'The slowest case; of several days the greatest',
    value Nullable(Decimal(76, 12)) COMMENT 'numerator / denominator, of items and money the numerator; does not add up'
)
AS
SELECT
    day, kpi, entity_id, currency, unit, numerator, denominator, worst,
    multiIf(
        unit IN ('items', 'money'), toNullable(numerator),
        denominator = 0, NULL,
        divideDecimal(numerator, if(denominator = 0, toDecimal256(1, 12), denominator), 12)) AS value
FROM
(
    -- Subscriptions that took effect, of those and the ones that were refused.
    SELECT toDate32(ingested_at, 'UTC') AS day, 'activation_success' AS kpi, 'ratio' AS unit, '' AS entity_id, '' AS currency,
        toDecimal256(countIf(applied > 0), 12) AS numerator, toDecimal256(count(), 12) AS denominator, NULL AS worst
    FROM kpi_changes
    WHERE event_type = 'weir.subscription.created'
    GROUP BY day
    UNION ALL
    SELECT toDate32(ingested_at, 'UTC') AS day, 'failed_renewals' AS kpi, 'items' AS unit, '' AS entity_id, '' AS currency,
        toDecimal256(countIf(applied <= 0), 12) AS numerator, toDecimal256(count(), 12) AS denominator, NULL AS worst
    FROM kpi_changes
    WHERE event_type = 'weir.subscription.renewed'
    GROUP BY day
    UNION ALL
    -- From the time of an amendment to its taking effect.
    SELECT toDate32(applied_at, 'UTC') AS day, 'amendment_seconds' AS kpi, 'seconds' AS unit, '' AS entity_id, '' AS currency,
        sum(took) AS numerator, toDecimal256(count(), 12) AS denominator, toNullable(max(took)) AS worst
    FROM
    (
        SELECT applied_at, divideDecimal(toDecimal256(greatest(0, toUnixTimestamp64Nano(toDateTime64(applied_at, 9, 'UTC')) - toUnixTimestamp64Nano(event_time)), 12), toDecimal256(1000000000, 12), 12) AS took
        FROM kpi_changes
        WHERE event_type = 'weir.subscription.amended' AND applied > 0
    )
    GROUP BY day
    UNION ALL
    -- From the earliest event with the same correlation id, such as a quote, to the subscription's taking effect.
    SELECT toDate32(applied_at, 'UTC') AS day, 'quote_to_subscription_seconds' AS kpi, 'seconds' AS unit, '' AS entity_id, '' AS currency,
        sum(took) AS numerator, toDecimal256(count(), 12) AS denominator, toNullable(max(took)) AS worst
    FROM
    (
        SELECT applied_at, divideDecimal(toDecimal256(toUnixTimestamp64Nano(toDateTime64(applied_at, 9, 'UTC')) - toUnixTimestamp64Nano(quoted_at), 12), toDecimal256(1000000000, 12), 12) AS took
        FROM (SELECT * FROM kpi_changes WHERE event_type = 'weir.subscription.created' AND applied > 0 AND correlation != '') AS c
        INNER JOIN
        (
            SELECT correlation_id AS correlation, min(event_time) AS quoted_at
            FROM event_outcomes
            WHERE correlation_id != '' AND event_type != 'weir.subscription.created' AND event_count > 0
            GROUP BY correlation_id
        ) AS q USING (correlation)
        WHERE quoted_at <= applied_at
    )
    GROUP BY day
    UNION ALL
    -- From the sealing of a batch of invoice lines to the last of its journal entries.
    SELECT toDate32(sealed_at, 'UTC') AS day, 'invoice_to_posting_seconds' AS kpi, 'seconds' AS unit, entity_id, currency,
        sum(took) AS numerator, toDecimal256(count(), 12) AS denominator, toNullable(max(took)) AS worst
    FROM
    (
        SELECT *, divideDecimal(toDecimal256(greatest(0, toUnixTimestamp64Milli(posted_at) - toUnixTimestamp64Milli(sealed_at)), 12), toDecimal256(1000, 12), 12) AS took
        FROM kpi_batches
        WHERE entries > 0
    )
    GROUP BY day, entity_id, currency
    UNION ALL
    -- From a payment to its invoice's being paid.
    SELECT toDate32(received_at, 'UTC') AS day, 'payment_to_cash_seconds' AS kpi, 'seconds' AS unit, '' AS entity_id, currency,
        sum(took) AS numerator, toDecimal256(count(), 12) AS denominator, toNullable(max(took)) AS worst
    FROM
    (
        SELECT received_at, currency, divideDecimal(toDecimal256(greatest(0, toUnixTimestamp64Nano(paid_at) - toUnixTimestamp64Nano(received_at)), 12), toDecimal256(1000000000, 12), 12) AS took
        FROM (SELECT * FROM kpi_payments WHERE invoice != '') AS p
        INNER JOIN
        (
            SELECT invoice_id AS invoice, min(event_time) AS paid_at FROM invoices WHERE status = 'paid' GROUP BY invoice_id
        ) AS i USING (invoice)
    )
    GROUP BY day, currency
    UNION ALL
    -- Charges whose entries are one that balances and comes to the charge, of those that were posted or passed over.
    SELECT day, 'posting_accuracy' AS kpi, 'ratio' AS unit, entity_id, currency,
        toDecimal256(countIf(entries = 1 AND matching = 1), 12) AS numerator, toDecimal256(count(), 12) AS denominator, NULL AS worst
    FROM kpi_postings
    GROUP BY day, entity_id, currency
    UNION ALL
    SELECT day, 'posting_mismatches' AS kpi, 'items' AS unit, entity_id, currency,
        toDecimal256(countIf(NOT (entries = 1 AND matching = 1)), 12) AS numerator, toDecimal256(count(), 12) AS denominator, NULL AS worst
    FROM kpi_postings
    GROUP BY day, entity_id, currency
    UNION ALL
    -- What was due from a payment that failed, by the day of its first failure: how much of it was paid by a later try.
    SELECT toDate32(failed_at, 'UTC') AS day, 'payment_recovery' AS kpi, 'ratio' AS unit, '' AS entity_id, currency,
        toDecimal256(countIf(succeeded_at > failed_at), 12) AS numerator, toDecimal256(count(), 12) AS denominator, NULL AS worst
    FROM
    (
        SELECT
            if(invoice_id = '', concat('payment ', payment_id), concat('invoice ', invoice_id)) AS due, currency,
            minIf(event_time, status = 'failed') AS failed_at, maxIf(event_time, status = 'succeeded') AS succeeded_at
        FROM payments
        GROUP BY due, currency
        HAVING countIf(status = 'failed') > 0
    )
    GROUP BY day, currency
    UNION ALL
    -- Money received, less refunds, that names no invoice which was finalized and not voided.
    SELECT toDate32(received_at, 'UTC') AS day, 'unapplied_cash' AS kpi, 'money' AS unit, '' AS entity_id, currency,
        sumIf(received - refunded, i.open_invoice = '') AS numerator, sum(received - refunded) AS denominator, NULL AS worst
    FROM kpi_payments AS p
    LEFT JOIN
    (
        SELECT invoice_id AS open_invoice FROM invoices GROUP BY invoice_id HAVING countIf(status = 'finalized') > 0 AND countIf(status = 'voided') = 0
    ) AS i ON p.invoice = i.open_invoice
    GROUP BY day, currency
    UNION ALL
    -- What a run billed to a customer in one currency and entity, and no invoice was finalized for it since. Known once
    -- any invoice was told.
    SELECT toDate32(sealed_at, 'UTC') AS day, 'missing_invoices' AS kpi, 'items' AS unit, entity_id, currency,
        toDecimal256(countIf(last_invoice_ms < toUnixTimestamp64Milli(sealed_at)), 12) AS numerator, toDecimal256(count(), 12) AS denominator, NULL AS worst
    FROM
    (
        SELECT customer_id, entity_id, currency, billing_run_id, any(r.sealed_at) AS sealed_at, any(i.last_ms) AS last_invoice_ms
        FROM (SELECT customer_id, entity_id, currency, billing_run_id, toDecimal256(amount_rounded, 12) AS owed FROM charges WHERE billing_run_id != '') AS c
        INNER JOIN
        (
            SELECT billing_run_id, entity_id, currency, max(sealed_at) AS sealed_at FROM billing_batches GROUP BY billing_run_id, entity_id, currency
        ) AS r USING (billing_run_id, entity_id, currency)
        LEFT JOIN
        (
            SELECT customer_id, currency, max(toUnixTimestamp64Milli(event_time)) AS last_ms FROM invoices WHERE status = 'finalized' GROUP BY customer_id, currency
        ) AS i USING (customer_id, currency)
        GROUP BY customer_id, entity_id, currency, billing_run_id
        HAVING sum(c.owed) > 0
    )
    WHERE (SELECT count() FROM invoices) > 0
    GROUP BY day, entity_id, currency
    UNION ALL
    -- From the last day of a month to the day of the last entry so far that belongs to the month.
    SELECT closed AS day, 'days_to_close' AS kpi, 'days' AS unit, entity_id, '' AS currency,
        toDecimal256(days, 12) AS numerator, toDecimal256(1, 12) AS denominator, toNullable(toDecimal256(days, 12)) AS worst
    FROM
    (
        SELECT entity_id, addDays(addMonths(makeDate32(toYear(accounting_date), toMonth(accounting_date), 1), 1), -1) AS closed, dateDiff('day', closed, toDate32(max(posted_at), 'UTC')) AS days
        FROM journal_entries
        GROUP BY entity_id, closed
        HAVING days > 0
    )
    UNION ALL
    -- Refusals for a reason of tax, of events and of deliveries. Known once there was any.
    SELECT day, 'tax_exceptions' AS kpi, 'items' AS unit, '' AS entity_id, '' AS currency,
        toDecimal256(sum(refused), 12) AS numerator, toDecimal256(count(), 12) AS denominator, NULL AS worst
    FROM
    (
        SELECT toDate32(min(recorded_at), 'UTC') AS day, sum(event_count) AS refused FROM dead_letters WHERE startsWith(code, 'tax_') GROUP BY event_source, event_id, code
        UNION ALL
        SELECT toDate32(changed_at, 'UTC') AS day, 1 AS refused FROM deliveries_latest WHERE state = 'refused' AND startsWith(code, 'tax_')
    )
    GROUP BY day
)
ORDER BY kpi, day, entity_id, currency;
