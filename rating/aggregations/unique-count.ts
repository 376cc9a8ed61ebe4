// `unique_count`: distinct values of `value`, compared as text. 'a', 'b', 'a' give 2. Exact, never a sketch, so it
// remembers each distinct value for as long as its segment is open.

import { scaledOne } from '../../schemas/money/decimal.js'
import type { AggregationPart } from './aggregation.js'

export interface UniqueCountState {
  readonly kind: 'unique_count'
  readonly seen: Set<string>
}

export const uniqueCount: AggregationPart<UniqueCountState> = {
  start: () => ({ kind: 'unique_count', seen: new Set() }),
  add(state, sample) {
    state.seen.add(sample.text)
  },
  total: state => BigInt(state.seen.size) * scaledOne,
}
