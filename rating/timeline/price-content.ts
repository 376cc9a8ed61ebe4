// The content of a price: what two prices must share to be the same terms, wherever they are written.
// Invariants: prices that differ in no value have the same id, whatever the order of their keys; a discount of nothing
// is no discount, whatever its length. A default quantity is no content: what it comes to is the line's quantity.

import type { Price, UsagePrice } from '../../schemas/catalog/catalog.js'
import { stableId } from '../../schemas/identifiers.js'
import { modelPart } from '../models/registry.js'

// Prices belong to published catalogs and to changes, which live long and are shared: each is read once.
const ids = new WeakMap<Price, string>()
const undiscounted = new WeakMap<Price, Price>()
const unfloored = new WeakMap<UsagePrice, UsagePrice>()

export function priceContentId(price: Price): string {
  let id = ids.get(price)
  if (id === undefined) {
    id = stableId('terms', canonicalText({ ...price, defaultQuantity: undefined }))
    ids.set(price, id)
  }
  return id
}

/** The price as it is when its discount has run out; the same object each time. */
export function withoutDiscount(price: Price): Price {
  if (price.discountPercent === 0n && price.discountPeriods === undefined) return price
  let bare = undiscounted.get(price)
  if (bare === undefined) {
    const { discountPeriods: _, ...rest } = price
    bare = { ...rest, discountPercent: 0n }
    undiscounted.set(price, bare)
  }
  return bare
}

/** The price as it is owed where a suspension waives minimum and flat amounts; the same object each time. */
export function withoutMinimum(price: UsagePrice): UsagePrice {
  let bare = unfloored.get(price)
  if (bare === undefined) {
    const { minimum: _, ...rest } = price
    const { model } = price
    bare = { ...rest, model: modelPart(model).withoutFlatAmounts?.(model) ?? model }
    unfloored.set(price, bare)
  }
  return bare
}

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
