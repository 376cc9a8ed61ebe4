// `weighted_sum`: values are changes of a level, which carries over from earlier periods; the result is the integral
// of the level over the segment, divided by the length of the whole service period.
// Worked example: a period of 30 days begins at level 10; +5 after 15 days: (10 x 30 + 5 x 15) / 30 = 12.5.
// Same as Lago's "Weighted sum" aggregation (docs.getlago.com, "Weighted sum"), to the nanosecond.
//
// A change of q at t adds q x (until - t) to the integral, so two totals are enough and order does not matter:
// the integral is until x (sum of q) - (sum of q x t). Times before the segment count as its start.

import type { Scaled } from '../../schemas/money/decimal.js'
import type { UsageSample } from './sample.js'

export interface WeightedSumState {
  readonly kind: 'weighted_sum'
  changes: Scaled
  /** Sum of change x (time - start of segment in ns). */
  moment: bigint
}

export function newWeightedSum(): WeightedSumState {
  return { kind: 'weighted_sum', changes: 0n, moment: 0n }
}

export function addToWeightedSum(state: WeightedSumState, sample: UsageSample, fromNs: bigint): void {
  state.changes += sample.quantity
  if (sample.timeNs > fromNs) state.moment += sample.quantity * (sample.timeNs - fromNs)
}

/** The integral of the level over the segment, in units x ns. */
export function weightedSumIntegral(
  state: WeightedSumState,
  levelAtStart: Scaled,
  fromNs: bigint,
  untilNs: bigint,
): bigint {
  return (levelAtStart + state.changes) * (untilNs - fromNs) - state.moment
}
