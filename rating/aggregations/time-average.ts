// `time_average`: a value is the level from its time until the next value; the last level carries over into later
// periods. The result is the integral of the level over the segment, divided by the length of the whole service period.
// Worked example: a period of 30 days begins at level 10; 40 is reported after 20 days: (10 x 20 + 40 x 10) / 30 = 20.
//
// The values are kept in order because a late one splits the interval it falls into, and in runs of bounded length, so
// that a late one moves the few after it in its run and no others. The integral between the first and the last value is
// kept up to date at each insertion, so reading it never walks the values.

import type { Scaled } from '../../schemas/money/decimal.js'
import { later } from '../../schemas/time.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { ofScaled, type Ratio, times } from '../steps/ratio.js'
import { exactOf, partOfTime, quantity, type Step, scaledQuantity } from '../steps/step.js'
import type { AggregationPart } from './aggregation.js'
import { compareEvents, insertionIndex, type UsageSample } from './sample.js'

export interface TimeAverageState {
  readonly kind: 'time_average'
  /** In order within each run and from run to run; no run is empty. The places of the cuts have no meaning. */
  readonly runs: LevelRun[]
  /** Integral from the first value to the last, in units x ns. */
  between: bigint
}

/** Parallel arrays. */
export interface LevelRun {
  readonly times: bigint[]
  readonly keys: string[]
  readonly values: Scaled[]
}

const longestRun = 512

/** More levels than these are given as one sum. */
const listedLevels = 50

export const timeAverage: AggregationPart<TimeAverageState> = {
  level: 'value',
  start: () => ({ kind: 'time_average', runs: [], between: 0n }),
  add: addLevel,
  total: integral,
  explain: (steps, basis, state, level: Scaled) =>
    state.runs.reduce((sum, run) => sum + run.times.length, 0) > listedLevels
      ? state.kind
      : explainLevels(steps, basis, state, level),
}

function addLevel(state: TimeAverageState, sample: UsageSample, fromNs: bigint): void {
  const { runs } = state
  if (runs.length === 0) {
    runs.push({ times: [sample.timeNs], keys: [sample.key], values: [sample.quantity] })
    return
  }
  const place = runFor(runs, sample)
  const run = runs[place] as LevelRun
  const at = insertionIndex(run.times, run.keys, sample.timeNs, sample.key)
  widenBetween(state, place, at, sample, fromNs)
  if (at === run.times.length) {
    run.times.push(sample.timeNs)
    run.keys.push(sample.key)
    run.values.push(sample.quantity)
  } else {
    run.times.splice(at, 0, sample.timeNs)
    run.keys.splice(at, 0, sample.key)
    run.values.splice(at, 0, sample.quantity)
  }
  if (run.times.length > longestRun) runs.splice(place + 1, 0, laterHalf(run))
}

/** The first run whose last value comes after the sample, else the last one. */
function runFor(runs: readonly LevelRun[], { timeNs, key }: UsageSample): number {
  let low = 0
  let high = runs.length - 1
  // Events mostly arrive in order, so the end is tried first.
  if (high > 0 && !endsAfter(runs[high - 1] as LevelRun, timeNs, key)) return high
  while (low < high) {
    const middle = (low + high) >>> 1
    if (endsAfter(runs[middle] as LevelRun, timeNs, key)) high = middle
    else low = middle + 1
  }
  return low
}

function endsAfter({ times, keys }: LevelRun, timeNs: bigint, key: string): boolean {
  return compareEvents(times.at(-1) as bigint, keys.at(-1) as string, timeNs, key) > 0
}

/** A value in between takes over the later part of the interval it splits; one at either end only adds an interval. */
function widenBetween(
  state: TimeAverageState,
  place: number,
  at: number,
  sample: UsageSample,
  fromNs: bigint,
): void {
  const run = state.runs[place] as LevelRun
  const timeNs = later(sample.timeNs, fromNs)
  const isLast = at === run.times.length
  const afterNs = isLast ? timeNs : later(run.times[at] as bigint, fromNs)
  const [earlier, index] = at > 0 ? [run, at - 1] : [state.runs[place - 1], -1]
  if (earlier !== undefined) {
    const level = earlier.values.at(index) as Scaled
    const beforeNs = later(earlier.times.at(index) as bigint, fromNs)
    state.between += level * (timeNs - (isLast ? beforeNs : afterNs))
  }
  if (!isLast) state.between += sample.quantity * (afterNs - timeNs)
}

function laterHalf({ times, keys, values }: LevelRun): LevelRun {
  const half = longestRun / 2
  return { times: times.splice(half), keys: keys.splice(half), values: values.splice(half) }
}

/** The integral of the level over the segment, in units x ns. */
function integral(
  { runs, between }: TimeAverageState,
  { fromNs, untilNs }: ChargeBasis,
  levelAtStart: Scaled,
): bigint {
  const last = runs.at(-1)
  if (last === undefined) return levelAtStart * (untilNs - fromNs)
  const firstNs = later(runs[0]!.times[0]!, fromNs)
  const endNs = later(last.times.at(-1)!, fromNs)
  return levelAtStart * (firstNs - fromNs) + between + last.values.at(-1)! * (untilNs - endNs)
}

/** Each level for its part of the period. */
function explainLevels(
  steps: Step[],
  { period, fromNs, untilNs }: ChargeBasis,
  { runs }: TimeAverageState,
  levelAtStart: Scaled,
): Ratio[] {
  const parts: Ratio[] = []
  const cuts = [fromNs, ...runs.flatMap(run => run.times).map(timeNs => later(timeNs, fromNs)), untilNs]
  const levels = [levelAtStart, ...runs.flatMap(run => run.values)]
  for (const [index, level] of levels.entries()) {
    const lengthNs = cuts[index + 1]! - cuts[index]!
    if (lengthNs === 0n && levels.length > 1) continue
    const part = partOfTime(lengthNs, period.untilNs - period.fromNs)
    const result = times(ofScaled(level), exactOf(part))
    parts.push(result)
    steps.push({
      what: 'level',
      label: index === 0 ? 'level carried over' : `level from value ${index} on`,
      formula: 'level * part',
      values: { level: scaledQuantity(level), part },
      result: quantity(result),
    })
  }
  return parts
}
