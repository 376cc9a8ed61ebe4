// `percentile`: the nearest-rank percentile, the value at rank ceil(p / 100 x n) of the n values in ascending order.
// Worked example (Wikipedia, "Percentile", the nearest-rank method): of 15, 20, 35, 40, 50 the 30th percentile has
// rank ceil(1.5) = 2, which is 20. No events: 0.
//
// The values are kept in runs of bounded length, so that neither an insertion nor a look-up touches them all.

import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { ceilingOf, ofScaled, over, ratio, times } from '../steps/ratio.js'
import { quantity, type Step, type StepValues, scaledQuantity } from '../steps/step.js'
import type { AggregationPart } from './aggregation.js'
import type { UsageSample } from './sample.js'

export interface PercentileState {
  readonly kind: 'percentile'
  count: number
  /** Ascending within each run and from run to run; no run is empty. Where the runs are cut means nothing. */
  readonly runs: Scaled[][]
}

const longestRun = 512
const hundred = 100n * scaledOne

export const percentile: AggregationPart<PercentileState> = {
  start: () => ({ kind: 'percentile', count: 0, runs: [] }),
  add: addValue,
  total: (state, { meter }) => percentileOf(state, meter.percentile),
  explain: explainRank,
}

function addValue(state: PercentileState, { quantity }: UsageSample): void {
  const { runs } = state
  state.count += 1
  // The first run whose last value is not below the new one, else the last run.
  let low = 0
  let high = runs.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((runs[middle]!.at(-1) as Scaled) < quantity) low = middle + 1
    else high = middle
  }
  const run = runs[low]
  if (run === undefined) {
    runs.push([quantity])
    return
  }
  run.splice(firstAbove(run, quantity), 0, quantity)
  if (run.length > longestRun) runs.splice(low + 1, 0, run.splice(longestRun / 2))
}

/** `percent` is scaled, above 0 and up to 100; a meter without one is a bug of the catalog's parser. */
export function percentileOf(state: PercentileState, percent: Scaled | undefined): Scaled {
  if (percent === undefined) throw new Error('a percentile meter has no percentile')
  if (state.count === 0) return 0n
  const rank = Number((percent * BigInt(state.count) + hundred - 1n) / hundred)
  return rank * 2 > state.count ? fromEnd(state, state.count - rank) : fromStart(state, rank - 1)
}

/** The value that has so many before it. */
function fromStart(state: PercentileState, before: number): Scaled {
  let left = before
  for (const run of state.runs) {
    if (left < run.length) return run[left] as Scaled
    left -= run.length
  }
  throw new Error(`no value with ${before} of ${state.count} before it`)
}

/** The value that has so many after it: a 95th percentile is near the end. */
function fromEnd(state: PercentileState, after: number): Scaled {
  let left = after
  for (let place = state.runs.length - 1; place >= 0; place -= 1) {
    const run = state.runs[place] as Scaled[]
    if (left < run.length) return run[run.length - 1 - left] as Scaled
    left -= run.length
  }
  throw new Error(`no value with ${after} of ${state.count} after it`)
}

function firstAbove(run: readonly Scaled[], quantity: Scaled): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((run[middle] as Scaled) <= quantity) low = middle + 1
    else high = middle
  }
  return low
}

/** Writes the rank of the quantity. */
function explainRank(
  steps: Step[],
  { meter }: ChargeBasis,
  { count }: PercentileState,
  _levelAtStart: Scaled,
  about: StepValues,
): string {
  const percent = meter.percentile ?? 0n
  const events = ratio(BigInt(count))
  steps.push({
    what: 'rank',
    label: 'rank among the values in ascending order',
    formula: 'ceil(percentile / 100 * events)',
    values: { percentile: scaledQuantity(percent), events: quantity(events), ...about },
    result: quantity(ceilingOf(times(over(ofScaled(percent), ratio(100n)), events))),
  })
  return 'value_at_rank'
}
