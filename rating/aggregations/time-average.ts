// `time_average`: a value is the level from its time until the next value; the last level carries over into later
// periods. The result is the integral of the level over the segment, divided by the length of the whole service period.
// Worked example: a period of 30 days begins at level 10; 40 is reported after 20 days: (10 x 20 + 40 x 10) / 30 = 20.
//
// The values are kept in order because a late one splits the interval it falls into. The integral between the first
// and the last value is kept up to date at each insertion, so reading it never walks the values.

import type { Scaled } from '../../schemas/decimal.js'
import { insertionIndex, type UsageSample } from './sample.js'

export interface TimeAverageState {
  readonly kind: 'time_average'
  readonly times: number[]
  readonly keys: string[]
  readonly values: Scaled[]
  /** Integral from the first value to the last, in units x ms. */
  between: bigint
}

export function newTimeAverage(): TimeAverageState {
  return { kind: 'time_average', times: [], keys: [], values: [], between: 0n }
}

export function addToTimeAverage(state: TimeAverageState, sample: UsageSample, fromMs: number): void {
  const at = insertionIndex(state.times, state.keys, sample.timeMs, sample.key)
  const timeMs = Math.max(sample.timeMs, fromMs)
  const last = state.times.length
  const before = Math.max(state.times[at - 1] ?? 0, fromMs)
  const after = Math.max(state.times[at] ?? 0, fromMs)
  // The interval that is split loses its tail to the new value; at either end it is only lengthened.
  if (at > 0 && at < last) state.between -= (state.values[at - 1] as Scaled) * BigInt(after - before)
  if (at > 0) state.between += (state.values[at - 1] as Scaled) * BigInt(timeMs - before)
  if (at < last) state.between += sample.quantity * BigInt(after - timeMs)
  if (at === last) {
    state.times.push(sample.timeMs)
    state.keys.push(sample.key)
    state.values.push(sample.quantity)
    return
  }
  state.times.splice(at, 0, sample.timeMs)
  state.keys.splice(at, 0, sample.key)
  state.values.splice(at, 0, sample.quantity)
}

/** The integral of the level over the segment, in units x ms. */
export function timeAverageIntegral(
  state: TimeAverageState,
  levelAtStart: Scaled,
  fromMs: number,
  untilMs: number,
): bigint {
  const last = state.times.length - 1
  if (last < 0) return levelAtStart * BigInt(untilMs - fromMs)
  const first = Math.max(state.times[0] as number, fromMs)
  const end = Math.max(state.times[last] as number, fromMs)
  return (
    levelAtStart * BigInt(first - fromMs) +
    state.between +
    (state.values[last] as Scaled) * BigInt(untilMs - end)
  )
}
