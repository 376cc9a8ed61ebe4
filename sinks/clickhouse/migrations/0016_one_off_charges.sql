-- Fees and credits that no plan names: a row when one takes effect, and one when it is cancelled.
CREATE TABLE IF NOT EXISTS added_charges
(
    charge_id String,
    customer_id String,
    subscription_id String,
    price LowCardinality(String),
    kind LowCardinality(String),
    change LowCardinality(String),
    quantity Decimal(38, 12),
    amount Decimal(38, 12),
    currency LowCardinality(String),
    effective_from DateTime64(9, 'UTC'),
    reason String,
    event_time DateTime64(9, 'UTC'),
    event_source String,
    event_id String,
    correlation_id String,
    `partition` UInt32,
    ledger_sequence UInt64,
    INDEX by_charge charge_id TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX by_event event_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
ORDER BY (customer_id, effective_from, charge_id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Charges without length: one-off prices, fees and credits. Their service period is an instant, so they fall due and are earned
-- on its day, and revenue tells them apart. A statement ends with a semicolon at the end of its line.

CREATE OR REPLACE VIEW focus_charges
(
    BilledCost Decimal(38, 12) COMMENT 'Mandatory. The charge as invoiced, rounded to the minor unit of the currency; adds up by currency',
    BillingAccountId String COMMENT 'Mandatory. The customer',
    BillingAccountName Nullable(String) COMMENT 'Mandatory, may be null. The name of the customer as last told; null where none was told',
    BillingCurrency String COMMENT 'Mandatory. ISO 4217',
    BillingPeriodStart DateTime64(9, 'UTC') COMMENT 'Mandatory. First day of the calendar month (UTC) in which the charge falls due: in advance by the begin of its service period, in arrears by its last instant, of a correction by when it was recorded',
    BillingPeriodEnd DateTime64(9, 'UTC') COMMENT 'Mandatory. First day of the month after BillingPeriodStart, exclusive',
    ChargeCategory String COMMENT 'Mandatory. Usage for a price on a meter, Credit for a credit, Purchase for everything else; a correction has that of what it corrects, of a credit Purchase',
    ChargeClass Nullable(String) COMMENT 'Mandatory, may be null. Correction for the credit or the rebill of a charge that fell due in an earlier calendar month, else null',
    ChargeDescription String COMMENT 'Mandatory, may be null. Plan, version, price, meter, and the charge that is corrected',
    ChargeFrequency String COMMENT 'Recommended. Usage-Based, One-Time for one-off charges and credits and for corrections of charges without length, or Recurring',
    ChargePeriodEnd DateTime64(9, 'UTC') COMMENT 'Mandatory. End of the service period, exclusive',
    ChargePeriodStart DateTime64(9, 'UTC') COMMENT 'Mandatory. Begin of the service period, inclusive',
    ConsumedQuantity Nullable(Decimal(38, 12)) COMMENT 'Conditional. What the aggregation of the meter made of the events; null for everything but usage and where ChargeClass is Correction',
    ConsumedUnit Nullable(String) COMMENT 'Conditional. The meter, for tables do not hold the unit of the catalog; null with ConsumedQuantity',
    ContractedCost Decimal(38, 12) COMMENT 'Mandatory. Equal to BilledCost: charges hold no price before discounts',
    EffectiveCost Decimal(38, 12) COMMENT 'Mandatory. Equal to BilledCost: a charge pays for its own service period and for nothing else',
    InvoiceIssuerName String COMMENT 'Mandatory. The entity that bills; default where there is none',
    ListCost Decimal(38, 12) COMMENT 'Mandatory. Equal to BilledCost: charges hold no list price',
    PricingCategory Nullable(String) COMMENT 'Conditional. Standard; null where ChargeClass is Correction',
    PricingQuantity Nullable(Decimal(38, 12)) COMMENT 'Mandatory, may be null. The quantity that was priced, of a correction that of the credit or rebill',
    PricingUnit Nullable(String) COMMENT 'Mandatory, may be null. The meter; without one the price',
    ProviderName String COMMENT 'Mandatory. As InvoiceIssuerName',
    PublisherName String COMMENT 'Mandatory. As InvoiceIssuerName',
    ResourceId String COMMENT 'Conditional. The subscription',
    ResourceType String COMMENT 'Conditional. Subscription',
    ServiceCategory String COMMENT 'Mandatory. Other: no fact tells a category',
    ServiceName String COMMENT 'Mandatory. The plan',
    ServiceSubcategory String COMMENT 'Recommended. Other (Other)',
    SkuId String COMMENT 'Conditional. plan/price',
    SkuMeter Nullable(String) COMMENT 'Conditional. The meter; null for everything but usage',
    SkuPriceDetails Nullable(String) COMMENT 'Conditional, may be null. Always null: charges hold no properties of a price',
    SkuPriceId String COMMENT 'Conditional. plan/version/price',
    x_ChargeId String COMMENT 'charges.charge_id',
    x_CorrectedChargeId Nullable(String) COMMENT 'The charge that this one corrects, or null',
    x_ChargeKind String COMMENT 'usage, recurring, one_off, credit, commitment or adjustment',
    x_ChargeStatus String COMMENT 'open or closed',
    x_ExactCost Decimal(38, 12) COMMENT 'The charge before it was rounded to the minor unit; adds up by currency',
    x_SubscriptionVersion UInt64 COMMENT 'The version of the subscription whose terms were in force',
    x_ContractId Nullable(String) COMMENT 'The contract, or null',
    x_BillingRunId Nullable(String) COMMENT 'The run that billed the charge, or null',
    x_TimeZone String COMMENT 'Time zone of the subscription, IANA',
    x_RecordedAt DateTime64(3, 'UTC') COMMENT 'When Weir wrote the charge',
    x_CorrelationId Nullable(String) COMMENT 'Of the lifecycle event that set the terms, or null'
)
AS
SELECT
    c.amount_rounded AS BilledCost,
    c.customer_id AS BillingAccountId,
    nullIf(n.name, '') AS BillingAccountName,
    CAST(c.currency, 'String') AS BillingCurrency,
    toDateTime64(makeDate32(toYear(due), toMonth(due), 1), 9, 'UTC') AS BillingPeriodStart,
    toDateTime64(addMonths(makeDate32(toYear(due), toMonth(due), 1), 1), 9, 'UTC') AS BillingPeriodEnd,
    multiIf(c.meter != '', 'Usage', c.kind = 'credit', 'Credit', 'Purchase') AS ChargeCategory,
    if(c.of_earlier, 'Correction', NULL) AS ChargeClass,
    concat(c.plan, ' version ', toString(c.plan_version), ', ', c.price, if(c.meter = '', '', concat(' on ', c.meter)),
        if(c.corrects = '', '', concat(', corrects ', c.corrects))) AS ChargeDescription,
    multiIf(c.meter != '', 'Usage-Based', c.period_from = c.period_until, 'One-Time', 'Recurring') AS ChargeFrequency,
    c.period_until AS ChargePeriodEnd,
    c.period_from AS ChargePeriodStart,
    if(c.meter = '' OR c.of_earlier, NULL, toNullable(c.quantity)) AS ConsumedQuantity,
    if(c.meter = '' OR c.of_earlier, NULL, CAST(c.meter, 'String')) AS ConsumedUnit,
    c.amount_rounded AS ContractedCost,
    c.amount_rounded AS EffectiveCost,
    if(c.entity_id = '', 'default', CAST(c.entity_id, 'String')) AS InvoiceIssuerName,
    c.amount_rounded AS ListCost,
    if(c.of_earlier, NULL, 'Standard') AS PricingCategory,
    toNullable(c.quantity) AS PricingQuantity,
    toNullable(CAST(if(c.meter = '', c.price, c.meter), 'String')) AS PricingUnit,
    InvoiceIssuerName AS ProviderName,
    InvoiceIssuerName AS PublisherName,
    c.subscription_id AS ResourceId,
    'Subscription' AS ResourceType,
    'Other' AS ServiceCategory,
    CAST(c.plan, 'String') AS ServiceName,
    'Other (Other)' AS ServiceSubcategory,
    concat(c.plan, '/', c.price) AS SkuId,
    nullIf(CAST(c.meter, 'String'), '') AS SkuMeter,
    CAST(NULL, 'Nullable(String)') AS SkuPriceDetails,
    concat(c.plan, '/', toString(c.plan_version), '/', c.price) AS SkuPriceId,
    c.charge_id AS x_ChargeId,
    nullIf(c.corrects, '') AS x_CorrectedChargeId,
    CAST(c.kind, 'String') AS x_ChargeKind,
    CAST(c.status, 'String') AS x_ChargeStatus,
    c.amount AS x_ExactCost,
    c.subscription_version AS x_SubscriptionVersion,
    nullIf(CAST(c.contract_id, 'String'), '') AS x_ContractId,
    nullIf(c.billing_run_id, '') AS x_BillingRunId,
    CAST(c.timezone, 'String') AS x_TimeZone,
    c.recorded_at AS x_RecordedAt,
    nullIf(c.correlation_id, '') AS x_CorrelationId
FROM
(
    SELECT *,
        if(timing = 'in_advance', toDate32(period_from, 'UTC'), toDate32(greatest(period_from, period_until - toIntervalNanosecond(1)), 'UTC')) AS fell_due,
        if(corrects != '', toDate32(recorded_at, 'UTC'), fell_due) AS due,
        (toYear(due), toMonth(due)) != (toYear(fell_due), toMonth(fell_due)) AS of_earlier
    FROM charges
) AS c
LEFT JOIN
(
    SELECT customer_id, argMax(name, (event_time, ledger_sequence)) AS name FROM customers GROUP BY customer_id
) AS n ON n.customer_id = c.customer_id;

CREATE OR REPLACE VIEW revenue_items
(
    month Date32 COMMENT 'First day of the month in which the part is earned, in the time zone of the subscription; in UTC before the charge is posted',
    charge_id String COMMENT 'The charge; the amounts of its parts add up to amount_rounded exactly',
    customer_id String COMMENT 'The customer',
    subscription_id String COMMENT 'The subscription',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    currency LowCardinality(String) COMMENT 'Currency of the charge',
    kind LowCardinality(String) COMMENT 'usage, recurring, one_off, credit, commitment or adjustment',
    earned_on Date32 COMMENT 'In arrears the accounting date, in advance the first day of the month',
    day Date32 COMMENT 'The last day on which the part is earned; its rate converts the part',
    amount Decimal(76, 12) COMMENT 'What is earned; adds up by currency'
)
AS
SELECT
    makeDate32(toYear(earned_on), toMonth(earned_on), 1) AS month, charge_id, customer_id, subscription_id, entity_id, currency, kind,
    if(lines > 0, posted_on, toDate32(greatest(period_from, period_until - toIntervalNanosecond(1)), 'UTC')) AS earned_on, earned_on AS day,
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
    one_off Decimal(76, 12) COMMENT 'One-off prices and added fees',
    credits Decimal(76, 12) COMMENT 'Added credits, as negative amounts',
    commitments Decimal(76, 12) COMMENT 'What was missing to commitments',
    adjustments Decimal(76, 12) COMMENT 'Credits and rebills of charges billed before',
    revenue Decimal(76, 12) COMMENT 'usage + recurring + one_off + credits + commitments + adjustments; adds up over months and entities'
)
AS
SELECT
    month, currency, entity_id,
    sumIf(i.amount, i.kind = 'usage') AS usage,
    sumIf(i.amount, i.kind = 'recurring') AS recurring,
    sumIf(i.amount, i.kind = 'one_off') AS one_off,
    sumIf(i.amount, i.kind = 'credit') AS credits,
    sumIf(i.amount, i.kind = 'commitment') AS commitments,
    sumIf(i.amount, i.kind = 'adjustment') AS adjustments,
    sum(i.amount) AS revenue
FROM revenue_items AS i
GROUP BY month, currency, entity_id
ORDER BY currency, entity_id, month;

CREATE OR REPLACE VIEW revenue_reporting_by_month
(
    month Date32 COMMENT 'First day of the month in which revenue is earned',
    reporting_currency String COMMENT 'Filter by it: every row is there for each',
    currency LowCardinality(String) COMMENT 'Currency of the charges',
    entity_id LowCardinality(String) COMMENT 'The entity that bills, or nothing',
    usage Decimal(76, 12) COMMENT 'Earned from charges for usage, in reporting_currency',
    recurring Decimal(76, 12) COMMENT 'Earned from recurring prices, in reporting_currency',
    one_off Decimal(76, 12) COMMENT 'One-off prices and added fees, in reporting_currency',
    credits Decimal(76, 12) COMMENT 'Added credits, as negative amounts, in reporting_currency',
    commitments Decimal(76, 12) COMMENT 'What was missing to commitments, in reporting_currency',
    adjustments Decimal(76, 12) COMMENT 'Credits and rebills, in reporting_currency',
    revenue Decimal(76, 12) COMMENT 'usage + recurring + one_off + credits + commitments + adjustments; adds up over months, currencies and entities',
    native_revenue Decimal(76, 12) COMMENT 'All revenue of the row in currency, with a rate or without',
    without_rate Decimal(76, 12) COMMENT 'The part of native_revenue that no rate converts, in currency; not in revenue'
)
AS
SELECT
    month, reporting_currency, currency, entity_id,
    sumIf(assumeNotNull(v.reporting_amount), v.kind = 'usage' AND v.rate_source != 'missing') AS usage,
    sumIf(assumeNotNull(v.reporting_amount), v.kind = 'recurring' AND v.rate_source != 'missing') AS recurring,
    sumIf(assumeNotNull(v.reporting_amount), v.kind = 'one_off' AND v.rate_source != 'missing') AS one_off,
    sumIf(assumeNotNull(v.reporting_amount), v.kind = 'credit' AND v.rate_source != 'missing') AS credits,
    sumIf(assumeNotNull(v.reporting_amount), v.kind = 'commitment' AND v.rate_source != 'missing') AS commitments,
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
