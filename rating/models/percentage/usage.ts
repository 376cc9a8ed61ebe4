// The state of a percentage charge: the head keeps, one by one in order of time, the events that the free units and free
// events depend on; the tail keeps only totals of all later events. Ordinary plans keep a handful of events.
// Invariants: `head` is in order; every event outside the head comes after it and is chargeable in full, so its order
// does not matter; the head depends on the samples alone, not on their order of arrival, nor on the segment's fraction
// (the head is kept until the whole, unprorated `included` is used).
//
// The head holds everything when nothing less would do: with an aggregation other than `count` or `sum`, and, where
// negative events are allowed, with something free beside per-event clamps or with free units beside a fixed amount.

import type { Percentage } from '../../../schemas/catalog/models/percentage.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import type { Level } from '../../aggregations/level.js'
import { type AggregationState, aggregatorOfMeter } from '../../aggregations/registry.js'
import { compareEvents, insertionIndex, type UsageSample } from '../../aggregations/sample.js'
import type { ChargeBasis } from '../../periods/charge-basis.js'
import type { Compiled, Levels, Owed } from '../model.js'
import { oncePer } from '../once-per.js'
import {
  compilePercentage,
  fullFee,
  type PercentageTerms,
  type PercentageWalk,
  startWalk,
  unclampedAmount,
  walkEvent,
} from './walk.js'

export interface PercentageUsage {
  readonly kind: 'percentage'
  readonly head: EventLog
  /** Sum of the head's quantities. */
  headTotal: Scaled
  /** How often the head changed other than at its end: a cached walk with another number is stale. */
  rewrites: number
  /** An event after the head's last is chargeable in full. */
  settled: boolean
  tailEvents: number
  tailTotal: Scaled
  /** Clamped fees of the tail, at denominator 1; 0 when the price has no clamps. */
  tailFees: bigint
}

/** Events as parallel arrays. */
export interface EventLog {
  readonly times: bigint[]
  readonly keys: string[]
  readonly quantities: Scaled[]
  readonly texts: string[]
}

interface CachedWalk {
  readonly basis: ChargeBasis
  readonly level: Level
  readonly rewrites: number
  readonly state: AggregationState
  readonly walk: PercentageWalk
}

// Kept apart from the state, which stays plain data. A lost entry only costs time.
const cachedWalks = new WeakMap<PercentageUsage, CachedWalk>()

export function newPercentageUsage(): PercentageUsage {
  const head: EventLog = { times: [], keys: [], quantities: [], texts: [] }
  return {
    kind: 'percentage',
    head,
    headTotal: 0n,
    rewrites: 0,
    settled: false,
    tailEvents: 0,
    tailTotal: 0n,
    tailFees: 0n,
  }
}

export function addToPercentageUsage(
  basis: ChargeBasis,
  compiled: Compiled<PercentageTerms>,
  usage: PercentageUsage,
  sample: UsageSample,
): void {
  const { head } = usage
  const { quantity } = sample
  if (quantity < 0n && mayShedTail(basis, compiled) && !basis.meter.allowNegative) {
    throw new Error(`meter ${basis.meter.meter} has a negative quantity that it does not allow`)
  }
  const last = head.times.length - 1
  if (usage.settled && compareEvents(head.times[last]!, head.keys[last]!, sample.timeNs, sample.key) <= 0) {
    addToTail(basis, compiled.terms, usage, quantity)
    return
  }
  const at = insertionIndex(head.times, head.keys, sample.timeNs, sample.key)
  if (at <= last) usage.rewrites += 1
  head.times.splice(at, 0, sample.timeNs)
  head.keys.splice(at, 0, sample.key)
  head.quantities.splice(at, 0, quantity)
  head.texts.splice(at, 0, sample.text)
  usage.headTotal += quantity
  usage.settled = isSettled(basis, compiled, head.times.length, usage.headTotal)
  if (usage.settled) shedTail(basis, compiled, usage)
}

export function percentageOwed(
  basis: ChargeBasis,
  compiled: Compiled<PercentageTerms>,
  usage: PercentageUsage,
  levels: Levels,
): Owed {
  const { terms, factor, aggregation } = compiled
  const { headTotal, tailTotal, tailEvents, tailFees } = usage
  const level = levels?.get(0) ?? 0n
  const isSum = usage.settled || aggregation.isAdditive
  const total = isSum
    ? headTotal + tailTotal
    : aggregation.total(loggedAggregation(basis, usage), basis, level)
  if (basis.trial || isAllFree(basis, compiled, usage)) return { total, amount: 0n }
  const { walk } = walkOf(basis, compiled, usage, level)
  const amount = terms.clamped
    ? walk.fees + tailFees * factor
    : unclampedAmount(terms, walk, walk.gross + tailTotal * factor, walk.events + tailEvents)
  return { total, amount }
}

/** No event is beyond the free yet, so nothing is owed and no walk is needed. */
function isAllFree(basis: ChargeBasis, compiled: Compiled<PercentageTerms>, usage: PercentageUsage): boolean {
  if (usage.settled || basis.price.included !== 0n || basis.meter.allowNegative) return false
  return mayShedTail(basis, compiled)
}

/** The head's events aggregated. */
export function loggedAggregation(basis: ChargeBasis, usage: PercentageUsage): AggregationState {
  const cached = cachedWalks.get(usage)
  const isComplete = cached !== undefined && cached.walk.events === usage.head.times.length
  if (isComplete && cached.basis === basis && cached.rewrites === usage.rewrites) return cached.state
  const { start, add } = aggregatorOfMeter(basis.meter)
  const state = start()
  for (let index = 0; index < usage.head.times.length; index += 1) {
    add(state, sampleAt(usage.head, index), basis.fromNs)
  }
  return state
}

/** The walk through the head, carried on from where it stood if the head only grew at its end. */
function walkOf(
  basis: ChargeBasis,
  compiled: Compiled<PercentageTerms>,
  usage: PercentageUsage,
  level: Level,
): CachedWalk {
  const { terms, factor, aggregation } = compiled
  let cached = cachedWalks.get(usage)
  if (cached === undefined || !isCurrent(cached, basis, usage, level)) {
    const state = aggregation.start()
    const walk = startWalk(terms, aggregation.total(state, basis, level) * factor)
    cached = { basis, level, rewrites: usage.rewrites, state, walk }
    cachedWalks.set(usage, cached)
  }
  while (cached.walk.events < usage.head.times.length) {
    aggregation.add(cached.state, sampleAt(usage.head, cached.walk.events), basis.fromNs)
    walkEvent(terms, cached.walk, aggregation.total(cached.state, basis, level) * factor)
  }
  return cached
}

function isCurrent(cached: CachedWalk, basis: ChargeBasis, usage: PercentageUsage, level: Level): boolean {
  return cached.basis === basis && cached.level === level && cached.rewrites === usage.rewrites
}

export function sampleAt(log: EventLog, index: number): UsageSample {
  return {
    timeNs: log.times[index]!,
    key: log.keys[index]!,
    quantity: log.quantities[index]!,
    text: log.texts[index]!,
    cell: 0,
    group: '',
  }
}

function shedTail(basis: ChargeBasis, compiled: Compiled<PercentageTerms>, usage: PercentageUsage): void {
  const { head } = usage
  for (;;) {
    const last = head.times.length - 1
    const quantity = head.quantities[last]!
    if (!isSettled(basis, compiled, last, usage.headTotal - quantity)) return
    head.times.pop()
    head.keys.pop()
    head.quantities.pop()
    head.texts.pop()
    usage.headTotal -= quantity
    usage.rewrites += 1
    addToTail(basis, compiled.terms, usage, quantity)
  }
}

function addToTail(
  basis: ChargeBasis,
  { clamped }: PercentageTerms,
  usage: PercentageUsage,
  quantity: Scaled,
): void {
  usage.tailEvents += 1
  usage.tailTotal += quantity
  if (clamped) usage.tailFees += fullFee(tailTermsOf(basis.price.model as Percentage), quantity)
}

/** Whether a head of so many events and this total holds all that the free units and events depend on. */
function isSettled(
  basis: ChargeBasis,
  compiled: Compiled<PercentageTerms>,
  events: number,
  total: Scaled,
): boolean {
  if (!mayShedTail(basis, compiled)) return false
  const model = basis.price.model as Percentage
  const { freeUnits, freeEvents } = model
  const pastFreeEvents =
    freeEvents === undefined ? isOrderFree(model, compiled.terms) && events > 0 : events > freeEvents
  if (basis.meter.allowNegative) return pastFreeEvents
  const { included } = basis.price
  const pastFreeUnits = freeUnits !== undefined && total > included + freeUnits
  return total >= included && (pastFreeEvents || pastFreeUnits)
}

function mayShedTail(basis: ChargeBasis, { aggregation, terms }: Compiled<PercentageTerms>): boolean {
  if (!aggregation.isAdditive) return false
  if (!basis.meter.allowNegative || !terms.clamped) return true
  const model = basis.price.model as Percentage
  // Without anything free each event's fee is its own, whatever came before.
  return model.freeUnits === undefined && model.freeEvents === undefined && basis.price.included === 0n
}

/** Without free events the amount follows from totals alone when no event's own fee depends on the free units. */
function isOrderFree(model: Percentage, { clamped }: PercentageTerms): boolean {
  return model.freeUnits === undefined || (model.fixedAmount === undefined && !clamped)
}

const tailTermsOf = oncePer((model: Percentage) =>
  compilePercentage(model, { denominator: 1n, prorated: 1n }, 0n),
)
