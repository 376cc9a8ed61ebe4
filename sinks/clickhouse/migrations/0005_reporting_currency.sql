-- MRR, revenue and usage in one reporting currency: every view here has a row for each currency that Weir knows as
-- reporting_currency, so a question names the one it wants: WHERE reporting_currency = 'EUR'.
-- What happened is converted at the rate of its own day: the latest of fx_rates with effective_from before the day's end
-- (UTC), from either direction of the pair; a rate published for the other direction divides. No rate is made of two
-- others. A currency is itself at 1. What has no rate is not converted, and is shown as such: reporting_amount NULL.
-- A converted amount is rounded once to 12 places, half away from zero.
-- A statement ends with a semicolon at the end of its line.

CREATE OR REPLACE VIEW reporting_currencies
(
    reporting_currency LowCardinality(String) COMMENT 'Every currency of rates, movements, charges and usage'
)
AS
SELECT DISTINCT reporting_currency
FROM
(
    SELECT toString(arrayJoin([base, quote])) AS reporting_currency FROM fx_rates
    UNION ALL
    SELECT DISTINCT toString(currency) FROM mrr_movements
    UNION ALL
    SELECT DISTINCT toString(currency) FROM charges
    UNION ALL
    SELECT DISTINCT toString(currency) FROM rated_usage
)
WHERE reporting_currency != '';

-- The days on which the rate of a pair becomes another: amount * multiplier / divisor is the amount in reporting_currency.
-- Of two rates at one instant the direct one holds, then the one that was recorded last.
CREATE OR REPLACE VIEW fx_days
(
    currency LowCardinality(String) COMMENT 'From this currency',
    reporting_currency LowCardinality(String) COMMENT 'Into this one',
    day Date32 COMMENT 'The day (UTC) from which the rate holds: that of the last effective_from in it',
    day_number Int32 COMMENT 'The same as days since 1970-01-01, for ASOF JOIN',
    multiplier Decimal(38, 12) COMMENT 'amount * multiplier / divisor is the amount in reporting_currency',
    divisor Decimal(38, 12) COMMENT 'See multiplier; 1 of a published rate',
    rate_source String COMMENT 'published: fx_rates has this pair; inverse: it has the other direction'
)
AS
SELECT
    currency, reporting_currency, day, toInt32(day) AS day_number,
    chosen.1 AS multiplier, chosen.2 AS divisor, chosen.3 AS rate_source
FROM
(
    SELECT
        currency, reporting_currency, toDate32(p.effective_from, 'UTC') AS day,
        argMax((p.multiplier, p.divisor, p.rate_source), (p.effective_from, p.rate_source = 'published', p.recorded_at, p.`partition`, p.ledger_sequence)) AS chosen
    FROM
    (
        SELECT toString(base) AS currency, toString(quote) AS reporting_currency, effective_from, rate AS multiplier, toDecimal128(1, 12) AS divisor,
            'published' AS rate_source, recorded_at, `partition`, ledger_sequence
        FROM fx_rates
        UNION ALL
        SELECT toString(quote) AS currency, toString(base) AS reporting_currency, effective_from, toDecimal128(1, 12) AS multiplier, rate AS divisor,
            'inverse' AS rate_source, recorded_at, `partition`, ledger_sequence
        FROM fx_rates
    ) AS p
    WHERE p.multiplier > 0 AND p.divisor > 0 AND p.currency != p.reporting_currency
    GROUP BY currency, reporting_currency, day
);

CREATE OR REPLACE VIEW mrr_movements_reporting
(
    movement_id String COMMENT 'mrr_movements.movement_id',
    customer_id String COMMENT 'The customer',
    subscription_id String COMMENT 'The subscription that moved',
    effective_at DateTime64(9, 'UTC') COMMENT 'When the movement takes effect',
    day Date32 COMMENT 'The day of that in UTC; its rate converts the movement',
    kind LowCardinality(String) COMMENT 'new_business, expansion, contraction, churn, reactivation or transfer',
    currency LowCardinality(String) COMMENT 'Currency of the movement',
    amount Decimal(38, 12) COMMENT 'Signed, in currency; adds up by reporting_currency and currency',
    reporting_currency String COMMENT 'Filter by it: every movement has a row for each',
    rate_source String COMMENT 'same (one currency), published, inverse (the published rate divides), missing (no rate in force on the day)',
    rate Nullable(Decimal(38, 12)) COMMENT 'The published rate; 1 for the same currency, NULL where it is missing',
    reporting_amount Nullable(Decimal(76, 12)) COMMENT 'Signed, in reporting_currency, rounded to 12 places; NULL without a rate'
)
AS
SELECT
    m.movement_id AS movement_id, m.customer_id AS customer_id, m.subscription_id AS subscription_id, m.effective_at AS effective_at,
    m.day AS day, m.kind AS kind, m.currency AS currency, m.amount AS amount, m.reporting_currency AS reporting_currency,
    multiIf(m.currency = m.reporting_currency, 'same', r.divisor = 0, 'missing', r.rate_source) AS rate_source,
    multiIf(rate_source = 'same', toNullable(toDecimal128(1, 12)), rate_source = 'published', r.multiplier, rate_source = 'inverse', r.divisor, NULL) AS rate,
    multiIf(
        rate_source = 'same', toNullable(toDecimal256(m.amount, 12)), rate_source = 'missing', NULL,
        toDecimal256(round(divideDecimal(toDecimal256(m.amount, 12) * toDecimal256(r.multiplier, 12), toDecimal256(if(r.divisor = 0, toDecimal128(1, 12), r.divisor), 12), 24), 12), 12)) AS reporting_amount
FROM
(
    SELECT
        movement_id, customer_id, subscription_id, effective_at, toDate32(effective_at, 'UTC') AS day, toInt32(day) AS day_number,
        toString(kind) AS kind, toString(currency) AS currency, amount,
        arrayJoin((SELECT groupArray(c.reporting_currency) FROM reporting_currencies AS c)) AS reporting_currency
    FROM mrr_movements
) AS m
ASOF LEFT JOIN fx_days AS r ON r.currency = m.currency AND r.reporting_currency = m.reporting_currency AND m.day_number >= r.day_number;

-- By the currency of the movements: opening + movements + first_rate + fx = closing, exactly. Every month from the
-- currency's first movement to the last movement or change of a rate of all.
-- fx: what a changing rate does to the balance. first_rate: the balance of before a pair's first rate, at that rate.
CREATE OR REPLACE VIEW mrr_reporting_by_currency
(
    month Date32 COMMENT 'First day of the month, UTC',
    reporting_currency String COMMENT 'Filter by it: every other currency has rows for each',
    currency LowCardinality(String) COMMENT 'Currency of the movements',
    opening Nullable(Decimal(76, 12)) COMMENT 'MRR at the month''s beginning at the rate of then; the closing of the month before',
    new_business Decimal(76, 12) COMMENT 'First MRR of customers, each movement at the rate of its day',
    expansion Decimal(76, 12) COMMENT 'More MRR of customers who had some',
    contraction Decimal(76, 12) COMMENT 'Less MRR of customers who keep some; 0 or less',
    churn Decimal(76, 12) COMMENT 'MRR of customers who go to 0; 0 or less',
    reactivation Decimal(76, 12) COMMENT 'MRR of customers who come back from 0',
    transfer Decimal(76, 12) COMMENT 'What moves between subscriptions or currencies of one customer; in one reporting currency over all currencies it need not be 0',
    first_rate Decimal(76, 12) COMMENT 'The balance of before the first rate of the pair, at that rate; 0 in other months',
    fx Nullable(Decimal(76, 12)) COMMENT 'What changing rates do to the balance: closing less opening, movements and first_rate',
    closing Decimal(76, 12) COMMENT 'native_closing at the rate of the month''s last day; 0 while there is no rate',
    native_closing Decimal(76, 12) COMMENT 'MRR at the month''s end in currency',
    rate_source String COMMENT 'Of closing: same, published, inverse or missing',
    movements_without_rate UInt64 COMMENT 'Movements of the month that no rate converts; they are in first_rate once there is one'
)
AS
SELECT
    month, reporting_currency, currency,
    if(isNull(opening_known), toDecimal256(0, 12), opening_known) AS opening,
    new_business, expansion, contraction, churn, reactivation, transfer, first_rate,
    closing - opening - new_business - expansion - contraction - churn - reactivation - transfer - first_rate AS fx,
    closing, native_closing, rate_source, movements_without_rate
FROM
(
    SELECT *, lagInFrame(toNullable(closing)) OVER (PARTITION BY currency, reporting_currency ORDER BY month ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS opening_known
    FROM
    (
        SELECT
            g.month AS month, g.reporting_currency AS reporting_currency, g.currency AS currency, g.native_closing AS native_closing,
            multiIf(g.currency = g.reporting_currency, 'same', r.divisor = 0, 'missing', r.rate_source) AS rate_source,
            multiIf(
                rate_source = 'same', g.native_closing, rate_source = 'missing', toDecimal256(0, 12),
                toDecimal256(round(divideDecimal(g.native_closing * toDecimal256(r.multiplier, 12), toDecimal256(if(r.divisor = 0, toDecimal128(1, 12), r.divisor), 12), 24), 12), 12)) AS closing,
            c.new_business AS new_business, c.expansion AS expansion, c.contraction AS contraction, c.churn AS churn,
            c.reactivation AS reactivation, c.transfer AS transfer, c.movements_without_rate AS movements_without_rate,
            if(f.divisor = 0 OR g.month != f.month, toDecimal256(0, 12),
                toDecimal256(round(divideDecimal(f.native_before * toDecimal256(f.multiplier, 12), toDecimal256(if(f.divisor = 0, toDecimal128(1, 12), f.divisor), 12), 24), 12), 12)) AS first_rate
        FROM
        (
            SELECT month, currency, toInt32(addMonths(month, 1)) - 1 AS last_day_number, native_closing,
                arrayJoin((SELECT groupArray(r.reporting_currency) FROM reporting_currencies AS r)) AS reporting_currency
            FROM
            (
                SELECT month, currency, sum(sum(moved)) OVER (PARTITION BY currency ORDER BY month ROWS UNBOUNDED PRECEDING) AS native_closing
                FROM
                (
                    SELECT makeDate32(toYear(m.effective_at), toMonth(m.effective_at), 1) AS month, toString(m.currency) AS currency, toDecimal256(m.amount, 12) AS moved
                    FROM mrr_movements AS m
                    UNION ALL
                    SELECT addMonths(first, arrayJoin(range(toUInt32(dateDiff('month', first, last) + 1)))) AS month, currency, toDecimal256(0, 12) AS moved
                    FROM
                    (
                        SELECT
                            toString(m.currency) AS currency, makeDate32(toYear(min(m.effective_at)), toMonth(min(m.effective_at)), 1) AS first,
                            greatest(
                                (SELECT toDate32(max(a.effective_at), 'UTC') FROM mrr_movements AS a),
                                (SELECT max(d.day) FROM fx_days AS d WHERE d.currency IN (SELECT toString(x.currency) FROM mrr_movements AS x))) AS last
                        FROM mrr_movements AS m
                        GROUP BY currency
                    )
                )
                GROUP BY month, currency
            )
        ) AS g
        LEFT JOIN
        (
            SELECT
                makeDate32(toYear(day), toMonth(day), 1) AS month, reporting_currency, currency,
                sumIf(assumeNotNull(reporting_amount), kind = 'new_business' AND rate_source != 'missing') AS new_business,
                sumIf(assumeNotNull(reporting_amount), kind = 'expansion' AND rate_source != 'missing') AS expansion,
                sumIf(assumeNotNull(reporting_amount), kind = 'contraction' AND rate_source != 'missing') AS contraction,
                sumIf(assumeNotNull(reporting_amount), kind = 'churn' AND rate_source != 'missing') AS churn,
                sumIf(assumeNotNull(reporting_amount), kind = 'reactivation' AND rate_source != 'missing') AS reactivation,
                sumIf(assumeNotNull(reporting_amount), kind = 'transfer' AND rate_source != 'missing') AS transfer,
                countIf(rate_source = 'missing') AS movements_without_rate
            FROM mrr_movements_reporting
            GROUP BY month, reporting_currency, currency
        ) AS c ON c.month = g.month AND c.reporting_currency = g.reporting_currency AND c.currency = g.currency
        LEFT JOIN
        (
            SELECT
                m.currency AS currency, s.reporting_currency AS reporting_currency, makeDate32(toYear(any(s.first_day)), toMonth(any(s.first_day)), 1) AS month,
                any(s.multiplier) AS multiplier, any(s.divisor) AS divisor, sumIf(toDecimal256(m.amount, 12), m.day < s.first_day) AS native_before
            FROM (SELECT toString(n.currency) AS currency, toDate32(n.effective_at, 'UTC') AS day, n.amount AS amount FROM mrr_movements AS n) AS m
            INNER JOIN
            (
                SELECT currency, reporting_currency, min(d.day) AS first_day, argMin(d.multiplier, d.day) AS multiplier, argMin(d.divisor, d.day) AS divisor
                FROM fx_days AS d
                GROUP BY currency, reporting_currency
            ) AS s ON s.currency = m.currency
            GROUP BY currency, reporting_currency
        ) AS f ON f.reporting_currency = g.reporting_currency AND f.currency = g.currency
        ASOF LEFT JOIN fx_days AS r ON r.currency = g.currency AND r.reporting_currency = g.reporting_currency AND g.last_day_number >= r.day_number
    )
);

CREATE OR REPLACE VIEW mrr_reporting_by_month
(
    month Date32 COMMENT 'First day of the month, UTC',
    reporting_currency String COMMENT 'Filter by it',
    opening Nullable(Decimal(76, 12)) COMMENT 'MRR of all currencies at the month''s beginning, at the rates of then',
    new_business Decimal(76, 12) COMMENT 'First MRR of customers, each movement at the rate of its day',
    expansion Decimal(76, 12) COMMENT 'More MRR of customers who had some',
    contraction Decimal(76, 12) COMMENT 'Less MRR of customers who keep some; 0 or less',
    churn Decimal(76, 12) COMMENT 'MRR of customers who go to 0; 0 or less',
    reactivation Decimal(76, 12) COMMENT 'MRR of customers who come back from 0',
    transfer Decimal(76, 12) COMMENT 'What moves between subscriptions or currencies of one customer, each side at the rate of the day',
    first_rate Decimal(76, 12) COMMENT 'Balances of before the first rate of their pair, at that rate',
    fx Nullable(Decimal(76, 12)) COMMENT 'What changing rates do to the balances; opening + movements + first_rate + fx = closing, exactly',
    closing Decimal(76, 12) COMMENT 'MRR of all currencies with a rate at the month''s end',
    without_rate Array(Tuple(String, Decimal(76, 12))) COMMENT 'Currencies that no rate converts at the month''s end, with their MRR; it is in no other figure',
    movements_without_rate UInt64 COMMENT 'Movements of the month that no rate converts'
)
AS
SELECT
    month, reporting_currency,
    sum(b.opening) AS opening, sum(b.new_business) AS new_business, sum(b.expansion) AS expansion, sum(b.contraction) AS contraction,
    sum(b.churn) AS churn, sum(b.reactivation) AS reactivation, sum(b.transfer) AS transfer,
    sum(b.first_rate) AS first_rate, sum(b.fx) AS fx, sum(b.closing) AS closing,
    groupArrayIf((b.currency, b.native_closing), b.rate_source = 'missing') AS without_rate,
    sum(b.movements_without_rate) AS movements_without_rate
FROM mrr_reporting_by_currency AS b
GROUP BY month, reporting_currency
ORDER BY reporting_currency, month;

-- One line for each kind that is not 0: the sum of the amounts up to a month is the closing of that month.
CREATE OR REPLACE VIEW mrr_reporting_lines
(
    month Date32 COMMENT 'First day of the month, UTC',
    reporting_currency String COMMENT 'Filter by it',
    currency LowCardinality(String) COMMENT 'Currency of the movements',
    kind String COMMENT 'A kind of movement, fx, first_rate, or missing_rate: something of this currency has no rate',
    amount Nullable(Decimal(76, 12)) COMMENT 'In reporting_currency; the sum up to a month is its closing. NULL in missing_rate',
    native_amount Nullable(Decimal(76, 12)) COMMENT 'In missing_rate: the MRR at the month''s end in currency; else NULL'
)
AS
SELECT month, reporting_currency, currency, line.1 AS kind, line.2 AS amount, line.3 AS native_amount
FROM mrr_reporting_by_currency
ARRAY JOIN
    [('new_business', toNullable(new_business), NULL), ('expansion', toNullable(expansion), NULL), ('contraction', toNullable(contraction), NULL),
    ('churn', toNullable(churn), NULL), ('reactivation', toNullable(reactivation), NULL), ('transfer', toNullable(transfer), NULL),
    ('first_rate', toNullable(first_rate), NULL), ('fx', toNullable(fx), NULL),
    ('missing_rate', if(rate_source = 'missing' OR movements_without_rate > 0, NULL, toNullable(toDecimal256(0, 12))), toNullable(native_closing))] AS line
WHERE isNull(line.2) OR line.2 != 0;

-- Charges as invoiced (amount_rounded), in the local months of their subscriptions in which they are earned: in advance as
-- the schedule of its journal entry says; in arrears in the month of its accounting date. Before its entry is here, a
-- charge counts by months in UTC: in advance evenly over its service period, in arrears when that ends. The months of a
-- charge add up to it exactly. `day` is the last day on which a part is earned, whose rate converts it.
CREATE OR REPLACE VIEW revenue_items
(
    month Date32 COMMENT 'First day of the month in which the part is earned, in the time zone of the subscription; in UTC before the charge is posted',
    charge_id String COMMENT 'The charge; the amounts of its parts add up to amount_rounded exactly',
    customer_id String COMMENT 'The customer',
    subscription_id String COMMENT 'The subscription',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    currency LowCardinality(String) COMMENT 'Currency of the charge',
    kind LowCardinality(String) COMMENT 'usage, recurring or adjustment',
    earned_on Date32 COMMENT 'In arrears the accounting date, in advance the first day of the month',
    day Date32 COMMENT 'The last day on which the part is earned; its rate converts the part',
    amount Decimal(76, 12) COMMENT 'What is earned; adds up by currency'
)
AS
SELECT
    makeDate32(toYear(earned_on), toMonth(earned_on), 1) AS month, charge_id, customer_id, subscription_id, entity_id, currency, kind,
    if(lines > 0, posted_on, toDate32(period_until - toIntervalNanosecond(1), 'UTC')) AS earned_on, earned_on AS day,
    toDecimal256(amount_rounded, 12) AS amount
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
SELECT s.month AS month, charge_id, s.customer_id AS customer_id, s.subscription_id AS subscription_id, s.entity_id AS entity_id, s.currency AS currency, c.kind AS kind,
    s.month AS earned_on, greatest(s.month, toDate32(s.earned_until - toIntervalNanosecond(1), 'UTC')) AS day, toDecimal256(s.amount, 12) AS amount
FROM revenue_schedule AS s
INNER JOIN (SELECT charge_id, kind FROM charges WHERE timing = 'in_advance') AS c USING (charge_id)
UNION ALL
-- Earned by the end of the month less earned by its beginning, so that roundings cancel out.
SELECT month, charge_id, customer_id, subscription_id, entity_id, currency, kind, month AS earned_on,
    toDate32(fromUnixTimestamp64Nano(least(until_ns, from_ns + length_ns) - 1, 'UTC'), 'UTC') AS day,
    whole * greatest(0, least(length_ns, until_ns - from_ns)) / length_ns
        - whole * greatest(0, least(length_ns, month_ns - from_ns)) / length_ns AS amount
FROM
(
    SELECT
        charge_id, customer_id, subscription_id, currency, entity_id, kind, toDecimal256(amount_rounded, 12) AS whole,
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
);

CREATE OR REPLACE VIEW revenue_by_month
(
    month Date32 COMMENT 'First day of the month in which revenue is earned',
    currency LowCardinality(String) COMMENT 'Currency of the charges',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    usage Decimal(76, 12) COMMENT 'Earned from charges for usage',
    recurring Decimal(76, 12) COMMENT 'Earned from recurring prices',
    adjustments Decimal(76, 12) COMMENT 'Credits and rebills of charges billed before',
    revenue Decimal(76, 12) COMMENT 'usage + recurring + adjustments; adds up over months and entities'
)
AS
SELECT
    month, currency, entity_id,
    sumIf(i.amount, i.kind = 'usage') AS usage,
    sumIf(i.amount, i.kind = 'recurring') AS recurring,
    sumIf(i.amount, i.kind = 'adjustment') AS adjustments,
    sum(i.amount) AS revenue
FROM revenue_items AS i
GROUP BY month, currency, entity_id
ORDER BY currency, entity_id, month;

-- Revenue by month, each part of a charge converted at the rate of its day. A row by currency of the charges: what has no
-- rate is in without_rate, in that currency, and in none of the other figures.
CREATE OR REPLACE VIEW revenue_reporting_by_month
(
    month Date32 COMMENT 'First day of the month in which revenue is earned',
    reporting_currency String COMMENT 'Filter by it: every row is there for each',
    currency LowCardinality(String) COMMENT 'Currency of the charges',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    usage Decimal(76, 12) COMMENT 'Earned from charges for usage, in reporting_currency',
    recurring Decimal(76, 12) COMMENT 'Earned from recurring prices, in reporting_currency',
    adjustments Decimal(76, 12) COMMENT 'Credits and rebills, in reporting_currency',
    revenue Decimal(76, 12) COMMENT 'usage + recurring + adjustments; adds up over months, currencies and entities',
    native_revenue Decimal(76, 12) COMMENT 'All revenue of the row in currency, with a rate or without',
    without_rate Decimal(76, 12) COMMENT 'The part of native_revenue that no rate converts, in currency; not in revenue'
)
AS
SELECT
    month, reporting_currency, currency, entity_id,
    sumIf(assumeNotNull(v.reporting_amount), v.kind = 'usage' AND v.rate_source != 'missing') AS usage,
    sumIf(assumeNotNull(v.reporting_amount), v.kind = 'recurring' AND v.rate_source != 'missing') AS recurring,
    sumIf(assumeNotNull(v.reporting_amount), v.kind = 'adjustment' AND v.rate_source != 'missing') AS adjustments,
    sumIf(assumeNotNull(v.reporting_amount), v.rate_source != 'missing') AS revenue,
    sum(v.amount) AS native_revenue,
    sumIf(v.amount, v.rate_source = 'missing') AS without_rate
FROM
(
    SELECT
        i.month AS month, i.reporting_currency AS reporting_currency, i.currency AS currency, i.entity_id AS entity_id, i.kind AS kind, i.amount AS amount,
        multiIf(i.currency = i.reporting_currency, 'same', r.divisor = 0, 'missing', r.rate_source) AS rate_source,
        multiIf(
            rate_source = 'same', toNullable(i.amount), rate_source = 'missing', NULL,
            toDecimal256(round(divideDecimal(i.amount * toDecimal256(r.multiplier, 12), toDecimal256(if(r.divisor = 0, toDecimal128(1, 12), r.divisor), 12), 24), 12), 12)) AS reporting_amount
    FROM
    (
        SELECT month, toInt32(day) AS day_number, toString(currency) AS currency, entity_id, kind, amount,
            arrayJoin((SELECT groupArray(c.reporting_currency) FROM reporting_currencies AS c)) AS reporting_currency
        FROM revenue_items
    ) AS i
    ASOF LEFT JOIN fx_days AS r ON r.currency = i.currency AND r.reporting_currency = i.reporting_currency AND i.day_number >= r.day_number
) AS v
GROUP BY month, reporting_currency, currency, entity_id
ORDER BY reporting_currency, month, currency, entity_id;

-- usage_daily with the day's amounts in reporting_currency, rounded once a row; NULL where no rate was in force.
CREATE OR REPLACE VIEW usage_reporting_daily
(
    day Date32 COMMENT 'Day of the events, UTC; its rate converts',
    reporting_currency String COMMENT 'Filter by it: every row is there for each',
    currency LowCardinality(String) COMMENT 'Currency of the plan',
    customer_id String COMMENT 'The customer',
    subscription_id String COMMENT 'The subscription',
    plan LowCardinality(String) COMMENT 'The plan',
    price LowCardinality(String) COMMENT 'The price',
    meter LowCardinality(String) COMMENT 'The meter',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    events Int64 COMMENT 'Events as they count now; adds up',
    amount Decimal(76, 12) COMMENT 'What they are rated at in currency; adds up by currency',
    rate_source String COMMENT 'same, published, inverse or missing',
    reporting_amount Nullable(Decimal(76, 12)) COMMENT 'In reporting_currency; adds up over everything but reporting_currency. NULL without a rate'
)
AS
SELECT
    u.day AS day, u.reporting_currency AS reporting_currency, u.currency AS currency, u.customer_id AS customer_id, u.subscription_id AS subscription_id,
    u.plan AS plan, u.price AS price, u.meter AS meter, u.entity_id AS entity_id, u.events AS events, u.amount AS amount,
    multiIf(u.currency = u.reporting_currency, 'same', r.divisor = 0, 'missing', r.rate_source) AS rate_source,
    multiIf(
        rate_source = 'same', toNullable(u.amount), rate_source = 'missing', NULL,
        toDecimal256(round(divideDecimal(u.amount * toDecimal256(r.multiplier, 12), toDecimal256(if(r.divisor = 0, toDecimal128(1, 12), r.divisor), 12), 24), 12), 12)) AS reporting_amount
FROM
(
    SELECT day, toInt32(day) AS day_number, toString(currency) AS currency, customer_id, subscription_id, plan, price, meter, entity_id, events, amount,
        arrayJoin((SELECT groupArray(c.reporting_currency) FROM reporting_currencies AS c)) AS reporting_currency
    FROM usage_daily
    WHERE currency != ''
) AS u
ASOF LEFT JOIN fx_days AS r ON r.currency = u.currency AND r.reporting_currency = u.reporting_currency AND u.day_number >= r.day_number;
