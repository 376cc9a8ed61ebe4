// Random charges, and which columns FOCUS 1.2 demands of a view of them, with our types for its String, Decimal and
// Date/Time.

import fc from 'fast-check'
import { Exact } from './slow-reporting.js'

const decimal = 'Decimal(38, 12)'
const dateTime = "DateTime64(9, 'UTC')"

/** The columns of feature level Mandatory in FOCUS 1.2. */
export const mandatory: Readonly<Record<string, string>> = {
  BilledCost: decimal,
  BillingAccountId: 'String',
  BillingAccountName: 'String',
  BillingCurrency: 'String',
  BillingPeriodEnd: dateTime,
  BillingPeriodStart: dateTime,
  ChargeCategory: 'String',
  ChargeClass: 'String',
  ChargeDescription: 'String',
  ChargePeriodEnd: dateTime,
  ChargePeriodStart: dateTime,
  ContractedCost: decimal,
  EffectiveCost: decimal,
  InvoiceIssuerName: 'String',
  ListCost: 'Decimal(76, 12)', // a sum of two that each may have 38 digits
  PricingQuantity: decimal,
  PricingUnit: 'String',
  ProviderName: 'String',
  PublisherName: 'String',
  ServiceCategory: 'String',
  ServiceName: 'String',
}

/** Those of them that may be null. */
export const nullable: ReadonlySet<string> = new Set([
  'BillingAccountName',
  'ChargeClass',
  'ChargeDescription',
  'PricingQuantity',
  'PricingUnit',
])

export interface ChargeRow {
  readonly charge_id: string
  readonly customer_id: string
  readonly entity_id: string
  readonly plan: string
  readonly plan_version: number
  readonly price: string
  readonly meter: string
  readonly kind: string
  readonly timing: string
  readonly period_from: string
  readonly period_until: string
  readonly recorded_at: string
  readonly quantity: string
  readonly amount: string
  readonly amount_rounded: string
  readonly discount_amount: string
  readonly currency: string
  readonly corrects: string
}

const hours = (from: string, n: number): string => new Date(Date.parse(from) + n * 3_600_000).toISOString()

export const charges: fc.Arbitrary<ChargeRow[]> = fc.uniqueArray(
  fc
    .record({
      charge_id: fc.nat(999).map(n => `c${n}`),
      customer_id: fc.constantFrom('a', 'b'),
      entity_id: fc.constantFrom('', 'de'),
      meter: fc.constantFrom('', 'tokens'),
      isCorrection: fc.boolean(),
      timing: fc.constantFrom('in_advance', 'in_arrears'),
      period_from: fc.nat(4000).map(n => hours('2025-11-01T00:00:00Z', n)),
      length: fc.integer({ min: 1, max: 3000 }),
      /** Without length, and of no meter. */
      instant: fc.option(fc.constantFrom('one_off', 'credit'), { nil: undefined }),
      lag: fc.constantFrom(1, 500),
      minor: fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
      currency: fc.constantFrom('USD', 'EUR'),
      off: fc.constantFrom('0', '0', '1.25', '-0.000000000001'),
      isCommitment: fc.boolean(),
    })
    .map(({ isCorrection, length: long, lag, minor, instant, off, isCommitment, ...drawn }) => {
      const length = instant === undefined ? long : 0
      const charge = instant === undefined ? drawn : { ...drawn, meter: '', timing: 'in_arrears' }
      return {
        ...charge,
        plan: 'pro',
        plan_version: 2,
        price: charge.meter === '' ? 'base' : 'per_token',
        kind: isCorrection
          ? 'adjustment'
          : (instant ?? (charge.meter !== '' ? 'usage' : isCommitment ? 'commitment' : 'recurring')),
        period_until: hours(charge.period_from, length),
        recorded_at: hours(charge.period_from, length + lag),
        quantity: '3',
        amount: new Exact(String(minor)).div(100).toFixed(12),
        amount_rounded: new Exact(String(minor)).div(100).toFixed(2),
        discount_amount: off,
        corrects: isCorrection ? `${charge.charge_id} before` : '',
      }
    }),
  { selector: one => one.charge_id, minLength: 1, maxLength: 15 },
)
