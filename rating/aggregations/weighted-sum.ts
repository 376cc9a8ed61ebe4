// `weighted_sum`: values are changes of a level, which carries over from earlier periods; the result is the integral
// of the level over the segment, divided by the length of the whole service period.
// Worked example: a period of 30 days begins at level 10; +5 after 15 days: (10 x 30 + 5 x 15) / 30 = 12.5.
// Same as Lago's "Weighted sum" aggregation (docs.getlago.com, "Weighted sum"), to the nanosecond.
//
// A change of q at t adds q x (until - t) to the integral, so two totals are enough and order does not matter:
// the integral is until x (sum of q) - (sum of q x t). Times before the segment count as its start.

import { formatScaled, magnitude, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { ofScaled, over, type Ratio, ratio, times } from '../steps/ratio.js'
import { exactOf, partOfTime, quantity, type Step, scaledQuantity } from '../steps/step.js'
import type { AggregationPart } from './aggregation.js'

export interface WeightedSumState {
  readonly kind: 'weighted_sum'
  changes: Scaled
  /** Sum of change x (time - start of segment in ns). */
  moment: bigint
}

export const weightedSum: AggregationPart<WeightedSumState> = {
  level: 'changes',
  start: () => ({ kind: 'weighted_sum', changes: 0n, moment: 0n }),
  add(state, { timeNs, quantity }, fromNs) {
    state.changes += quantity
    if (timeNs > fromNs) state.moment += quantity * (timeNs - fromNs)
  },
  /** The integral of the level over the segment, in units x ns. */
  total: (state, { fromNs, untilNs }, levelAtStart: Scaled) =>
    (levelAtStart + state.changes) * (untilNs - fromNs) - state.moment,
  held: state => magnitude(state.changes),
  explain: explainChanges,
}

/** The level carried over for the segment, and every change for what was left of it. */
function explainChanges(
  steps: Step[],
  { period, fromNs, untilNs }: ChargeBasis,
  { changes, moment }: WeightedSumState,
  level: Scaled,
): Ratio[] {
  const periodNs = period.untilNs - period.fromNs
  const part = partOfTime(untilNs - fromNs, periodNs)
  const left = over(ratio(changes * (untilNs - fromNs) - moment, scaledOne), ratio(periodNs))
  const carried = times(ofScaled(level), exactOf(part))
  steps.push({
    what: 'level',
    label: 'level carried over',
    formula: 'level * part',
    values: { level: scaledQuantity(level), part },
    result: quantity(carried),
  })
  steps.push({
    what: 'level',
    label: `changes of ${formatScaled(changes)} in all, each for the part of the period left`,
    formula: 'changes',
    values: { changes: quantity(left) },
    result: quantity(left),
  })
  return [carried, left]
}
