-- One ledger of MRR movements read by the rules of others: weir (the ledger as it is), stripe, chartmogul, profitwell,
-- finance. A profile is the ledger and its departures from it (mrr_profile_changes), each with a reason, so that two
-- profiles differ by their departures and by nothing else. mrr_profile_rules says each rule, where it is from, and what the
-- vendor does that our facts cannot tell: it is not applied, and nothing is guessed for it.
-- Restated movements stand beside the ones that they restate, so every rule looks at sums.
-- A statement ends with a semicolon at the end of its line.

CREATE OR REPLACE VIEW mrr_profile_rules
(
    profile String COMMENT 'weir, stripe, chartmogul, profitwell or finance',
    reason String COMMENT 'The rule, as mrr_profile_changes and mrr_profile_differences name it',
    applied Bool COMMENT 'false: the facts that are here cannot tell it, or the vendor leaves it to a setting',
    description String COMMENT 'What the profile counts differently from weir',
    source String COMMENT 'Where the vendor says so; nothing for rules of our own'
)
AS
SELECT rule.1 AS profile, rule.2 AS reason, rule.3 AS applied, rule.4 AS description, rule.5 AS source
FROM
(
    SELECT arrayJoin([
        ('weir', 'ledger', true, 'Movements as they are: recurring prices a month, net of discounts, 0 in trial and suspension, churn when it takes effect, no usage, no refunds, any return is a reactivation', ''),
        ('stripe', 'no_transfer_kind', true, 'A transfer is an expansion or a contraction, by its sign', 'docs.stripe.com/billing/subscriptions/analytics/glossary, MRR growth'),
        ('stripe', 'finite_coupons', false, 'A coupon with an end does not lower MRR there unless set so. The ledger is net of discounts and does not tell the amount without them', 'support.stripe.com/questions/billing-analytics, Discounts'),
        ('stripe', 'unpaid', false, 'A subscription that is marked unpaid counts as churn. No fact here marks one', 'docs.stripe.com/billing/subscriptions/analytics/glossary, Customers'),
        ('stripe', 'paused_collection', false, 'Pausing the collection of payments leaves a subscription active there. A suspension here stops the service and owes nothing, and is 0', 'docs.stripe.com/billing/subscriptions/pause-payment'),
        ('stripe', 'churn_setting', false, 'Churn counts at the cancellation or at the end of the cycle, as set there; here when it takes effect', 'support.stripe.com/questions/metric-configurations'),
        ('chartmogul', 'no_transfer_kind', true, 'There are five kinds; a transfer is an expansion or a contraction, by its sign', 'help.chartmogul.com article 203299912, MRR movement definitions'),
        ('chartmogul', 'free_is_active', true, 'Who goes to 0 with a subscription that is active still (a free plan, a discount of 100 %) contracts, and expands when paying again', 'help.chartmogul.com article 15384089786524, Free Customer Handling, default'),
        ('chartmogul', 'usage_counts', true, 'Usage that was billed counts in the month in which its service period ends', 'dev.chartmogul.com/docs/implementing-usage-based-billing'),
        ('chartmogul', 'cents', false, 'MRR of an invoice line is rounded to a cent. The ledger holds no lines', 'dev.chartmogul.com/docs/how-mrr-is-calculated-from-prorated-invoices'),
        ('chartmogul', 'refund_setting', false, 'A setting says how refunds count. By itself a refund is no movement, there as here', 'help.chartmogul.com article 15384089786524, Refund Handling; dev.chartmogul.com/docs/adding-refunds-using-the-import-api'),
        ('chartmogul', 'activity_grouping', false, 'Changes within a set time of each other, such as an hour, are one movement; the ledger joins those of one instant', 'help.chartmogul.com article 4416682609426'),
        ('profitwell', 'no_transfer_kind', true, 'A transfer is an upgrade or a downgrade, by its sign', 'paddle.com/help/profitwell-metrics/measure/compare/profitwell-vs-chargify'),
        ('profitwell', 'churn_at_period_end', true, 'Who leaves counts until the end of what was billed in advance, at the latest until the customer''s next movement', 'paddle.com/help/profitwell-metrics/measure/compare/profitwell-vs-chargify, Cancellations and Churn'),
        ('profitwell', 'same_month_ignored', true, 'Who comes for the first time and leaves in one calendar month is in no figure of it', 'the same, New business and Churn in the same month'),
        ('profitwell', 'usage_counts', true, 'Recurring metered billing is rolled into MRR: usage that was billed counts in the month in which its service period ends', 'the same, Metered billing'),
        ('profitwell', 'delinquent', false, 'Who does not pay within the dunning window has churned. No fact here tells the window', 'learn.profitwell.com/category/WoBCXt3Wpj-calculating-metrics'),
        ('profitwell', 'on_hold', false, 'A subscription on hold has 0 MRR there as here. Whether as a downgrade or as churn its words leave open; here it is churn where the customer has nothing else', 'paddle.com/help/profitwell-metrics/measure/compare/profitwell-vs-chargify, Subscriptions on hold'),
        ('finance', 'netted_by_month', true, 'Each customer once a month: balances of two month ends, and what lies between is not shown. Ours: it ties to a balance sheet that is closed by month', '')]) AS rule
);

-- Instants at which a customer went to 0 and had a subscription that is active still.
CREATE OR REPLACE VIEW mrr_free_instants
(
    customer_id String COMMENT 'The customer',
    effective_at DateTime64(9, 'UTC') COMMENT 'When the movement of kind churn takes effect',
    still_active Bool COMMENT 'Whether a version of a subscription in force then is active and has not ended'
)
AS
SELECT customer_id, effective_at, max(active) AS still_active
FROM
(
    SELECT
        z.customer_id AS customer_id, z.effective_at AS effective_at, v.subscription_id AS subscription_id,
        argMax(v.effective_from <= z.effective_at AND v.status = 'active' AND (isNull(v.effective_until) OR v.effective_until > z.effective_at),
            (v.effective_from <= z.effective_at, v.sequence, v.revision)) AS active
    FROM (SELECT customer_id, effective_at FROM mrr_movements WHERE kind = 'churn' GROUP BY customer_id, effective_at) AS z
    LEFT JOIN subscription_versions AS v ON v.customer_id = z.customer_id
    GROUP BY customer_id, effective_at, subscription_id
)
GROUP BY customer_id, effective_at;

-- Until when a customer who went to 0 had paid.
CREATE OR REPLACE VIEW mrr_paid_until
(
    customer_id String COMMENT 'The customer',
    effective_at DateTime64(9, 'UTC') COMMENT 'When the movement of kind churn takes effect',
    counts_at DateTime64(9, 'UTC') COMMENT 'End of what was billed in advance of the subscriptions that moved, or the customer''s next movement if that is earlier'
)
AS
SELECT customer_id, effective_at, if(next_at > effective_at, least(paid_until, next_at), paid_until) AS counts_at
FROM
(
    SELECT z.customer_id AS customer_id, z.effective_at AS effective_at, any(z.next_at) AS next_at, max(c.period_until) AS paid_until
    FROM
    (
        SELECT m.customer_id AS customer_id, m.effective_at AS effective_at, m.subscription_id AS subscription_id, n.next_at AS next_at
        FROM (SELECT customer_id, effective_at, subscription_id FROM mrr_movements WHERE kind = 'churn' GROUP BY customer_id, effective_at, subscription_id) AS m
        INNER JOIN
        (
            SELECT customer_id, effective_at, leadInFrame(effective_at) OVER (PARTITION BY customer_id ORDER BY effective_at ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS next_at
            FROM (SELECT customer_id, effective_at FROM mrr_movements GROUP BY customer_id, effective_at)
        ) AS n ON n.customer_id = m.customer_id AND n.effective_at = m.effective_at
    ) AS z
    INNER JOIN (SELECT customer_id, subscription_id, period_from, period_until FROM charges WHERE kind = 'recurring' AND timing = 'in_advance') AS c
        ON c.customer_id = z.customer_id AND c.subscription_id = z.subscription_id
    WHERE c.period_from <= z.effective_at AND c.period_until > z.effective_at
    GROUP BY customer_id, effective_at
);

-- Departures from the ledger: what a profile takes out of a kind is there with the sign turned, what it puts in as it is.
CREATE OR REPLACE VIEW mrr_profile_changes
(
    profile String COMMENT 'The profile that departs from the ledger here',
    reason String COMMENT 'The rule: mrr_profile_rules',
    effective_at DateTime64(9, 'UTC') COMMENT 'When it counts',
    customer_id String COMMENT 'The customer',
    subscription_id String COMMENT 'The subscription; nothing where the rule looks at the customer',
    currency String COMMENT 'ISO 4217; figures of different currencies do not add up',
    kind String COMMENT 'A kind of movement, or usage',
    amount Decimal(76, 12) COMMENT 'Added to this kind; the sum over all rows of a profile is how far its MRR is from the ledger''s'
)
AS
WITH
    departures AS
    (
        SELECT arrayJoin(['stripe', 'chartmogul', 'profitwell']) AS profile, 'no_transfer_kind' AS reason,
            effective_at, customer_id, subscription_id, currency, line.1 AS kind, line.2 AS amount
        FROM
        (
            SELECT effective_at, customer_id, subscription_id, toString(m.currency) AS currency, sum(toDecimal256(m.amount, 12)) AS net
            FROM mrr_movements AS m
            WHERE m.kind = 'transfer'
            GROUP BY effective_at, customer_id, subscription_id, currency
            HAVING net != 0
        )
        ARRAY JOIN [('transfer', -net), (if(net > 0, 'expansion', 'contraction'), net)] AS line
        UNION ALL
        SELECT 'chartmogul' AS profile, 'free_is_active' AS reason,
            m.effective_at AS effective_at, m.customer_id AS customer_id, m.subscription_id AS subscription_id, toString(m.currency) AS currency,
            line.1 AS kind, line.2 AS amount
        FROM (SELECT * FROM mrr_movements WHERE kind IN ('churn', 'reactivation')) AS m
        ASOF INNER JOIN mrr_free_instants AS f ON f.customer_id = m.customer_id AND m.effective_at >= f.effective_at
        ARRAY JOIN [(toString(m.kind), -toDecimal256(m.amount, 12)), (if(m.kind = 'churn', 'contraction', 'expansion'), toDecimal256(m.amount, 12))] AS line
        WHERE f.still_active AND (m.kind != 'churn' OR m.effective_at = f.effective_at)
        UNION ALL
        SELECT 'profitwell' AS profile, 'churn_at_period_end' AS reason,
            line.1 AS effective_at, m.customer_id AS customer_id, m.subscription_id AS subscription_id, toString(m.currency) AS currency, 'churn' AS kind, line.2 AS amount
        FROM (SELECT * FROM mrr_movements WHERE kind = 'churn') AS m
        INNER JOIN mrr_paid_until AS p ON p.customer_id = m.customer_id AND p.effective_at = m.effective_at
        ARRAY JOIN [(m.effective_at, -toDecimal256(m.amount, 12)), (p.counts_at, toDecimal256(m.amount, 12))] AS line
    ),
    so_far AS
    (
        SELECT effective_at, customer_id, subscription_id, currency, kind, amount AS moved,
            makeDate32(toYear(effective_at), toMonth(effective_at), 1) AS month
        FROM
        (
            SELECT effective_at, customer_id, subscription_id, toString(m.currency) AS currency, toString(m.kind) AS kind, toDecimal256(m.amount, 12) AS amount
            FROM mrr_movements AS m
            UNION ALL
            SELECT effective_at, customer_id, subscription_id, currency, kind, amount FROM departures WHERE profile = 'profitwell'
        )
    ),
    balances AS
    (
        SELECT
            customer_id, month, currency, net, closing,
            max(closing > 0) OVER (PARTITION BY customer_id, month) AS pays,
            max(closing - net > 0) OVER (PARTITION BY customer_id, month) AS paid,
            max(net > 0) OVER (PARTITION BY customer_id, month) AND max(net < 0) OVER (PARTITION BY customer_id, month) AS both_ways
        FROM
        (
            SELECT customer_id, month, currency, net, sum(net) OVER (PARTITION BY customer_id, currency ORDER BY month ROWS UNBOUNDED PRECEDING) AS closing
            FROM
            (
                SELECT a.customer_id AS customer_id, a.month AS month, b.currency AS currency, sumIf(b.net, b.month = a.month) AS net
                FROM (SELECT DISTINCT customer_id, makeDate32(toYear(effective_at), toMonth(effective_at), 1) AS month FROM mrr_movements) AS a
                INNER JOIN
                (
                    SELECT customer_id, toString(m.currency) AS currency, makeDate32(toYear(effective_at), toMonth(effective_at), 1) AS month, sum(toDecimal256(m.amount, 12)) AS net
                    FROM mrr_movements AS m
                    GROUP BY customer_id, currency, month
                ) AS b ON b.customer_id = a.customer_id
                GROUP BY customer_id, month, currency
            )
        )
    )
SELECT profile, reason, effective_at, customer_id, subscription_id, currency, kind, amount FROM departures
UNION ALL
SELECT 'profitwell' AS profile, 'same_month_ignored' AS reason, effective_at, customer_id, subscription_id, currency, kind, -moved AS amount
FROM
(
    SELECT *, max(came != 0) OVER (PARTITION BY customer_id, month) AS came_at_all, max(went != 0) OVER (PARTITION BY customer_id, month) AS went_at_all,
        max(net != 0) OVER (PARTITION BY customer_id, month) AS left_something
    FROM
    (
        SELECT s.*, sum(moved) OVER (PARTITION BY customer_id, month, currency) AS net,
            sum(if(kind = 'new_business', moved, toDecimal256(0, 12))) OVER (PARTITION BY customer_id, month, currency) AS came,
            sum(if(kind = 'churn', moved, toDecimal256(0, 12))) OVER (PARTITION BY customer_id, month, currency) AS went
        FROM so_far AS s
    )
)
WHERE came_at_all AND went_at_all AND NOT left_something
UNION ALL
SELECT arrayJoin(['chartmogul', 'profitwell']) AS profile, 'usage_counts' AS reason, toDateTime64(u.at, 9, 'UTC') AS effective_at,
    u.customer_id AS customer_id, u.subscription_id AS subscription_id, u.currency AS currency, 'usage' AS kind, u.billed AS amount
FROM
(
    SELECT line.1 AS at, customer_id, subscription_id, currency, line.2 AS billed
    FROM
    (
        SELECT
            customer_id, subscription_id, toString(c.currency) AS currency,
            makeDate32(toYear(period_until - toIntervalNanosecond(1)), toMonth(period_until - toIntervalNanosecond(1)), 1) AS month,
            sum(toDecimal256(c.amount_rounded, 12)) AS owed, max(max(month)) OVER (PARTITION BY currency) AS last
        FROM charges AS c
        WHERE c.meter != ''
        GROUP BY customer_id, subscription_id, currency, month
    )
    ARRAY JOIN if(month < last, [(month, owed), (addMonths(month, 1), -owed)], [(month, owed)]) AS line
) AS u
UNION ALL
SELECT 'finance' AS profile, 'netted_by_month' AS reason, toDateTime64(n.month, 9, 'UTC') AS effective_at, n.customer_id AS customer_id, '' AS subscription_id,
    n.currency AS currency, n.kind AS kind, sum(n.amount) AS amount
FROM
(
    SELECT makeDate32(toYear(effective_at), toMonth(effective_at), 1) AS month, customer_id, toString(m.currency) AS currency, toString(m.kind) AS kind, -toDecimal256(m.amount, 12) AS amount
    FROM mrr_movements AS m
    UNION ALL
    SELECT month, customer_id, currency,
        multiIf(pays AND NOT paid, if(paid_before, 'reactivation', 'new_business'), paid AND NOT pays, 'churn', both_ways, 'transfer', net > 0, 'expansion', 'contraction') AS kind, net AS amount
    FROM
    (
        SELECT *, max(pays) OVER (PARTITION BY customer_id ORDER BY month_number RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS paid_before
        FROM (SELECT *, toInt32(month) AS month_number FROM balances)
    )
    WHERE net != 0
) AS n
GROUP BY month, customer_id, currency, kind
HAVING amount != 0;

CREATE OR REPLACE VIEW mrr_profile_movements
(
    profile String COMMENT 'Filter by it: every profile has all its rows',
    reason String COMMENT 'ledger: a movement of the ledger; else the rule that departs from it',
    effective_at DateTime64(9, 'UTC') COMMENT 'When it counts',
    customer_id String COMMENT 'The customer',
    subscription_id String COMMENT 'The subscription; nothing where a rule looks at the customer',
    currency String COMMENT 'ISO 4217; figures of different currencies do not add up',
    kind String COMMENT 'A kind of movement, or usage',
    amount Decimal(76, 12) COMMENT 'Signed. The sum up to an instant is the MRR of the profile then'
)
AS
SELECT arrayJoin(['weir', 'stripe', 'chartmogul', 'profitwell', 'finance']) AS profile, 'ledger' AS reason,
    effective_at, customer_id, subscription_id, toString(m.currency) AS currency, toString(m.kind) AS kind, toDecimal256(m.amount, 12) AS amount
FROM mrr_movements AS m
UNION ALL
SELECT profile, reason, effective_at, customer_id, subscription_id, currency, kind, amount FROM mrr_profile_changes;

CREATE OR REPLACE VIEW mrr_profile_by_month
(
    profile String COMMENT 'Filter by it: weir, stripe, chartmogul, profitwell or finance',
    month Date32 COMMENT 'First day of the calendar month, UTC; every month from the first movement of the profile and currency to the last of the currency in any profile',
    currency String COMMENT 'ISO 4217; figures of different currencies do not add up',
    opening Decimal(76, 12) COMMENT 'MRR by the rules of the profile at the month''s beginning',
    new_business Decimal(76, 12) COMMENT 'By the rules of the profile, as all kinds; adds up over months',
    expansion Decimal(76, 12) COMMENT 'More from customers who had some',
    contraction Decimal(76, 12) COMMENT 'Less from customers who stay',
    churn Decimal(76, 12) COMMENT 'From customers who go',
    reactivation Decimal(76, 12) COMMENT 'From customers who come back',
    transfer Decimal(76, 12) COMMENT 'Between subscriptions or currencies of one customer',
    usage Decimal(76, 12) COMMENT 'Usage billed for the month less that of the month before, where the profile counts usage',
    closing Decimal(76, 12) COMMENT 'opening and all kinds; does not add up over months'
)
AS
SELECT
    profile, addMonths(f.month, n) AS month, currency, if(n = 0, f.closing - f.net, f.closing) AS opening,
    if(n = 0, f.new_business, zero) AS new_business, if(n = 0, f.expansion, zero) AS expansion, if(n = 0, f.contraction, zero) AS contraction,
    if(n = 0, f.churn, zero) AS churn, if(n = 0, f.reactivation, zero) AS reactivation, if(n = 0, f.transfer, zero) AS transfer,
    if(n = 0, f.usage, zero) AS usage, f.closing AS closing
FROM
(
    -- Each month with a movement stands for the quiet ones up to the next.
    SELECT *, toDecimal256(0, 12) AS zero, arrayJoin(range(toUInt32(dateDiff('month', month, if(following > month, following, addMonths(last, 1)))))) AS n
    FROM
    (
        SELECT *, sum(net) OVER (PARTITION BY profile, currency ORDER BY month ROWS UNBOUNDED PRECEDING) AS closing,
            max(month) OVER (PARTITION BY currency) AS last,
            leadInFrame(month) OVER (PARTITION BY profile, currency ORDER BY month ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) AS following
        FROM
        (
            SELECT
                profile, makeDate32(toYear(effective_at), toMonth(effective_at), 1) AS month, currency,
                sumIf(p.amount, kind = 'new_business') AS new_business,
                sumIf(p.amount, kind = 'expansion') AS expansion,
                sumIf(p.amount, kind = 'contraction') AS contraction,
                sumIf(p.amount, kind = 'churn') AS churn,
                sumIf(p.amount, kind = 'reactivation') AS reactivation,
                sumIf(p.amount, kind = 'transfer') AS transfer,
                sumIf(p.amount, kind = 'usage') AS usage,
                sum(p.amount) AS net
            FROM mrr_profile_movements AS p
            GROUP BY profile, month, currency
        )
    )
) AS f
ORDER BY profile, currency, month;

-- Why two profiles differ: figures of `profile` less those of `against`, in mrr_profile_by_month, are the sums of this.
CREATE OR REPLACE VIEW mrr_profile_differences
(
    profile String COMMENT 'Filter by it and by against',
    against String COMMENT 'The profile that it is compared with',
    month Date32 COMMENT 'First day of the calendar month, UTC',
    currency String COMMENT 'ISO 4217; figures of different currencies do not add up',
    customer_id String COMMENT 'The customer',
    kind String COMMENT 'The kind whose figure differs',
    reason String COMMENT 'The rule: mrr_profile_rules',
    amount Decimal(76, 12) COMMENT 'Part of the difference profile less against; adds up to it exactly, by month, currency, kind and customer'
)
AS
SELECT
    pair.1 AS profile, pair.2 AS against, makeDate32(toYear(effective_at), toMonth(effective_at), 1) AS month, currency, customer_id, kind, reason,
    sum(pair.3) AS amount
FROM
(
    SELECT
        effective_at, currency, customer_id, kind, reason, ['weir', 'stripe', 'chartmogul', 'profitwell', 'finance'] AS others,
        arrayJoin(arrayConcat(arrayMap(other -> (c.profile, other, c.amount), others), arrayMap(other -> (other, c.profile, -c.amount), others))) AS pair
    FROM mrr_profile_changes AS c
)
WHERE pair.1 != pair.2
GROUP BY profile, against, month, currency, customer_id, kind, reason
HAVING amount != 0;
