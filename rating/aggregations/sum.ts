// `sum`: the values added up. 1.5, 2 and 0.25 give 3.75. No events: 0.

import type { Scaled } from '../../schemas/money/decimal.js'
import type { AggregationPart } from './aggregation.js'

export interface SumState {
  readonly kind: 'sum'
  total: Scaled
}

export const sum: AggregationPart<SumState> = {
  start: () => ({ kind: 'sum', total: 0n }),
  add(state, sample) {
    state.total += sample.quantity
  },
  total: state => state.total,
  held: state => state.total,
}
