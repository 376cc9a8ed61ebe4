// `percentile`: the nearest-rank percentile, the value at rank ceil(p / 100 x n) of the n values in ascending order.
// Worked example (Wikipedia, "Percentile", the nearest-rank method): of 15, 20, 35, 40, 50 the 30th percentile has
// rank ceil(1.5) = 2, which is 20. No events: 0.

import { type Scaled, scaledOne } from '../../schemas/decimal.js'

export interface PercentileState {
  readonly kind: 'percentile'
  /** Ascending. */
  readonly values: Scaled[]
}

const hundred = 100n * scaledOne

export function newPercentile(): PercentileState {
  return { kind: 'percentile', values: [] }
}

export function addToPercentile(state: PercentileState, quantity: Scaled): void {
  const { values } = state
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((values[middle] as Scaled) <= quantity) low = middle + 1
    else high = middle
  }
  if (low === values.length) values.push(quantity)
  else values.splice(low, 0, quantity)
}

/** `percentile` is scaled, above 0 and up to 100; a meter without one is a bug of the catalog's parser. */
export function percentileOf(state: PercentileState, percentile: Scaled | undefined): Scaled {
  if (percentile === undefined) throw new Error('a percentile meter has no percentile')
  const count = state.values.length
  if (count === 0) return 0n
  const rank = Number((percentile * BigInt(count) + hundred - 1n) / hundred)
  return state.values[Math.max(rank, 1) - 1] as Scaled
}
