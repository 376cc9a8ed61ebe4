// `count`: how many events. Three events give 3.

import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { AggregationPart } from './aggregation.js'

export interface CountState {
  readonly kind: 'count'
  total: Scaled
}

export const count: AggregationPart<CountState> = {
  start: () => ({ kind: 'count', total: 0n }),
  add(state) {
    state.total += scaledOne
  },
  total: state => state.total,
  held: state => state.total,
}
