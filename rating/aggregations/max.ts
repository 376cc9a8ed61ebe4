// `max`: the greatest value. 3, 9 and 4 give 9; -3 and -9 give -3; no events: 0.

import type { Scaled } from '../../schemas/money/decimal.js'
import type { AggregationPart } from './aggregation.js'

export interface MaxState {
  readonly kind: 'max'
  /** Undefined until the first event, so that a lone negative value is not lost against 0. */
  greatest: Scaled | undefined
}

export const max: AggregationPart<MaxState> = {
  start: () => ({ kind: 'max', greatest: undefined }),
  add(state, { quantity }) {
    if (state.greatest === undefined || quantity > state.greatest) state.greatest = quantity
  },
  total: state => state.greatest ?? 0n,
}
