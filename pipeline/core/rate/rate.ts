// rate: adds an attached event to the accumulators of its charges and writes the resulting rows.
// Invariants: a row's amount is the charge after the event less the sum of the rows before, so rows add up to
// the charge to the last digit (I4). A charge has no rows before its first event, so the first row includes
// what zero events owe.

import {
  addSample,
  type ChargeBasis,
  newAccumulator,
  type UsageSample,
} from '../../../rating/charges/accumulator.js'
import { chargeOf } from '../../../rating/charges/rate.js'
import { raterOf } from '../../../rating/charges/rater.js'
import { isBeyond } from '../../../rating/ranges/value-range.js'
import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import type { Segment } from '../../../rating/timeline/price-lines.js'
import type { UsagePrice } from '../../../schemas/catalog/catalog.js'
import { noInput } from '../../../schemas/event/event-input.js'
import type { MeteredEvent, MeterReading } from '../../../schemas/event/metered-event.js'
import { type Scaled, scaledMax } from '../../../schemas/money/decimal.js'
import { msOf } from '../../../schemas/time.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { PartitionState } from '../state/partition-state.js'
import type { PriceBook } from '../state/price-book.js'
import type { UsageCharge } from '../state/records.js'
import type { Assignment } from './attach.js'
import { basisOf } from './basis.js'
import { carryLevel, levelsBefore, moveLevel } from './levels.js'

export type RatedKind = 'usage' | 'correction' | 'retraction'

/**
 * The values of one row of `rated_usage` before it is encoded. Without a charge: a reading that no price
 * wants.
 */
export interface RatedRow {
  readonly kind: RatedKind
  readonly event: Omit<MeteredEvent, 'readings'>
  readonly reading: MeterReading
  readonly charge: UsageCharge | undefined
  readonly subscriptionVersion: number
  readonly plan: string
  readonly planVersion: number
  readonly entityId: string
  /**
   * 1 for a row that adds the event, -1 for a row that takes it back, 0 for a residual. The quantity has the
   * same sign.
   */
  readonly eventCount: number
  readonly amount: Scaled
}

export function sampleOf(
  event: KeyedEvent,
  { reading, cell, group }: Pick<Assignment, 'reading' | 'cell' | 'group'>,
  readsText: boolean,
): UsageSample {
  return {
    timeNs: event.timeNs,
    quantity: reading.quantity,
    text: readsText ? reading.text : '',
    key: event.key,
    cell,
    group,
  }
}

/** The charge of a segment from the state; a new one when nothing was rated on the segment yet. */
export function newCharge(segment: Segment<UsagePrice>, basis: ChargeBasis, emitted: Scaled): UsageCharge {
  const { line, version } = segment
  return {
    chargeId: segment.chargeId,
    serial: -1,
    customerId: line.customerId,
    subscriptionId: line.subscriptionId,
    price: line.price.price,
    meter: line.price.meter,
    plan: version.terms.plan,
    planVersion: version.terms.planVersion,
    entityId: version.terms.entityId,
    currency: line.currency,
    subscriptionVersion: version.terms.sequence,
    fromNs: segment.fromNs,
    untilNs: segment.untilNs,
    accumulator: newAccumulator(basis),
    emitted,
  }
}

/** The charge kept in the state for a segment; it is made now if nothing was rated on the segment yet. */
export function chargeOfSegment(
  segment: Segment<UsagePrice>,
  state: PartitionState,
  catalog: CatalogIndex,
): UsageCharge {
  const known = state.maps.charges.stopRunning(segment.chargeId)
  if (known !== undefined) return known
  const charge = newCharge(segment, basisOf(segment, catalog), 0n)
  charge.accumulator.levelsAtStart = levelsBefore(segment, state, catalog)
  state.putCharge(charge)
  return charge
}

/** Rates one attached event. The rows go to `write`. */
export function rateEvent(
  event: KeyedEvent,
  assignments: readonly Assignment[],
  unwanted: readonly MeterReading[],
  state: PartitionState,
  book: PriceBook,
  write: (row: RatedRow) => void,
): void {
  let moved: MeterReading | undefined
  for (const assignment of assignments) {
    const { segment, reading } = assignment
    const basis = basisOf(segment, book.catalog)
    const charge = chargeOfSegment(segment, state, book.catalog)
    state.maps.charges.touch(charge.chargeId)
    const rater = raterOf(basis)
    const { aggregation } = rater
    const sample = sampleOf(event, assignment, aggregation.readsText)
    addSample(basis, charge.accumulator, sample, rater)
    const after = chargeOf(basis, charge.accumulator, rater).amount
    const amount = after - charge.emitted
    charge.emitted = after
    write(assignedRow('usage', event, assignment, charge, amount))
    if (reading === moved || aggregation.level === undefined) continue
    moved = reading
    moveLevel(event, reading, segment, state, book)
    carryLevel(event, segment, state, book, (later, owed) => writeResidual(later, owed, event, write))
  }
  for (const reading of unwanted) write(unwantedRow('usage', event, reading, 1))
}

export type Cause = Pick<MeteredEvent, 'source' | 'id' | 'correlationId'>

/**
 * Brings the sum of a charge's rows to `target` by a row without an event. Two or more rows are written where
 * one would need more than 38 digits, as from the lowest amount to the highest.
 */
export function writeResidual(
  charge: UsageCharge,
  target: Scaled,
  cause: Cause,
  write: (row: RatedRow) => void,
): void {
  while (charge.emitted !== target) {
    const amount = withinDigits(target - charge.emitted)
    charge.emitted += amount
    write(residualRow(charge, amount, cause))
  }
}

function withinDigits(amount: Scaled): Scaled {
  if (!isBeyond(amount)) return amount
  return amount > 0n ? scaledMax : -scaledMax
}

function residualRow(charge: UsageCharge, amount: Scaled, cause: Cause): RatedRow {
  return {
    kind: 'correction',
    event: {
      source: cause.source,
      id: cause.id,
      type: '',
      timeNs: charge.fromNs,
      ingestedAtMs: msOf(charge.fromNs),
      customerId: charge.customerId,
      pinnedSubscriptionId: '',
      correlationId: cause.correlationId,
      traceparent: '',
      input: noInput,
    },
    reading: { meter: charge.meter, quantity: 0n, text: '', dimensions: noDimensions },
    charge,
    subscriptionVersion: charge.subscriptionVersion,
    plan: charge.plan,
    planVersion: charge.planVersion,
    entityId: charge.entityId,
    eventCount: 0,
    amount,
  }
}

const noDimensions: ReadonlyMap<string, string> = new Map()

export function assignedRow(
  kind: RatedKind,
  event: KeyedEvent,
  assignment: Assignment,
  charge: UsageCharge,
  amount: Scaled,
): RatedRow {
  const { terms } = assignment.version
  return {
    kind,
    event,
    reading: assignment.reading,
    charge,
    subscriptionVersion: terms.sequence,
    plan: terms.plan,
    planVersion: terms.planVersion,
    entityId: terms.entityId,
    eventCount: 1,
    amount,
  }
}

export function unwantedRow(
  kind: RatedKind,
  event: KeyedEvent,
  reading: MeterReading,
  eventCount: 1 | -1,
): RatedRow {
  return {
    kind,
    event,
    reading,
    charge: undefined,
    subscriptionVersion: 0,
    plan: '',
    planVersion: 0,
    entityId: '',
    eventCount,
    amount: 0n,
  }
}
