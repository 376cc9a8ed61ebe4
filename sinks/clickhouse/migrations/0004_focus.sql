-- Charges in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification (focus.finops.org, "Columns"; source
-- texts in github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, specification/columns). All 21 columns of feature level
-- Mandatory are here, and of the others those that Weir has facts for; columns of our own begin with x_, as FOCUS asks.
-- One row is one charge, a correction (credit or rebill) a row of its own, so that sums over BilledCost are what was owed.
-- What Weir has no facts for, it does not fill: list and contracted unit prices (a charge has an amount, not a price per
-- unit, and ListCost and ContractedCost, which must not be null, are the billed cost), InvoiceId (an invoice of the billing
-- system names a customer, not a charge), regions, commitment discounts, tags.
-- A statement ends with a semicolon at the end of its line.

CREATE OR REPLACE VIEW focus_charges
(
    BilledCost Decimal(38, 12) COMMENT 'Mandatory. The charge as invoiced, rounded to the minor unit of the currency; adds up by currency',
    BillingAccountId String COMMENT 'Mandatory. The customer',
    BillingAccountName Nullable(String) COMMENT 'Mandatory, may be null. The name of the customer as last told; null where none was told',
    BillingCurrency String COMMENT 'Mandatory. ISO 4217',
    BillingPeriodStart DateTime64(9, 'UTC') COMMENT 'Mandatory. First day of the calendar month (UTC) in which the charge falls due: in advance by the begin of its service period, in arrears by its last instant, of a correction by when it was recorded',
    BillingPeriodEnd DateTime64(9, 'UTC') COMMENT 'Mandatory. First day of the month after BillingPeriodStart, exclusive',
    ChargeCategory String COMMENT 'Mandatory. Usage for a price on a meter, Purchase for a recurring price; a correction has that of what it corrects',
    ChargeClass Nullable(String) COMMENT 'Mandatory, may be null. Correction for the credit or the rebill of a charge that fell due in an earlier calendar month, else null',
    ChargeDescription String COMMENT 'Mandatory, may be null. Plan, version, price, meter, and the charge that is corrected',
    ChargeFrequency String COMMENT 'Recommended. Usage-Based or Recurring',
    ChargePeriodEnd DateTime64(9, 'UTC') COMMENT 'Mandatory. End of the service period, exclusive',
    ChargePeriodStart DateTime64(9, 'UTC') COMMENT 'Mandatory. Begin of the service period, inclusive',
    ConsumedQuantity Nullable(Decimal(38, 12)) COMMENT 'Conditional. What the aggregation of the meter made of the events; null for recurring prices and where ChargeClass is Correction',
    ConsumedUnit Nullable(String) COMMENT 'Conditional. The meter, for tables do not hold the unit of the catalog; null with ConsumedQuantity',
    ContractedCost Decimal(38, 12) COMMENT 'Mandatory. Equal to BilledCost: charges hold no price before discounts',
    EffectiveCost Decimal(38, 12) COMMENT 'Mandatory. Equal to BilledCost: a charge pays for its own service period and for nothing else',
    InvoiceIssuerName String COMMENT 'Mandatory. The entity that bills; default where there is none',
    ListCost Decimal(38, 12) COMMENT 'Mandatory. Equal to BilledCost: charges hold no list price',
    PricingCategory Nullable(String) COMMENT 'Conditional. Standard; null where ChargeClass is Correction',
    PricingQuantity Nullable(Decimal(38, 12)) COMMENT 'Mandatory, may be null. The quantity that was priced, of a correction that of the credit or rebill',
    PricingUnit Nullable(String) COMMENT 'Mandatory, may be null. The meter, of a recurring price the price',
    ProviderName String COMMENT 'Mandatory. As InvoiceIssuerName',
    PublisherName String COMMENT 'Mandatory. As InvoiceIssuerName',
    ResourceId String COMMENT 'Conditional. The subscription',
    ResourceType String COMMENT 'Conditional. Subscription',
    ServiceCategory String COMMENT 'Mandatory. Other: no fact tells a category',
    ServiceName String COMMENT 'Mandatory. The plan',
    ServiceSubcategory String COMMENT 'Recommended. Other (Other)',
    SkuId String COMMENT 'Conditional. plan/price',
    SkuMeter Nullable(String) COMMENT 'Conditional. The meter; null for recurring prices',
    SkuPriceDetails Nullable(String) COMMENT 'Conditional, may be null. Always null: charges hold no properties of a price',
    SkuPriceId String COMMENT 'Conditional. plan/version/price',
    x_ChargeId String COMMENT 'charges.charge_id',
    x_CorrectedChargeId Nullable(String) COMMENT 'The charge that this one corrects, or null',
    x_ChargeKind String COMMENT 'usage, recurring or adjustment',
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
    if(c.meter = '', 'Purchase', 'Usage') AS ChargeCategory,
    if(c.of_earlier, 'Correction', NULL) AS ChargeClass,
    concat(c.plan, ' version ', toString(c.plan_version), ', ', c.price, if(c.meter = '', '', concat(' on ', c.meter)),
        if(c.corrects = '', '', concat(', corrects ', c.corrects))) AS ChargeDescription,
    if(c.meter = '', 'Recurring', 'Usage-Based') AS ChargeFrequency,
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
        if(timing = 'in_advance', toDate32(period_from, 'UTC'), toDate32(period_until - toIntervalNanosecond(1), 'UTC')) AS fell_due,
        if(corrects != '', toDate32(recorded_at, 'UTC'), fell_due) AS due,
        (toYear(due), toMonth(due)) != (toYear(fell_due), toMonth(fell_due)) AS of_earlier
    FROM charges
) AS c
LEFT JOIN
(
    SELECT customer_id, argMax(name, (event_time, ledger_sequence)) AS name FROM customers GROUP BY customer_id
) AS n ON n.customer_id = c.customer_id;
