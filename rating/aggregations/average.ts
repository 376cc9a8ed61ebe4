// `average`: the mean, the sum of the values divided by how many there are. No events: 0.
// Worked example: 3, 4 and 3 give 10 / 3, which no decimal holds; at 0.3 a unit that is exactly 1.
// Source: OpenMeter's `AVG` and Flexprice's `AVG`: the arithmetic mean of the events' values in the period.
//
// Two totals are enough, so order does not matter. Prices of one quantity take the exact fraction (`quotient`).

import { divideRounded, type Scaled } from '../../schemas/money/decimal.js'
import type { AggregationPart, Quotient } from './aggregation.js'

export interface AverageState {
  readonly kind: 'average'
  sum: Scaled
  events: bigint
}

export const average: AggregationPart<AverageState> = {
  start: () => ({ kind: 'average', sum: 0n, events: 0n }),
  add(state, { quantity }) {
    state.sum += quantity
    state.events += 1n
  },
  total: state => roundedQuotient(mean(state)),
  quotient: mean,
}

function mean({ sum, events }: AverageState): Quotient {
  return { over: sum, under: events === 0n ? 1n : events }
}

/** To 12 places. */
export function roundedQuotient({ over, under }: Quotient): Scaled {
  return divideRounded(over, under)
}
