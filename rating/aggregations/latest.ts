// `latest`: the value of the latest `time`; of two at the same time the one with the greater id (then the greater
// source). 5 at 10:00 and 3 at 09:00 give 5, whichever arrives first. No events: 0.

import type { Scaled } from '../../schemas/decimal.js'
import { compareEvents, type UsageSample } from './sample.js'

export interface LatestState {
  readonly kind: 'latest'
  timeMs: number
  /** Empty until the first event. */
  key: string
  value: Scaled
}

export function newLatest(): LatestState {
  return { kind: 'latest', timeMs: Number.NEGATIVE_INFINITY, key: '', value: 0n }
}

export function addToLatest(state: LatestState, sample: UsageSample): void {
  if (compareEvents(state.timeMs, state.key, sample.timeMs, sample.key) > 0) return
  state.timeMs = sample.timeMs
  state.key = sample.key
  state.value = sample.quantity
}
