// A persistent `unique_count`, which a meter of `unique_count` is by its `operation`: an event adds its value or removes it, and
// a value that is present stays so in later periods. The result is the integral over the segment of how many values are
// present, divided by the length of the whole service period: users, prorated.
// Formula: sum over values v of (time in the segment in which v is present) / length of the period.
// Worked example: a period of 30 days begins with ann; bob is added after 10 days, ann removed after 15: (15 + 20) / 30 =
// 1.166666666667. Same as Lago's "Unique count", recurring and prorated (docs.getlago.com), to the nanosecond and not by days.
//
// Adding what is present and removing what is not change nothing; of several operations on a value at one instant the last
// one by id holds. So each value's operations are kept in order. From its first operation on, a value's presence follows
// from them alone, and two totals over all values are enough:
//   total = level's part + present x (until - from) + moment
// where `present` counts values whose last operation adds. What the level at the start adds is until the first operation.

import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { later } from '../../schemas/time.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { over, type Ratio, ratio, times } from '../steps/ratio.js'
import { exactOf, partOfTime, quantity, type Step } from '../steps/step.js'
import type { AggregationPart } from './aggregation.js'
import { type Level, presentIn } from './level.js'
import { insertionIndex, type UsageSample } from './sample.js'

export interface PersistentUniqueCountState {
  readonly kind: 'persistent_unique_count'
  /** By value. */
  readonly operations: Map<string, Operations>
  present: number
  /** In ns: what the intervals between operations add, less (time of the last operation - start) where that one adds. */
  moment: bigint
}

/** Parallel arrays, in order; never empty. */
export interface Operations {
  readonly times: bigint[]
  readonly keys: string[]
  readonly adds: boolean[]
}

/** Of the level's values those with an operation: how many, and the sum of (first operation - start). */
interface Touched {
  readonly level: Level
  count: number
  untilFirst: bigint
}

// Kept apart from the state, which stays plain data and knows no level. A lost entry only costs time.
const touchedOf = new WeakMap<PersistentUniqueCountState, Touched>()

export const persistentUniqueCount: AggregationPart<PersistentUniqueCountState> = {
  level: 'members',
  start: () => ({ kind: 'persistent_unique_count', operations: new Map(), present: 0, moment: 0n }),
  add: addOperation,
  /** The integral of the number over the segment, in units x ns. */
  total(state, basis, level) {
    return presentNs(state, basis, level) * scaledOne
  },
  held: state => BigInt(state.operations.size) * scaledOne,
  explain: explainMembers,
}

/** A reading's quantity tells the operation: one adds, minus one removes. */
export function isAdding(quantity: Scaled): boolean {
  return quantity > 0n
}

function addOperation(state: PersistentUniqueCountState, sample: UsageSample, fromNs: bigint): void {
  const { text, key } = sample
  const adds = isAdding(sample.quantity)
  let own = state.operations.get(text)
  if (own === undefined) {
    own = { times: [], keys: [], adds: [] }
    state.operations.set(text, own)
  }
  const at = insertionIndex(own.times, own.keys, sample.timeNs, key)
  const sinceStart = (timeNs: bigint): bigint => later(timeNs, fromNs) - fromNs
  const atNs = sinceStart(sample.timeNs)
  const before = at > 0 && own.adds[at - 1]!
  const gained = Number(adds) - Number(before)
  const next = own.times[at]
  if (next !== undefined) state.moment += BigInt(gained) * (sinceStart(next) - atNs)
  else {
    state.moment -= BigInt(gained) * atNs
    state.present += gained
  }
  if (at === 0) touchFirst(state, text, atNs, next === undefined ? undefined : sinceStart(next))
  own.times.splice(at, 0, sample.timeNs)
  own.keys.splice(at, 0, key)
  own.adds.splice(at, 0, adds)
}

/** The first operation of a value is now at `atNs`; `nextNs`: where the first one was. */
function touchFirst(
  state: PersistentUniqueCountState,
  value: string,
  atNs: bigint,
  nextNs: bigint | undefined,
): void {
  const touched = touchedOf.get(state)
  if (touched === undefined || !presentIn(touched.level).has(value)) return
  if (nextNs === undefined) touched.count += 1
  touched.untilFirst += atNs - (nextNs ?? 0n)
}

function presentNs(
  state: PersistentUniqueCountState,
  { fromNs, untilNs }: ChargeBasis,
  level: Level,
): bigint {
  const { count: touched, untilFirst } = touchedBy(state, level, fromNs)
  const untouched = presentIn(level).size - touched
  return BigInt(state.present + untouched) * (untilNs - fromNs) + state.moment + untilFirst
}

function touchedBy(state: PersistentUniqueCountState, level: Level, fromNs: bigint): Touched {
  const known = touchedOf.get(state)
  if (known?.level === level) return known
  const touched: Touched = { level, count: 0, untilFirst: 0n }
  for (const value of presentIn(level)) {
    const own = state.operations.get(value)
    if (own === undefined) continue
    touched.count += 1
    touched.untilFirst += later(own.times[0]!, fromNs) - fromNs
  }
  touchedOf.set(state, touched)
  return touched
}

/** The values carried over for the whole segment, and what the operations changed of that. */
function explainMembers(
  steps: Step[],
  basis: ChargeBasis,
  state: PersistentUniqueCountState,
  level: Level,
): Ratio[] {
  const { period, fromNs, untilNs } = basis
  const periodNs = period.untilNs - period.fromNs
  const members = presentIn(level).size
  const part = partOfTime(untilNs - fromNs, periodNs)
  const carried = times(ratio(BigInt(members)), exactOf(part))
  const changedNs = presentNs(state, basis, level) - BigInt(members) * (untilNs - fromNs)
  const changed = over(ratio(changedNs), ratio(periodNs))
  steps.push({
    what: 'level',
    label: 'values present at the start',
    formula: 'level * part',
    values: { level: quantity(ratio(BigInt(members))), part },
    result: quantity(carried),
  })
  const touched = state.operations.size
  steps.push({
    what: 'level',
    label: `${touched} ${touched === 1 ? 'value' : 'values'} added or removed, each for the part of the period left`,
    formula: 'changes',
    values: { changes: quantity(changed) },
    result: quantity(changed),
  })
  return [carried, changed]
}
