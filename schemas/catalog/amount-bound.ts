// What the charges of a period come to at least or at most, over all prices of a plan or those listed: `minimum` and `maximum`
// of a plan. How they are read, written and described. Contract section 9.
// Invariants: a bound names prices of its own plan; a written bound is read back equal; an amount alone is the bound over all
// prices and the plan's billing period.

import { z } from 'zod'
import { nameField, positiveField, quantityField } from '../json/wire-fields.js'
import { formatScaled, type Scaled, scaledOne } from '../money/decimal.js'
import { nearestHint, shownName } from '../nearest-name.js'
import {
  type BillingPeriod,
  billingPeriodField,
  billingPeriodToWire,
  readBillingPeriod,
} from './billing-period.js'
import { type DecimalBounds, FieldReader } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'
import { type PriceScope, readAppliesTo } from './coupon.js'
import type { Wire } from './models/model-shape.js'

export interface AmountBound {
  readonly amount: Scaled
  /** Ids of prices; absent: all but one-off prices. */
  readonly appliesTo?: readonly string[]
  /** Absent: the plan's billing period. */
  readonly period?: BillingPeriod
}

/** 10^20: what is made up for, or given back, stays within 38 digits. */
export const largestBound = 10n ** 20n * scaledOne

/** `sold`: the ids of the plan's prices, those of its phases among them; undefined: not known. */
export function readAmountBound(
  reader: FieldReader,
  name: 'minimum' | 'maximum',
  sold: PriceScope,
  problems: Problems,
): AmountBound | undefined {
  // A plan that owes at least nothing has no minimum; one that owes at most nothing costs nothing.
  const bounds = { sign: name === 'minimum' ? 'positive' : 'from_zero', max: largestBound } as const
  const node = reader.field(name)
  if (node === undefined) return undefined
  if (node.kind !== 'map') return plainBound(reader, name, bounds)
  const parts = new FieldReader(node, problems)
  const amount = parts.requiredDecimal('amount', bounds)
  const appliesTo = readAppliesTo(parts, sold, problems, noPriceOfPlan)
  const period = readBillingPeriod(parts, problems, 'period')
  parts.refuseOthers(`a ${name}`)
  if (amount === undefined) return undefined
  return {
    amount,
    ...(appliesTo === undefined ? {} : { appliesTo }),
    ...(period === undefined ? {} : { period }),
  }
}

function noPriceOfPlan(price: string, sold: ReadonlySet<string>): string {
  return `The plan has no price ${shownName(price)}${nearestHint(price, sold)}.`
}

function plainBound(reader: FieldReader, name: string, bounds: DecimalBounds): AmountBound | undefined {
  const amount = reader.decimal(name, bounds)
  return amount === undefined ? undefined : { amount }
}

/** Of one plan: a minimum above the maximum over the same prices and period can never be kept. */
export function refuseContradiction(
  reader: FieldReader,
  minimum: AmountBound | undefined,
  maximum: AmountBound | undefined,
): void {
  if (minimum === undefined || maximum === undefined || minimum.amount <= maximum.amount) return
  const isAlike =
    minimum.period === maximum.period &&
    JSON.stringify(minimum.appliesTo?.toSorted()) === JSON.stringify(maximum.appliesTo?.toSorted())
  if (isAlike) reader.fault('maximum', 'contradicting_fields', 'The maximum is at least the minimum.')
}

export function amountBoundToWire({ amount, appliesTo, period }: AmountBound): unknown {
  if (appliesTo === undefined && period === undefined) return formatScaled(amount)
  const wire: Wire = {
    amount: formatScaled(amount),
    ...(appliesTo === undefined ? {} : { applies_to: appliesTo }),
    ...(period === undefined ? {} : { period: billingPeriodToWire(period) }),
  }
  return wire
}

const boundFields = {
  applies_to: z
    .array(nameField)
    .min(1)
    .optional()
    .meta({ description: 'Prices of the plan. Left out: all but one-off prices.' }),
  period: billingPeriodField.optional().meta({ description: 'Left out: the billing period of the plan.' }),
}

export const minimumField = z.union([
  positiveField,
  z.strictObject({ amount: positiveField, ...boundFields }),
])
export const maximumField = z.union([
  quantityField,
  z.strictObject({ amount: quantityField, ...boundFields }),
])
