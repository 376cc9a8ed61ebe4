// The content of a price: the fields that two prices must have equal to be the same terms.
// Invariants: prices that differ in no value have the same id, whatever the order of their keys; a discount of 0 %
// is no discount, whatever its length. Its other currencies, the default quantity, the period and the proration of its own are left out: the price
// line has what results from them.

import type { Price, UsagePrice } from '../../schemas/catalog/catalog.js'
import { stableId } from '../../schemas/identifiers.js'
import { oncePer } from '../models/once-per.js'
import { modelPart } from '../models/registry.js'

// Prices belong to published catalogs and to changes, which live long and are shared: each is derived from once.

const resolved = {
  currencies: undefined,
  defaultQuantity: undefined,
  billingPeriod: undefined,
  proration: undefined,
}

export const priceContentId = oncePer((price: Price) =>
  stableId('terms', canonicalText({ ...price, ...resolved })),
)

export function isSamePrice(a: Price, b: Price): boolean {
  return a === b || priceContentId(a) === priceContentId(b)
}

/** Whether they are written alike, also in what a price line resolves. */
export function isSameWording(a: Price, b: Price): boolean {
  return a === b || canonicalText(a) === canonicalText(b)
}

/** The price after its discount has ended; the same object each time. */
export const withoutDiscount = oncePer((price: Price): Price => {
  const { discountPeriods, ...rest } = price
  return price.discountPercent === 0n && discountPeriods === undefined
    ? price
    : { ...rest, discountPercent: 0n }
})

/** The price without minimum and flat amounts, which a suspension waives; the same object each time. */
export const withoutMinimum = oncePer(({ minimum: _, ...rest }: UsagePrice): UsagePrice => {
  const { model } = rest
  return { ...rest, model: modelPart(model).withoutFlatAmounts?.(model) ?? model }
})

function canonicalText(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`
  if (value instanceof Map) return canonicalText(Object.fromEntries(value))
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined'
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalText(field)}`)
  return `{${fields.join(',')}}`
}
