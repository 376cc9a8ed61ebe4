// Coupons: how their fields are read, written and described, and what must hold between them. Contract section 9.
// Invariants: a coupon takes off per cent or an amount, never both; a written coupon is read back equal.

import { z } from 'zod'
import { currencyField, instantField, nameField, positiveField } from '../json/wire-fields.js'
import { minorUnits } from '../money/currency.js'
import { type Scaled, scaledOne } from '../money/decimal.js'
import { nearestHint, shownName } from '../nearest-name.js'
import { formatInstant, parseInstant } from '../time.js'
import { asMap, FieldReader, readText } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'
import { decimal, type Wire } from './models/model-shape.js'

export interface Coupon {
  readonly code: string
  /** Per cent, scaled, above 0 and up to 100. One of this and `amountOff`. */
  readonly percentOff?: Scaled
  /** For each billing period of the plan. */
  readonly amountOff?: Scaled
  /** Of `amountOff`; absent: that of each charge. */
  readonly currency?: string
  /** Ids of prices; absent: all. */
  readonly appliesTo?: readonly string[]
  /** Billing periods of the plan, from the one in which it is first in force; absent: no end. */
  readonly durationPeriods?: number
  readonly fromNs?: bigint
  readonly untilNs?: bigint
  /** Whether MRR is less by it; absent: `net` where it has no end, else `gross`. */
  readonly mrr?: 'net' | 'gross'
}

/** Ids of the prices that a coupon may name, of a catalog that is whole; undefined: any. */
export type PriceScope = ReadonlySet<string> | undefined

const hundred = 100n * scaledOne

export function readCoupon(
  node: SourceNode,
  scope: PriceScope,
  seen: Set<string>,
  problems: Problems,
): Coupon | undefined {
  const map = asMap(node, 'A coupon', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const code = reader.requiredText('code')
  if (code !== undefined) {
    if (seen.has(code)) reader.fault('code', 'duplicate_coupon', `The coupon ${code} is given twice.`)
    seen.add(code)
  }
  const off = readOff(reader)
  const appliesTo = readAppliesTo(reader, scope, problems)
  const durationPeriods = reader.whole('duration_periods', 1, 1_000_000)
  const dates = readDates(reader)
  const mrr = reader.choice('mrr', ['net', 'gross'] as const)
  reader.refuseOthers('a coupon')
  if (code === undefined) return undefined
  return {
    code,
    ...off,
    ...(appliesTo === undefined ? {} : { appliesTo }),
    ...(durationPeriods === undefined ? {} : { durationPeriods }),
    ...dates,
    ...(mrr === undefined ? {} : { mrr }),
  }
}

function readOff(reader: FieldReader): Pick<Coupon, 'percentOff' | 'amountOff' | 'currency'> {
  const percentOff = reader.decimal('percent_off', { sign: 'positive', max: hundred })
  const amountOff = reader.decimal('amount_off', { sign: 'positive' })
  const currency = reader.text('currency')
  const [isPercent, isAmount] = [reader.has('percent_off'), reader.has('amount_off')]
  if (isPercent && isAmount) {
    reader.fault('amount_off', 'contradicting_fields', 'A coupon has percent_off or amount_off, not both.')
  } else if (!isPercent && !isAmount) {
    reader.fault('percent_off', 'missing_field', 'A coupon needs percent_off or amount_off.')
  }
  if (!isAmount && currency !== undefined) {
    reader.fault('currency', 'unknown_key', 'Only a coupon with amount_off has a currency.')
  } else if (currency !== undefined && minorUnits(currency) === undefined) {
    reader.fault('currency', 'unknown_currency', `${currency} is not a currency of ISO 4217, such as USD.`)
  }
  return {
    ...(percentOff === undefined ? {} : { percentOff }),
    ...(amountOff === undefined ? {} : { amountOff }),
    ...(currency === undefined ? {} : { currency }),
  }
}

/** A list of prices, of which each stands once. */
export function readAppliesTo(
  reader: FieldReader,
  scope: PriceScope,
  problems: Problems,
  faultOf = noSuchPrice,
): readonly string[] | undefined {
  const items = reader.list('applies_to')
  if (items === undefined) return undefined
  if (items.length === 0) {
    return reader.fault('applies_to', 'invalid_value', 'The field applies_to names prices; left out: all.')
  }
  const prices = new Set<string>()
  for (const item of items) {
    const price = readText(item, 'applies_to', problems)
    if (price === undefined) continue
    if (prices.has(price))
      problems.add(item, 'duplicate_price', `The price ${shownName(price)} stands twice.`)
    if (scope !== undefined && !scope.has(price)) problems.add(item, 'unknown_price', faultOf(price, scope))
    prices.add(price)
  }
  return [...prices]
}

export function noSuchPrice(price: string, known: ReadonlySet<string>): string {
  return `No plan of the catalog has a price ${shownName(price)}${nearestHint(price, known)}.`
}

function readDates(reader: FieldReader): Pick<Coupon, 'fromNs' | 'untilNs'> {
  const fromNs = readInstant(reader, 'from')
  const untilNs = readInstant(reader, 'until')
  if (fromNs !== undefined && untilNs !== undefined && untilNs <= fromNs) {
    reader.fault('until', 'value_out_of_range', 'The field until is after from.')
  }
  return { ...(fromNs === undefined ? {} : { fromNs }), ...(untilNs === undefined ? {} : { untilNs }) }
}

function readInstant(reader: FieldReader, name: string): bigint | undefined {
  const text = reader.text(name)
  if (text === undefined) return undefined
  return (
    parseInstant(text) ??
    reader.fault(
      name,
      'invalid_value',
      `The field ${name} is an RFC 3339 instant, such as 2026-02-01T00:00:00Z.`,
    )
  )
}

export function couponToWire(coupon: Coupon): Wire {
  const { code, percentOff, amountOff, currency, appliesTo, durationPeriods, fromNs, untilNs, mrr } = coupon
  return {
    code,
    ...decimal('percent_off', percentOff),
    ...decimal('amount_off', amountOff),
    ...(currency === undefined ? {} : { currency }),
    ...(appliesTo === undefined ? {} : { applies_to: appliesTo }),
    ...(durationPeriods === undefined ? {} : { duration_periods: durationPeriods }),
    ...(fromNs === undefined ? {} : { from: formatInstant(fromNs) }),
    ...(untilNs === undefined ? {} : { until: formatInstant(untilNs) }),
    ...(mrr === undefined ? {} : { mrr }),
  }
}

const couponFields = {
  code: nameField,
  applies_to: z.array(nameField).min(1).optional().meta({ description: 'Ids of prices. Left out: all.' }),
  duration_periods: z.int().min(1).max(1_000_000).optional().meta({
    description: 'Billing periods of the plan, from the one in which it is first in force. Left out: no end.',
  }),
  from: instantField.optional(),
  until: instantField.optional(),
  mrr: z.enum(['net', 'gross']).optional().meta({
    description: 'Whether MRR is less by it. Left out: net where the coupon has no end, else gross.',
  }),
}

export const couponSchema = z.union([
  z.strictObject({ ...couponFields, percent_off: positiveField }),
  z.strictObject({
    ...couponFields,
    amount_off: positiveField,
    currency: currencyField.optional().meta({
      description:
        'Charges of another currency have nothing taken off. Left out: the currency of each charge.',
    }),
  }),
])
