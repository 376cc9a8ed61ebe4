// Whether the usage of a meter is only added up, so that it can run on totals without an object per event, and why not. The
// core asks here when it reads a catalog; `weir validate --cost` tells the same.
// Invariant: every field of a meter states its reason; a new field that states none does not compile.

import { aggregationFacts } from '../../schemas/catalog/aggregations.js'
import type { Meter } from '../../schemas/catalog/catalog.js'

/** A sentence about the meter; undefined: the field needs nothing of an event but its value, in any order. */
type Reason = string | undefined

const plain = (): Reason => undefined

const reasons: { readonly [K in keyof Required<Meter>]: (meter: Meter) => Reason } = {
  meter: plain,
  eventTypes: plain,
  aggregation({ aggregation }) {
    const { additive, keeps } = aggregationFacts[aggregation]
    return additive !== undefined ? undefined : `${aggregation} keeps ${keeps}`
  },
  window: ({ window }) => (window === undefined ? undefined : `what each ${window.unit} comes to is kept`),
  value: plain,
  // What is derived of an event is a value like any other; a converted sum is divided when it is priced.
  values: plain,
  expression: plain,
  convert: plain,
  // It makes the aggregation one that keeps values.
  operation: plain,
  percentile: plain,
  // Which events count is decided before, on the columns of the scan.
  filters: plain,
  dimensions: plain,
  unit: plain,
  allowNegative: plain,
}

const fields = Object.values(reasons)

/** Undefined: it is only added up. */
export function whyNotAddedUp(meter: Meter): string | undefined {
  for (const reason of fields) {
    const why = reason(meter)
    if (why !== undefined) return why
  }
  return undefined
}
