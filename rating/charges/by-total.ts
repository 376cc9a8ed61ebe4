// Whether a price follows from one aggregated quantity, and why not. The core asks here when it looks for the charges of
// usage; `weir validate --cost` tells the same.
// Invariant: every field of a usage price states its reason; a new field that states none does not compile.

import type { UsagePrice } from '../../schemas/catalog/catalog.js'
import { oncePer } from '../models/once-per.js'
import { modelPart } from '../models/registry.js'

/** A sentence about the price; undefined: the field needs nothing but the quantity. */
type Reason = string | undefined

const plain = (): Reason => undefined

const reasons: { readonly [K in keyof Required<UsagePrice>]: (price: UsagePrice) => Reason } = {
  kind: plain,
  price: plain,
  meter: plain,
  currencies: plain,
  model({ model }) {
    const part = modelPart(model)
    return part.kind === 'total' ? undefined : `${model.model} keeps ${part.keeps}`
  },
  groupBy: ({ groupBy }) =>
    groupBy === undefined ? undefined : `group_by keeps a quantity for each group, by ${groupBy.join(', ')}`,
  maxGroups: plain,
  billingPeriod: plain,
  proration: plain,
  included: plain,
  discountPercent: plain,
  discountPeriods: plain,
  minimum: plain,
  maximum: plain,
  prorate: plain,
}

const fields = Object.values(reasons)

const known = oncePer((price: UsagePrice) => ({
  why: fields.map(reason => reason(price)).find(why => why !== undefined),
}))

/** Undefined: it follows from one quantity. Asked for every event of the slow way, so it is found once. */
export function whyNotByTotal(price: UsagePrice): string | undefined {
  return known(price).why
}
