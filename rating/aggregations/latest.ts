// `latest`: the value of the latest `time`; of two at the same time the one with the greater id (then the greater
// source). 5 at 10:00 and 3 at 09:00 give 5, whichever arrives first. No events: 0.

import type { Scaled } from '../../schemas/money/decimal.js'
import { beginninglessNs } from '../../schemas/time.js'
import type { AggregationPart } from './aggregation.js'
import { compareEvents } from './sample.js'

export interface LatestState {
  readonly kind: 'latest'
  timeNs: bigint
  /** Empty until the first event. */
  key: string
  value: Scaled
}

export const latest: AggregationPart<LatestState> = {
  start: () => ({ kind: 'latest', timeNs: beginninglessNs, key: '', value: 0n }),
  add(state, { timeNs, key, quantity }) {
    if (compareEvents(state.timeNs, state.key, timeNs, key) > 0) return
    state.timeNs = timeNs
    state.key = key
    state.value = quantity
  },
  total: state => state.value,
}
