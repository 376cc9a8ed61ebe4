// `first`: the value of the earliest `time`; of two at the same time the one with the smaller id (then the smaller
// source). The mirror of `latest`. 5 at 10:00 and 3 at 09:00 give 3, whichever arrives first. No events: 0.

import type { Scaled } from '../../schemas/money/decimal.js'
import { endlessNs } from '../../schemas/time.js'
import type { AggregationPart } from './aggregation.js'
import { compareEvents } from './sample.js'

export interface FirstState {
  readonly kind: 'first'
  timeNs: bigint
  /** Empty until the first event. */
  key: string
  value: Scaled
}

export const first: AggregationPart<FirstState> = {
  start: () => ({ kind: 'first', timeNs: endlessNs, key: '', value: 0n }),
  add(state, { timeNs, key, quantity }) {
    if (compareEvents(state.timeNs, state.key, timeNs, key) < 0) return
    state.timeNs = timeNs
    state.key = key
    state.value = quantity
  },
  total: state => state.value,
}
