-- Payments, invoices and disputes as they stand, and collections by month. Rows of `payments` and `invoices` are what was told; here
-- they are folded, so that the order of arrival decides nothing: of several rows that say the same of one payment or invoice
-- the earliest counts, by event_time, event_source and event_id; of several decisions of one dispute the latest holds.
-- The entity of an invoice is that of its subscription when it was finalized, else of its customer; of a payment that of its invoice,
-- else of its customer. An amount in another currency than its invoice pays nothing of it.
-- Credit notes (negative totals) lower what was invoiced. What they were applied to is not told, so they are in no balance.
-- A statement ends with a semicolon at the end of its line.

ALTER TABLE payments ADD COLUMN IF NOT EXISTS dispute_id String AFTER reason;

ALTER TABLE payments ADD COLUMN IF NOT EXISTS dispute_status LowCardinality(String) AFTER dispute_id;

CREATE OR REPLACE VIEW invoice_facts
(
    invoice_id String COMMENT 'The invoice',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    customer_id String COMMENT 'The customer',
    entity_id String COMMENT 'The entity that bills, or nothing',
    total Decimal(76, 12) COMMENT 'Total when it was finalized; 0 if it was not',
    voided_total Decimal(76, 12) COMMENT 'Total that was told when it was voided; 0 if it was not',
    finalized_at Nullable(DateTime64(9, 'UTC')) COMMENT 'NULL: it was not',
    due_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When it is due; NULL: nobody said',
    paid_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When the billing system said that it is paid; NULL: it did not',
    voided_at Nullable(DateTime64(9, 'UTC')) COMMENT 'NULL: it was not'
)
AS
SELECT
    f.invoice_id AS invoice_id, f.currency AS currency, f.customer_id AS customer_id,
    if(s.entity != '', s.entity, c.entity) AS entity_id,
    f.total AS total, f.voided_total AS voided_total,
    f.finalized_at AS finalized_at, f.due_at AS due_at, f.paid_at AS paid_at, f.voided_at AS voided_at
FROM
(
    SELECT
        invoice_id, currency,
        argMin(i.customer_id, (i.event_time, i.event_source, i.event_id)) AS customer_id,
        argMinIf(toDecimal256(i.total, 12), (i.event_time, i.event_source, i.event_id), i.status = 'finalized') AS total,
        argMinIf(toDecimal256(i.total, 12), (i.event_time, i.event_source, i.event_id), i.status = 'voided') AS voided_total,
        minOrNullIf(i.event_time, i.status = 'finalized') AS finalized_at,
        argMaxIf(i.due_at, (i.event_time, i.event_source, i.event_id), isNotNull(i.due_at)) AS due_at,
        minOrNullIf(i.event_time, i.status = 'paid') AS paid_at,
        minOrNullIf(i.event_time, i.status = 'voided') AS voided_at
    FROM invoices AS i
    GROUP BY invoice_id, currency
) AS f
LEFT JOIN
(
    SELECT
        i.invoice_id AS invoice_id, i.currency AS currency,
        argMax(toString(v.entity_id), (v.effective_from <= i.at, v.sequence, v.revision)) AS entity
    FROM
    (
        SELECT invoice_id, currency, max(n.subscription_id) AS subscription_id,
            if(countIf(n.status = 'finalized') = 0, min(n.event_time), minIf(n.event_time, n.status = 'finalized')) AS at
        FROM invoices AS n
        WHERE n.subscription_id != ''
        GROUP BY invoice_id, currency
    ) AS i
    INNER JOIN subscription_versions AS v ON v.subscription_id = i.subscription_id
    GROUP BY invoice_id, currency
) AS s ON s.invoice_id = f.invoice_id AND s.currency = f.currency
LEFT JOIN
(
    SELECT customer_id, argMaxIf(toString(k.entity_id), (k.event_time, k.event_source, k.event_id), k.entity_id != '') AS entity
    FROM customers AS k
    GROUP BY customer_id
) AS c ON c.customer_id = f.customer_id;

-- Each dispute as it stands: the latest decision, else that it was opened.
CREATE OR REPLACE VIEW dispute_states
(
    dispute_id String COMMENT 'The dispute',
    payment_id String COMMENT 'The payment that is disputed',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    customer_id String COMMENT 'The customer',
    status String COMMENT 'opened, won or lost, for the one who was paid',
    amount Decimal(76, 12) COMMENT 'What is disputed; with lost what is lost',
    reason String COMMENT 'Why, as the payment system says it',
    opened_at Nullable(DateTime64(9, 'UTC')) COMMENT 'NULL: the opening was not told',
    changed_at DateTime64(9, 'UTC') COMMENT 'When it became as it is',
    revision UInt64 COMMENT 'Latest commit that told of it'
)
AS
SELECT
    dispute_id, payment_id, currency,
    argMin(p.customer_id, (p.event_time, p.event_source, p.event_id)) AS customer_id,
    argMax(toString(p.dispute_status), (p.dispute_status != 'opened', p.event_time, p.event_source, p.event_id)) AS status,
    argMax(toDecimal256(p.amount, 12), (p.dispute_status != 'opened', p.event_time, p.event_source, p.event_id)) AS amount,
    argMaxIf(p.reason, (p.event_time, p.event_source, p.event_id), p.reason != '') AS reason,
    minOrNullIf(p.event_time, p.dispute_status = 'opened') AS opened_at,
    argMax(p.event_time, (p.dispute_status != 'opened', p.event_time, p.event_source, p.event_id)) AS changed_at,
    max(p.ledger_sequence) AS revision
FROM payments AS p
WHERE p.status = 'disputed'
GROUP BY dispute_id, payment_id, currency;

-- Each payment as it stands. A refund of more than was paid is kept as it was told, and shown.
CREATE OR REPLACE VIEW payment_balances
(
    payment_id String COMMENT 'The payment',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    customer_id String COMMENT 'The customer',
    entity_id String COMMENT 'The entity of its invoice, else of the customer, or nothing',
    invoice_id String COMMENT 'The invoice that it names, or nothing',
    invoice_is_known UInt8 COMMENT 'Whether an invoice of this id and currency was finalized',
    attempts UInt64 COMMENT 'How often it was tried, as far as told: failures and the success',
    failed_attempts UInt64 COMMENT 'Failures among them',
    last_reason String COMMENT 'Why the last attempt that failed did',
    first_at DateTime64(9, 'UTC') COMMENT 'When it was first heard of',
    paid_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When it succeeded; NULL: it did not',
    paid Decimal(76, 12) COMMENT 'What came in; adds up',
    refunded Decimal(76, 12) COMMENT 'What was given back; adds up',
    in_dispute Decimal(76, 12) COMMENT 'Of disputes that are open; adds up',
    disputes_lost Decimal(76, 12) COMMENT 'Of disputes that were lost; adds up',
    kept Decimal(76, 12) COMMENT 'paid - refunded - disputes_lost, never below 0; adds up',
    refunded_above Decimal(76, 12) COMMENT 'What was refunded above what was paid; adds up',
    revision UInt64 COMMENT 'Latest commit that told of it'
)
AS
SELECT
    p.payment_id AS payment_id, p.currency AS currency, p.customer_id AS customer_id,
    if(i.invoice != '', i.entity, c.entity) AS entity_id, p.invoice AS invoice_id, i.invoice != '' AS invoice_is_known,
    p.attempts AS attempts, p.failed_attempts AS failed_attempts, p.last_reason AS last_reason,
    p.first_at AS first_at, p.paid_at AS paid_at, p.paid AS paid, p.refunded AS refunded,
    d.in_dispute AS in_dispute, d.lost AS disputes_lost,
    greatest(paid - refunded - disputes_lost, toDecimal256(0, 12)) AS kept,
    greatest(refunded - paid, toDecimal256(0, 12)) AS refunded_above, p.revision AS revision
FROM
(
    SELECT
        payment_id, currency,
        argMin(q.customer_id, (q.event_time, q.event_source, q.event_id)) AS customer_id, max(q.invoice_id) AS invoice,
        countIf(q.status = 'failed') AS failed_attempts,
        failed_attempts + toUInt64(countIf(q.status = 'succeeded') > 0) AS attempts,
        argMaxIf(q.reason, (q.event_time, q.event_source, q.event_id), q.status = 'failed') AS last_reason,
        min(q.event_time) AS first_at, minOrNullIf(q.event_time, q.status = 'succeeded') AS paid_at,
        argMinIf(toDecimal256(q.amount, 12), (q.event_time, q.event_source, q.event_id), q.status = 'succeeded') AS paid,
        sumIf(toDecimal256(q.amount, 12), q.status = 'refunded') AS refunded,
        max(q.ledger_sequence) AS revision
    FROM payments AS q
    GROUP BY payment_id, currency
) AS p
LEFT JOIN
(
    SELECT payment_id, currency, sumIf(o.amount, o.status = 'opened') AS in_dispute, sumIf(o.amount, o.status = 'lost') AS lost
    FROM dispute_states AS o
    GROUP BY payment_id, currency
) AS d ON d.payment_id = p.payment_id AND d.currency = p.currency
LEFT JOIN
(
    SELECT invoice_id AS invoice, currency, entity_id AS entity FROM invoice_facts WHERE isNotNull(finalized_at)
) AS i ON i.invoice = p.invoice AND i.currency = p.currency
LEFT JOIN
(
    SELECT customer_id, argMaxIf(toString(k.entity_id), (k.event_time, k.event_source, k.event_id), k.entity_id != '') AS entity
    FROM customers AS k
    GROUP BY customer_id
) AS c ON c.customer_id = p.customer_id;

-- Each try to get what is due: an invoice, or a payment that names none. A later success of the same payment is no try of its own.
CREATE OR REPLACE VIEW payment_attempts
(
    customer_id String COMMENT 'The customer',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    invoice_id String COMMENT 'The invoice that the payment names, or nothing',
    payment_id String COMMENT 'The payment',
    attempt UInt64 COMMENT 'Which try it is for its invoice, or without one for its payment; 1 is the first',
    outcome String COMMENT 'succeeded or failed',
    amount Decimal(76, 12) COMMENT 'What was tried; adds up for outcome succeeded',
    reason String COMMENT 'Why it failed',
    event_time DateTime64(9, 'UTC') COMMENT 'When it was tried',
    event_source String COMMENT 'Source of the event',
    event_id String COMMENT 'The event within its source'
)
AS
SELECT
    customer_id, currency, invoice_id, payment_id,
    row_number() OVER (PARTITION BY currency, invoice_id, if(invoice_id = '', payment_id, '') ORDER BY event_time, event_source, event_id) AS attempt,
    outcome, amount, reason, event_time, event_source, event_id
FROM
(
    SELECT
        customer_id, currency, payment_id,
        max(p.invoice_id) OVER (PARTITION BY p.payment_id, p.currency) AS invoice_id,
        toString(p.status) AS outcome, toDecimal256(p.amount, 12) AS amount, reason, event_time, event_source, event_id,
        row_number() OVER (PARTITION BY p.payment_id, p.currency, p.status ORDER BY p.event_time, p.event_source, p.event_id) AS told
    FROM payments AS p
)
WHERE outcome = 'failed' OR (outcome = 'succeeded' AND told = 1);

-- Each invoice that was finalized, as it stands now. The billing system's word that it is paid settles it, whatever payments say.
CREATE OR REPLACE VIEW invoice_balances
(
    invoice_id String COMMENT 'The invoice',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    customer_id String COMMENT 'The customer',
    entity_id String COMMENT 'The entity that bills, or nothing',
    state String COMMENT 'open, paid or voided; paid also when payments cover it',
    total Decimal(76, 12) COMMENT 'Total; adds up',
    received Decimal(76, 12) COMMENT 'What is kept of payments that name it; adds up',
    outstanding Decimal(76, 12) COMMENT 'Total less received, 0 when paid or voided; adds up',
    overdue Decimal(76, 12) COMMENT 'outstanding if it is past due now; adds up',
    unapplied Decimal(76, 12) COMMENT 'What was received above the total; all of it if it was voided; adds up',
    finalized_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When it was finalized',
    due_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When it is due; NULL: nobody said',
    last_paid_at Nullable(DateTime64(9, 'UTC')) COMMENT 'Latest success of a payment that names it',
    revision UInt64 COMMENT 'Latest commit that told of one of its payments'
)
AS
SELECT
    f.invoice_id AS invoice_id, f.currency AS currency, f.customer_id AS customer_id, f.entity_id AS entity_id,
    multiIf(isNotNull(f.voided_at), 'voided', isNotNull(f.paid_at) OR received >= asked, 'paid', 'open') AS state,
    f.total AS total, p.received AS received,
    if(isNotNull(f.voided_at), toDecimal256(0, 12), greatest(f.total, toDecimal256(0, 12))) AS asked,
    if(isNotNull(f.paid_at), toDecimal256(0, 12), greatest(asked - received, toDecimal256(0, 12))) AS outstanding,
    if(ifNull(f.due_at < now64(9), false), outstanding, toDecimal256(0, 12)) AS overdue,
    greatest(received - asked, toDecimal256(0, 12)) AS unapplied,
    f.finalized_at AS finalized_at, f.due_at AS due_at, p.last_paid_at AS last_paid_at, p.revision AS revision
FROM invoice_facts AS f
LEFT JOIN
(
    SELECT invoice_id, currency, sum(b.kept) AS received, max(b.paid_at) AS last_paid_at, max(b.revision) AS revision
    FROM payment_balances AS b
    WHERE invoice_id != ''
    GROUP BY invoice_id, currency
) AS p ON p.invoice_id = f.invoice_id AND p.currency = f.currency
WHERE isNotNull(f.finalized_at);

-- Money asked for and money received by the month in which it happened, and what stood open at the month's end. Every change of an
-- invoice or payment moves its own balances by a difference; the balances of a month are the differences up to its end.
-- Months go from the first to the last in which something happened. An invoice that falls due later is overdue in no row.
CREATE OR REPLACE VIEW collections_by_month
(
    month Date32 COMMENT 'First day of the calendar month, UTC, in which it happened',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    entity_id String COMMENT 'The entity that bills, or nothing',
    invoiced Decimal(76, 12) COMMENT 'Totals of invoices finalized, less credit notes; adds up over months',
    voided Decimal(76, 12) COMMENT 'Totals of invoices voided; adds up over months',
    collected Decimal(76, 12) COMMENT 'Payments that succeeded; adds up over months',
    refunded Decimal(76, 12) COMMENT 'Payments that were given back; adds up over months',
    disputed Decimal(76, 12) COMMENT 'Disputes that were opened; they move nothing until they are lost; adds up over months',
    disputes_lost Decimal(76, 12) COMMENT 'Disputes that were lost, less those that were won after all; adds up over months',
    failed Decimal(76, 12) COMMENT 'Attempts that failed; they move nothing; adds up over months',
    payments UInt64 COMMENT 'Number of payments that succeeded; adds up over months',
    failed_payments UInt64 COMMENT 'Number of attempts that failed; adds up over months',
    net_collected Decimal(76, 12) COMMENT 'collected - refunded - disputes_lost; adds up over months',
    collection_rate Nullable(Decimal(76, 12)) COMMENT 'net_collected / invoiced of the month; NULL if nothing was invoiced. Ratios do not add up',
    outstanding Decimal(76, 12) COMMENT 'At the month''s end: invoices finalized and neither paid nor voided, less what is kept of their payments; does not add up over months',
    overdue Decimal(76, 12) COMMENT 'What of outstanding was due before the month''s end; does not add up over months',
    unapplied Decimal(76, 12) COMMENT 'At the month''s end: what is kept of payments without a known invoice, or above its total, or of one that was voided; does not add up over months'
)
AS
WITH
    told AS
    (
        SELECT
            payment_id, currency, toString(p.status) AS what, toString(p.dispute_status) AS decision,
            event_time, event_source, event_id, toDecimal256(p.amount, 12) AS money,
            argMin(p.customer_id, (p.event_time, p.event_source, p.event_id)) OVER (PARTITION BY p.payment_id, p.currency) AS customer_id,
            max(p.invoice_id) OVER (PARTITION BY p.payment_id, p.currency) AS invoice,
            row_number() OVER (PARTITION BY p.payment_id, p.currency, p.status, p.dispute_id, p.dispute_status ORDER BY p.event_time, p.event_source, p.event_id) AS nth,
            if(what = 'disputed' AND decision = 'lost', money, toDecimal256(0, 12)) AS lost_now,
            lost_now - lagInFrame(lost_now, 1, toDecimal256(0, 12)) OVER
                (PARTITION BY p.payment_id, p.currency, p.status, p.dispute_id, p.dispute_status != 'opened'
                ORDER BY p.event_time, p.event_source, p.event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS lost
        FROM payments AS p
    ),
    kept AS
    (
        SELECT *,
            greatest(sum(if(what = 'succeeded' AND nth = 1, money, toDecimal256(0, 12)) - if(what = 'refunded', money, toDecimal256(0, 12)) - lost) OVER
                (PARTITION BY payment_id, currency ORDER BY event_time, event_source, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), toDecimal256(0, 12)) AS net
        FROM told
    ),
    money_moves AS
    (
        SELECT
            if(i.invoice != '', concat('invoice ', k.invoice), concat('payment ', k.payment_id)) AS due,
            k.currency AS currency, if(i.invoice != '', i.entity, c.entity) AS entity_id,
            k.event_time AS at, k.what AS what, k.decision AS decision, k.event_source AS event_source, k.event_id AS event_id,
            k.nth AS nth, k.money AS money, k.lost AS lost,
            k.net - lagInFrame(k.net, 1, toDecimal256(0, 12)) OVER
                (PARTITION BY k.payment_id, k.currency ORDER BY k.event_time, k.event_source, k.event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS moved
        FROM kept AS k
        LEFT JOIN
        (
            SELECT invoice_id AS invoice, currency, entity_id AS entity FROM invoice_facts WHERE isNotNull(finalized_at)
        ) AS i ON i.invoice = k.invoice AND i.currency = k.currency
        LEFT JOIN
        (
            SELECT customer_id, argMaxIf(toString(n.entity_id), (n.event_time, n.event_source, n.event_id), n.entity_id != '') AS entity
            FROM customers AS n
            GROUP BY customer_id
        ) AS c ON c.customer_id = k.customer_id
    ),
    invoice_moves AS
    (
        SELECT
            concat('invoice ', invoice_id) AS due, currency, entity_id, assumeNotNull(mark.2) AS at, mark.1 AS what,
            if(what = 'finalized', total, if(what = 'voided', voided_total, toDecimal256(0, 12))) AS money
        FROM invoice_facts
        ARRAY JOIN [('finalized', finalized_at), ('paid', paid_at), ('voided', voided_at), ('due', if(isNull(finalized_at), NULL, due_at))] AS mark
        WHERE isNotNull(mark.2)
    ),
    moves AS
    (
        SELECT due, currency, entity_id, at, what, decision, event_source, event_id, nth, money, lost, moved FROM money_moves
        UNION ALL
        SELECT due, currency, entity_id, at, what, '' AS decision, '' AS event_source, '' AS event_id, toUInt64(1) AS nth, money,
            toDecimal256(0, 12) AS lost, toDecimal256(0, 12) AS moved
        FROM invoice_moves
    ),
    standing AS
    (
        SELECT *,
            sum(moved) OVER so_far AS received,
            if(max(what = 'voided') OVER so_far, toDecimal256(0, 12), greatest(sum(if(what = 'finalized', money, toDecimal256(0, 12))) OVER so_far, toDecimal256(0, 12))) AS asked,
            if(max(what = 'paid') OVER so_far, toDecimal256(0, 12), greatest(asked - received, toDecimal256(0, 12))) AS open_now,
            if(max(what = 'due') OVER so_far, open_now, toDecimal256(0, 12)) AS late_now,
            greatest(received - asked, toDecimal256(0, 12)) AS above_now
        FROM moves
        WINDOW so_far AS (PARTITION BY due, currency ORDER BY at, what, event_source, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ),
    differences AS
    (
        SELECT
            makeDate32(toYear(at), toMonth(at), 1) AS month, currency, entity_id, what, decision, nth, money, lost,
            open_now - lagInFrame(open_now, 1, toDecimal256(0, 12)) OVER so_far AS opened,
            late_now - lagInFrame(late_now, 1, toDecimal256(0, 12)) OVER so_far AS came_late,
            above_now - lagInFrame(above_now, 1, toDecimal256(0, 12)) OVER so_far AS came_above
        FROM standing
        WINDOW so_far AS (PARTITION BY due, currency ORDER BY at, what, event_source, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ),
    months AS
    (
        SELECT addMonths(first, arrayJoin(range(count_of))) AS month, currency, entity_id
        FROM
        (
            SELECT currency, entity_id, makeDate32(toYear(min(at)), toMonth(min(at)), 1) AS first, toUInt32(dateDiff('month', min(at), max(at)) + 1) AS count_of
            FROM moves
            WHERE what != 'due'
            GROUP BY currency, entity_id
        )
    ),
    by_month AS
    (
        SELECT
            month, currency, entity_id,
            sumIf(money, what = 'finalized') AS invoiced,
            sumIf(money, what = 'voided') AS voided,
            sumIf(money, what = 'succeeded' AND nth = 1) AS collected,
            sumIf(money, what = 'refunded') AS refunded,
            sumIf(money, what = 'disputed' AND decision = 'opened' AND nth = 1) AS disputed,
            sum(lost) AS disputes_lost,
            sumIf(money, what = 'failed') AS failed,
            countIf(what = 'succeeded' AND nth = 1) AS payments,
            countIf(what = 'failed') AS failed_payments,
            sum(opened) AS opened, sum(came_late) AS came_late, sum(came_above) AS came_above
        FROM
        (
            SELECT month, currency, entity_id, what, decision, nth, money, lost, opened, came_late, came_above FROM differences
            UNION ALL
            SELECT month, currency, entity_id, 'month' AS what, '' AS decision, toUInt64(1) AS nth, toDecimal256(0, 12) AS money, toDecimal256(0, 12) AS lost,
                toDecimal256(0, 12) AS opened, toDecimal256(0, 12) AS came_late, toDecimal256(0, 12) AS came_above
            FROM months
        )
        GROUP BY month, currency, entity_id
        HAVING countIf(what = 'month') > 0
    )
SELECT
    month, currency, entity_id, invoiced, voided, collected, refunded, disputed, disputes_lost, failed, payments, failed_payments,
    collected - refunded - disputes_lost AS net_collected,
    if(invoiced <= 0, NULL, divideDecimal(net_collected, if(invoiced <= 0, toDecimal256(1, 12), invoiced), 12)) AS collection_rate,
    sum(opened) OVER to_end AS outstanding,
    sum(came_late) OVER to_end AS overdue,
    sum(came_above) OVER to_end AS unapplied
FROM by_month
WINDOW to_end AS (PARTITION BY currency, entity_id ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
ORDER BY currency, entity_id, month;

-- What is due, whose latest attempt failed, and that is not settled otherwise. Weir is not told when somebody gives up: what was
-- not tried again for 14 days counts as exhausted.
CREATE OR REPLACE VIEW payments_failing
(
    customer_id String COMMENT 'The customer',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    invoice_id String COMMENT 'The invoice that is not paid, or nothing',
    payment_id String COMMENT 'The payment that failed last',
    state String COMMENT 'retrying, or exhausted: the last attempt is more than 14 days ago',
    failed_since DateTime64(9, 'UTC') COMMENT 'First failure since the last success',
    last_attempt_at DateTime64(9, 'UTC') COMMENT 'Last failure',
    attempts UInt64 COMMENT 'Failures since the last success',
    last_reason String COMMENT 'Why the last attempt failed',
    amount Decimal(76, 12) COMMENT 'What the last attempt was for; adds up'
)
AS
SELECT
    last.7 AS customer_id, f.currency AS currency, f.invoice_id AS invoice_id, last.4 AS payment_id,
    if(last.1 < now64(9) - INTERVAL 14 DAY, 'exhausted', 'retrying') AS state,
    f.tries[1].1 AS failed_since, last.1 AS last_attempt_at, length(f.tries) AS attempts, last.5 AS last_reason, last.6 AS amount
FROM
(
    SELECT
        currency, invoice_id, if(invoice_id = '', payment_id, '') AS alone,
        arraySort(groupArray((event_time, event_source, event_id, payment_id, reason, amount, customer_id, outcome = 'succeeded'))) AS told,
        arraySlice(told, arrayLastIndex(one -> one.8, told) + 1) AS tries, tries[-1] AS last
    FROM payment_attempts
    GROUP BY currency, invoice_id, alone
) AS f
LEFT JOIN
(
    SELECT invoice_id AS settled, currency FROM invoice_facts WHERE isNotNull(paid_at) OR isNotNull(voided_at)
) AS s ON s.settled = f.invoice_id AND s.currency = f.currency
WHERE notEmpty(f.tries) AND s.settled = '';

-- How each customer stands: one row for each customer and currency with a payment, or an invoice that was finalized.
CREATE OR REPLACE VIEW dunning_by_customer
(
    customer_id String COMMENT 'The customer',
    currency LowCardinality(String) COMMENT 'ISO 4217; figures of different currencies do not add up',
    state String COMMENT 'exhausted (not tried again for 14 days), else retrying, else overdue (past due, and nothing failed), else none',
    failed_since Nullable(DateTime64(9, 'UTC')) COMMENT 'First failure of what fails now; NULL: nothing fails',
    last_attempt_at Nullable(DateTime64(9, 'UTC')) COMMENT 'Last failure of what fails now',
    attempts UInt64 COMMENT 'Failures of what fails now; adds up',
    last_reason String COMMENT 'Why the last of them failed',
    failing Decimal(76, 12) COMMENT 'What the last attempts were for; adds up',
    outstanding Decimal(76, 12) COMMENT 'Of the customer''s invoices; adds up',
    overdue Decimal(76, 12) COMMENT 'What of it is past due now; adds up',
    overdue_since Nullable(DateTime64(9, 'UTC')) COMMENT 'Due date of the oldest invoice that is overdue; NULL: none is'
)
AS
SELECT
    customer_id, currency,
    multiIf(max(exhausted), 'exhausted', max(retrying), 'retrying', overdue > 0, 'overdue', 'none') AS state,
    min(since) AS failed_since, max(last_at) AS last_attempt_at, sum(tries) AS attempts,
    argMax(why, (isNotNull(last_at), ifNull(last_at, toDateTime64(0, 9, 'UTC')))) AS last_reason, sum(fails) AS failing,
    sum(open_now) AS outstanding, sum(late_now) AS overdue, min(late_since) AS overdue_since
FROM
(
    SELECT customer_id, currency, state = 'exhausted' AS exhausted, state = 'retrying' AS retrying, toNullable(failed_since) AS since,
        toNullable(last_attempt_at) AS last_at, attempts AS tries, last_reason AS why, amount AS fails,
        toDecimal256(0, 12) AS open_now, toDecimal256(0, 12) AS late_now, CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))') AS late_since
    FROM payments_failing
    UNION ALL
    SELECT customer_id, currency, toUInt8(0), toUInt8(0), NULL, NULL, toUInt64(0), '', toDecimal256(0, 12),
        outstanding, overdue, if(overdue > 0, due_at, NULL)
    FROM invoice_balances
    UNION ALL
    SELECT customer_id, currency, toUInt8(0), toUInt8(0), NULL, NULL, toUInt64(0), '', toDecimal256(0, 12),
        toDecimal256(0, 12), toDecimal256(0, 12), NULL
    FROM payments
    GROUP BY customer_id, currency
)
GROUP BY customer_id, currency;

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
    'payment_exhausted' AS code, 'payment' AS record_kind, f.payment_id AS record_id, f.customer_id AS customer_id, f.currency AS currency, f.amount AS amount,
    concat('The payment ', f.payment_id, if(f.invoice_id = '', '', concat(' of the invoice ', f.invoice_id)), ' failed ', toString(f.attempts),
        if(f.attempts = 1, ' time', ' times'), if(f.last_reason = '', '', concat(' (', f.last_reason, ')')), ' and was not tried again for 14 days.') AS detail,
    f.last_attempt_at AS since, b.revision AS revision
FROM (SELECT * FROM payments_failing WHERE state = 'exhausted') AS f
LEFT JOIN payment_balances AS b ON b.payment_id = f.payment_id AND b.currency = f.currency
UNION ALL
SELECT
    'unapplied_cash', 'payment', payment_id, customer_id, currency, kept,
    if(invoice_id = '', concat('The payment ', payment_id, ' names no invoice.'),
        concat('The payment ', payment_id, ' names the invoice ', invoice_id, ', and none of this id was finalized in ', currency, '.')),
    assumeNotNull(paid_at), revision
FROM payment_balances
WHERE kept > 0 AND NOT invoice_is_known AND ifNull(paid_at < now64(9) - INTERVAL 1 DAY, false)
UNION ALL
SELECT
    'unapplied_cash', 'invoice', invoice_id, customer_id, currency, unapplied,
    if(state = 'voided', concat('The invoice ', invoice_id, ' was voided, and what was paid of it is kept.'),
        concat('More was paid for the invoice ', invoice_id, ' than its total of ', toString(total), ' ', currency, '.')),
    assumeNotNull(last_paid_at), revision
FROM invoice_balances
WHERE unapplied > 0 AND ifNull(last_paid_at < now64(9) - INTERVAL 1 DAY, false)
UNION ALL
SELECT
    'refund_above_payment', 'payment', payment_id, customer_id, currency, refunded_above,
    concat('Of the payment ', payment_id, ' ', toString(refunded), ' ', currency, ' was refunded, and ', toString(paid), ' was paid.'), first_at, revision
FROM payment_balances
WHERE refunded_above > 0 AND first_at < now64(9) - INTERVAL 1 DAY
UNION ALL
SELECT
    'dispute_lost', 'dispute', dispute_id, customer_id, currency, amount,
    concat('The dispute ', dispute_id, ' of the payment ', payment_id, ' was lost', if(reason = '', '.', concat(' (', reason, ').'))), changed_at, revision
FROM dispute_states
WHERE status = 'lost';
