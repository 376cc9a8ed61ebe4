-- Unapplied cash as the figure of finance, by the rule of `collections_by_month` and `payments_to_look_at`; and the view of all figures,
-- which reads it. A statement ends with a semicolon at the end of its line.

-- What is due with all payments that mean it: an invoice, or a payment that names none. One pass over each table, so that lists and figures
-- which ask often stay quick; `payment_balances` and `invoice_balances` say the same with more beside it.
CREATE OR REPLACE VIEW payment_dues
(
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    invoice_id String COMMENT 'The invoice that the payments name, or nothing: then it is one payment',
    is_known UInt8 COMMENT 'Whether an invoice of this id and currency was finalized',
    is_voided UInt8 COMMENT 'Whether the invoice was voided',
    is_settled UInt8 COMMENT 'Whether the billing system said that it is paid or voided',
    customer_id String COMMENT 'The customer of the invoice, or nothing',
    total Decimal(76, 12) COMMENT 'Total of the invoice when it was finalized; adds up',
    received Decimal(76, 12) COMMENT 'What is kept of the payments; adds up',
    unapplied Decimal(76, 12) COMMENT 'What of received is applied to nothing now; adds up',
    last_paid_at Nullable(DateTime64(9, 'UTC')) COMMENT 'Latest success; NULL: there is none',
    revision UInt64 COMMENT 'Latest commit that told of the invoice or of one of the payments',
    payments Array(Tuple(payment_id String, customer_id String, paid Decimal(76, 12), refunded Decimal(76, 12), kept Decimal(76, 12), first_at DateTime64(9, 'UTC'), paid_at Nullable(DateTime64(9, 'UTC')), revision UInt64)) COMMENT 'The payments as they stand',
    tries Array(Tuple(event_time DateTime64(9, 'UTC'), event_source String, event_id String, is_success UInt8, payment_id String, customer_id String, reason String, amount Decimal(76, 12))) COMMENT 'Failures and first successes, in their order',
    disputes_lost Array(Tuple(dispute_id String, customer_id String, payment_id String, amount Decimal(76, 12), changed_at DateTime64(9, 'UTC'), reason String, revision UInt64)) COMMENT 'Disputes that were lost, as they stand'
)
AS
SELECT
    p.currency AS currency, p.invoice AS invoice_id, any(i.known) AS is_known, any(i.voided) AS is_voided, any(i.settled) AS is_settled,
    any(i.customer) AS customer_id, any(i.asked) AS total, sum(p.kept) AS received,
    if(is_known, greatest(received - if(is_voided, toDecimal256(0, 12), greatest(total, toDecimal256(0, 12))), toDecimal256(0, 12)), received) AS unapplied,
    max(p.paid_at) AS last_paid_at, greatest(max(p.revision), any(i.revision)) AS revision,
    groupArray((p.payment_id, p.customer, p.paid, p.refunded, p.kept, p.first_at, p.paid_at, p.revision)) AS payments,
    arraySort(arrayFlatten(groupArray(arrayConcat(p.failures, p.success)))) AS tries,
    arrayFlatten(groupArray(p.lost)) AS disputes_lost
FROM
(
    SELECT
        payment_id, currency, max(q.invoice_id) AS invoice, if(invoice = '', payment_id, '') AS alone,
        argMin(q.customer_id, (q.event_time, q.event_source, q.event_id)) AS customer,
        argMinIf(toDecimal256(q.amount, 12), (q.event_time, q.event_source, q.event_id), q.status = 'succeeded') AS paid,
        sumIf(toDecimal256(q.amount, 12), q.status = 'refunded') AS refunded,
        min(q.event_time) AS first_at, minOrNullIf(q.event_time, q.status = 'succeeded') AS paid_at, max(q.ledger_sequence) AS revision,
        groupArrayIf((q.event_time, q.event_source, q.event_id, toUInt8(0), q.payment_id, q.customer_id, q.reason, toDecimal256(q.amount, 12)), q.status = 'failed') AS failures,
        arraySlice(arraySort(groupArrayIf((q.event_time, q.event_source, q.event_id, toUInt8(1), q.payment_id, q.customer_id, q.reason, toDecimal256(q.amount, 12)), q.status = 'succeeded')), 1, 1) AS success,
        arraySort(groupArrayIf((q.dispute_status != 'opened', q.event_time, q.event_source, q.event_id, q.dispute_id, toString(q.dispute_status), toDecimal256(q.amount, 12), q.reason), q.status = 'disputed')) AS told,
        arrayFilter(one -> one.6 = 'lost', arrayMap(id -> arrayLast(one -> one.5 = id, told), arrayDistinct(arrayMap(one -> one.5, told)))) AS lost_now,
        arrayMap(one -> (one.5, customer, payment_id, one.7, one.2,
            arrayLast(two -> two.5 = one.5 AND two.8 != '', arraySort(two -> (two.2, two.3, two.4), told)).8, revision), lost_now) AS lost,
        greatest(paid - refunded - arrayReduce('sum', arrayPushBack(arrayMap(one -> one.7, lost_now), toDecimal256(0, 12))), toDecimal256(0, 12)) AS kept
    FROM payments AS q
    GROUP BY payment_id, currency
) AS p
LEFT JOIN
(
    SELECT
        invoice_id, currency, argMin(n.customer_id, (n.event_time, n.event_source, n.event_id)) AS customer,
        argMinIf(toDecimal256(n.total, 12), (n.event_time, n.event_source, n.event_id), n.status = 'finalized') AS asked,
        countIf(n.status = 'finalized') > 0 AS known, countIf(n.status = 'voided') > 0 AS voided, countIf(n.status IN ('paid', 'voided')) > 0 AS settled,
        max(n.ledger_sequence) AS revision
    FROM invoices AS n
    WHERE n.invoice_id != ''
    GROUP BY invoice_id, currency
) AS i ON i.invoice_id = p.invoice AND i.currency = p.currency
GROUP BY p.currency, p.invoice, p.alone;

-- What somebody has to look at. Money that came within the last day may still find its invoice.
CREATE OR REPLACE VIEW payments_to_look_at
(
    code String COMMENT 'payment_exhausted, unapplied_cash, refund_above_payment or dispute_lost',
    record_kind String COMMENT 'What it is about: payment, invoice or dispute',
    record_id String COMMENT 'Its id',
    customer_id String COMMENT 'The customer',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    amount Decimal(76, 12) COMMENT 'How much it is about; adds up by code',
    detail String COMMENT 'What was seen, in words',
    since DateTime64(9, 'UTC') COMMENT 'Since when it stands so',
    revision UInt64 COMMENT 'Latest commit that told of it'
)
AS
SELECT
    found.1 AS code, found.2 AS record_kind, found.3 AS record_id, found.4 AS customer_id, currency, found.5 AS amount, found.6 AS detail,
    found.7 AS since, found.8 AS revision
FROM
(
    SELECT
        currency,
        arraySlice(d.tries, arrayLastIndex(one -> one.4 = 1, d.tries) + 1) AS failing,
        arrayConcat(
            arrayMap(one -> ('payment_exhausted', 'payment', one.5, one.6, one.8,
                concat('The payment ', one.5, if(d.invoice_id = '', '', concat(' of the invoice ', d.invoice_id)), ' failed ', toString(length(failing)),
                    if(length(failing) = 1, ' time', ' times'), if(one.7 = '', '', concat(' (', one.7, ')')), ' and was not tried again for 14 days.'),
                one.1, d.revision),
                arrayFilter(one -> NOT d.is_settled AND one.1 < now64(9) - INTERVAL 14 DAY, arraySlice(failing, -1))),
            arrayMap(one -> ('unapplied_cash', 'payment', one.1, one.2, one.5,
                if(d.invoice_id = '', concat('The payment ', one.1, ' names no invoice.'),
                    concat('The payment ', one.1, ' names the invoice ', d.invoice_id, ', and none of this id was finalized in ', d.currency, '.')),
                assumeNotNull(one.7), one.8),
                arrayFilter(one -> NOT d.is_known AND one.5 > 0 AND ifNull(one.7 < now64(9) - INTERVAL 1 DAY, false), d.payments)),
            arrayMap(one -> ('unapplied_cash', 'invoice', d.invoice_id, d.customer_id, d.unapplied,
                if(d.is_voided, concat('The invoice ', d.invoice_id, ' was voided, and what was paid of it is kept.'),
                    concat('More was paid for the invoice ', d.invoice_id, ' than its total of ', toString(d.total), ' ', d.currency, '.')),
                assumeNotNull(d.last_paid_at), d.revision),
                arrayFilter(one -> d.is_known AND d.unapplied > 0 AND ifNull(d.last_paid_at < now64(9) - INTERVAL 1 DAY, false), [1])),
            arrayMap(one -> ('refund_above_payment', 'payment', one.1, one.2, one.4 - one.3,
                concat('Of the payment ', one.1, ' ', toString(one.4), ' ', d.currency, ' was refunded, and ', toString(one.3), ' was paid.'), one.6, one.8),
                arrayFilter(one -> one.4 > one.3 AND one.6 < now64(9) - INTERVAL 1 DAY, d.payments)),
            arrayMap(one -> ('dispute_lost', 'dispute', one.1, one.2, one.4,
                concat('The dispute ', one.1, ' of the payment ', one.3, ' was lost', if(one.6 = '', '.', concat(' (', one.6, ').'))), one.5, one.7),
                d.disputes_lost)) AS all_found
    FROM payment_dues AS d
)
ARRAY JOIN all_found AS found;

-- What is kept of money that was received, by the day on which it came, and what of it is applied to nothing now: of an invoice by the day
-- of its last payment. All days together are `unapplied` of the last month of `collections_by_month`, of all entities.
CREATE OR REPLACE VIEW kpi_unapplied_cash
(
    day Date32 COMMENT 'Day of the payment, UTC',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    unapplied Decimal(76, 12) COMMENT 'What is applied to nothing now; adds up',
    kept Decimal(76, 12) COMMENT 'What is kept of the payments; adds up'
)
AS
SELECT toDate32(part.1, 'UTC') AS day, currency, sum(part.2) AS unapplied, sum(part.3) AS kept
FROM
(
    SELECT
        currency,
        arrayConcat(
            arrayMap(one -> (assumeNotNull(one.7), toDecimal256(0, 12), one.5), arrayFilter(one -> isNotNull(one.7), d.payments)),
            if(d.unapplied > 0, [(assumeNotNull(d.last_paid_at), d.unapplied, toDecimal256(0, 12))], [])) AS parts
    FROM payment_dues AS d
)
ARRAY JOIN parts AS part
GROUP BY day, currency;

-- Refusals for a reason of tax, of events and of deliveries, by the day of the first.
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
);

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
    -- What of the money received is applied to nothing now.
    SELECT day, 'unapplied_cash' AS kpi, 'money' AS unit, '' AS entity_id, currency, unapplied AS numerator, kept AS denominator, NULL AS worst
    FROM kpi_unapplied_cash
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
    FROM kpi_tax_refusals
    GROUP BY day
)
ORDER BY kpi, day, entity_id, currency;
