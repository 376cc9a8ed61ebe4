// `min`: the least value. 3, 9 and 4 give 3; no events: 0.

import type { Scaled } from '../../schemas/money/decimal.js'
import type { AggregationPart } from './aggregation.js'

export interface MinState {
  readonly kind: 'min'
  /** Undefined until the first event, so that 0 is not taken for a value. */
  least: Scaled | undefined
}

export const min: AggregationPart<MinState> = {
  start: () => ({ kind: 'min', least: undefined }),
  add(state, { quantity }) {
    if (state.least === undefined || quantity < state.least) state.least = quantity
  },
  total: state => state.least ?? 0n,
}
