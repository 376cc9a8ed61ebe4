// The usage that a percentage price remembers: one by one the events that its free units and free events still depend
// on, in order of time, and mere totals of all that come later. Ordinary plans so keep a handful of events.
// Invariants: `head` is in order; every event outside the head comes after it and is chargeable in full, so its order
// does not matter; what is in the head depends on the samples alone, not on the order in which they came, nor on the
// segment's fraction (the head waits for the whole, unprorated, `included`).
//
// The head holds everything when nothing less would do: with an aggregation other than `count` or `sum`, and, where
// negative events are allowed, with something free beside per-event clamps or with free units beside a fixed amount.

import type { Percentage } from '../../../schemas/catalog/models/percentage.js'
import { type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import {
  type AggregationState,
  addToAggregation,
  aggregated,
  isAdditive,
  newAggregation,
} from '../../aggregations/registry.js'
import { compareEvents, insertionIndex, type UsageSample } from '../../aggregations/sample.js'
import type { ChargeBasis } from '../../periods/charge-basis.js'
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
  /** How often the head changed other than at its end: what tells a cached walk that it is stale. */
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
  readonly level: Scaled
  readonly rewrites: number
  readonly aggregation: AggregationState
  readonly walk: PercentageWalk
}

// Beside the state, so that the state stays plain data: losing an entry costs time alone.
const cachedWalks = new WeakMap<PercentageUsage, CachedWalk>()
const tailTerms = new WeakMap<Percentage, PercentageTerms>()

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

export function addToPercentageUsage(basis: ChargeBasis, usage: PercentageUsage, sample: UsageSample): void {
  const { head } = usage
  const quantity = basis.meter.aggregation === 'count' ? scaledOne : sample.quantity
  if (quantity < 0n && mayShedTail(basis) && !basis.meter.allowNegative) {
    throw new Error(`meter ${basis.meter.meter} has a negative quantity that it does not allow`)
  }
  const last = head.times.length - 1
  if (usage.settled && compareEvents(head.times[last]!, head.keys[last]!, sample.timeNs, sample.key) <= 0) {
    addToTail(basis, usage, quantity)
    return
  }
  const at = insertionIndex(head.times, head.keys, sample.timeNs, sample.key)
  if (at <= last) usage.rewrites += 1
  head.times.splice(at, 0, sample.timeNs)
  head.keys.splice(at, 0, sample.key)
  head.quantities.splice(at, 0, quantity)
  head.texts.splice(at, 0, sample.text)
  usage.headTotal += quantity
  usage.settled = isSettled(basis, head.times.length, usage.headTotal)
  if (usage.settled) shedTail(basis, usage)
}

/** The amount at the scale of `percentage`: exact. `factor` turns an aggregated quantity into one at `terms`' scale. */
export function percentageAmount(
  basis: ChargeBasis,
  terms: PercentageTerms,
  factor: bigint,
  usage: PercentageUsage,
  level: Scaled,
): bigint {
  const { walk } = walkOf(basis, terms, factor, usage, level)
  if (terms.clamped) return walk.fees + usage.tailFees * factor
  return unclampedAmount(terms, walk, walk.gross + usage.tailTotal * factor, walk.events + usage.tailEvents)
}

/** No event is beyond the free yet, so nothing is owed and no walk is needed. */
export function isAllFree(basis: ChargeBasis, usage: PercentageUsage): boolean {
  return !usage.settled && basis.price.included === 0n && mayShedTail(basis) && !basis.meter.allowNegative
}

/** The aggregated quantity x `aggregationDenominator`. */
export function percentageQuantity(basis: ChargeBasis, usage: PercentageUsage, level: Scaled): bigint {
  if (usage.settled || isAdditive(basis)) return usage.headTotal + usage.tailTotal
  return aggregated(basis, loggedAggregation(basis, usage), level)
}

/** The head's events aggregated. */
export function loggedAggregation(basis: ChargeBasis, usage: PercentageUsage): AggregationState {
  const cached = cachedWalks.get(usage)
  const isComplete = cached !== undefined && cached.walk.events === usage.head.times.length
  if (isComplete && cached.basis === basis && cached.rewrites === usage.rewrites) return cached.aggregation
  const aggregation = newAggregation(basis.meter.aggregation)
  for (let index = 0; index < usage.head.times.length; index += 1) {
    addToAggregation(basis, aggregation, sampleAt(usage.head, index))
  }
  return aggregation
}

/** The walk through the head, carried on from where it stood if the head only grew at its end. */
function walkOf(
  basis: ChargeBasis,
  terms: PercentageTerms,
  factor: bigint,
  usage: PercentageUsage,
  level: Scaled,
): CachedWalk {
  let cached = cachedWalks.get(usage)
  if (cached === undefined || !isCurrent(cached, basis, usage, level)) {
    const aggregation = newAggregation(basis.meter.aggregation)
    const walk = startWalk(terms, aggregated(basis, aggregation, level) * factor)
    cached = { basis, level, rewrites: usage.rewrites, aggregation, walk }
    cachedWalks.set(usage, cached)
  }
  while (cached.walk.events < usage.head.times.length) {
    addToAggregation(basis, cached.aggregation, sampleAt(usage.head, cached.walk.events))
    walkEvent(terms, cached.walk, aggregated(basis, cached.aggregation, level) * factor)
  }
  return cached
}

function isCurrent(cached: CachedWalk, basis: ChargeBasis, usage: PercentageUsage, level: Scaled): boolean {
  return cached.basis === basis && cached.level === level && cached.rewrites === usage.rewrites
}

function sampleAt(log: EventLog, index: number): UsageSample {
  return {
    timeNs: log.times[index]!,
    key: log.keys[index]!,
    quantity: log.quantities[index]!,
    text: log.texts[index]!,
    cell: 0,
  }
}

function shedTail(basis: ChargeBasis, usage: PercentageUsage): void {
  const { head } = usage
  for (;;) {
    const last = head.times.length - 1
    const quantity = head.quantities[last]!
    if (!isSettled(basis, last, usage.headTotal - quantity)) return
    head.times.pop()
    head.keys.pop()
    head.quantities.pop()
    head.texts.pop()
    usage.headTotal -= quantity
    usage.rewrites += 1
    addToTail(basis, usage, quantity)
  }
}

function addToTail(basis: ChargeBasis, usage: PercentageUsage, quantity: Scaled): void {
  usage.tailEvents += 1
  usage.tailTotal += quantity
  const model = basis.price.model as Percentage
  if (isClamped(model)) usage.tailFees += fullFee(tailTermsOf(model), quantity)
}

/** Whether a head of so many events and this total holds all that the free units and events depend on. */
function isSettled(basis: ChargeBasis, events: number, total: Scaled): boolean {
  if (!mayShedTail(basis)) return false
  const model = basis.price.model as Percentage
  const { freeUnits, freeEvents } = model
  const pastFreeEvents = freeEvents === undefined ? isOrderFree(model) && events > 0 : events > freeEvents
  if (basis.meter.allowNegative) return pastFreeEvents
  const { included } = basis.price
  const pastFreeUnits = freeUnits !== undefined && total > included + freeUnits
  return total >= included && (pastFreeEvents || pastFreeUnits)
}

function mayShedTail(basis: ChargeBasis): boolean {
  if (!isAdditive(basis)) return false
  const model = basis.price.model as Percentage
  if (!basis.meter.allowNegative || !isClamped(model)) return true
  // Without anything free each event's fee is its own, whatever came before.
  return model.freeUnits === undefined && model.freeEvents === undefined && basis.price.included === 0n
}

/** Without free events the amount follows from totals alone when no event's own fee depends on the free units. */
function isOrderFree(model: Percentage): boolean {
  return model.freeUnits === undefined || (model.fixedAmount === undefined && !isClamped(model))
}

function isClamped(model: Percentage): boolean {
  return model.perEventMinimum !== undefined || model.perEventMaximum !== undefined
}

function tailTermsOf(model: Percentage): PercentageTerms {
  let terms = tailTerms.get(model)
  if (terms === undefined) {
    terms = compilePercentage(model, { denominator: 1n, prorated: 1n }, 0n)
    tailTerms.set(model, terms)
  }
  return terms
}
