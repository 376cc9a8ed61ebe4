// The content of a price: what two prices must share to be the same terms, wherever they are written.
// Invariants: prices that differ in no value have the same id, whatever the order of their keys; a discount of nothing
// is no discount, whatever its length. A default quantity is no content: what it comes to is the line's quantity.

import type { Price, UsagePrice } from '../../schemas/catalog/catalog.js'
import { stableId } from '../../schemas/identifiers.js'
import { oncePer } from '../models/once-per.js'
import { modelPart } from '../models/registry.js'

// Prices belong to published catalogs and to changes, which live long and are shared: each is read once.

export const priceContentId = oncePer((price: Price) =>
  stableId('terms', canonicalText({ ...price, defaultQuantity: undefined })),
)

export function isSamePrice(a: Price, b: Price): boolean {
  return a === b || priceContentId(a) === priceContentId(b)
}

/** The price as it is when its discount has run out; the same object each time. */
export const withoutDiscount = oncePer((price: Price): Price => {
  const { discountPeriods, ...rest } = price
  return price.discountPercent === 0n && discountPeriods === undefined
    ? price
    : { ...rest, discountPercent: 0n }
})

/** The price as it is owed where a suspension waives minimum and flat amounts; the same object each time. */
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
