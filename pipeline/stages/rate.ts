// rate: adds an attached event to the accumulators of its charges and writes the rows that it makes.
// Invariants: a row's amount is the charge after the event less the sum of the rows before, so rows add up to the charge
// to the last digit (I4); before its first event a charge has no rows, so the first one carries what zero events owe.

import {
  addSample,
  type ChargeBasis,
  levelsAtEnd,
  newAccumulator,
  type UsageSample,
} from '../../rating/accumulator.js'
import { isLevel } from '../../rating/aggregations/aggregation.js'
import type { CatalogIndex } from '../../rating/catalog-index.js'
import { withoutMinimum } from '../../rating/price-content.js'
import { type Segment, segmentBefore, segmentFrom } from '../../rating/price-lines.js'
import { chargeOf } from '../../rating/rate.js'
import { isSuspendedThroughout } from '../../rating/timeline.js'
import type { UsagePrice } from '../../schemas/catalog.js'
import type { Scaled } from '../../schemas/decimal.js'
import type { MeteredEvent, MeterReading } from '../../schemas/metered-event.js'
import { compareInstants, msOf } from '../../schemas/time.js'
import type { PartitionState } from '../partition/state/partition-state.js'
import type { UsageCharge } from '../partition/state/records.js'
import type { Assignment } from './attach.js'
import type { KeyedEvent } from './metered-event.js'

export type RatedKind = 'usage' | 'correction' | 'retraction'

/** One row of `rated_usage`, before it is a row. Without a charge: a reading that no price wants. */
export interface RatedRow {
  readonly kind: RatedKind
  readonly event: Omit<MeteredEvent, 'readings'>
  readonly reading: MeterReading
  readonly charge: UsageCharge | undefined
  readonly subscriptionVersion: number
  readonly plan: string
  readonly planVersion: number
  readonly entityId: string
  /** 1 for a row that adds the event, -1 for one that takes it back, 0 for a residual. The quantity's sign is its. */
  readonly eventCount: number
  readonly amount: Scaled
}

export function basisOf(segment: Segment<UsagePrice>, catalog: CatalogIndex): ChargeBasis {
  if (segment.basis !== undefined) return segment.basis
  const { line } = segment
  const meter = catalog.meter(line.price.meter)
  if (meter === undefined) throw new Error(`The meter ${line.price.meter} of a price in force is not known.`)
  const waives = isWaived(segment)
  const basis: ChargeBasis = {
    price: waives ? withoutMinimum(line.price) : line.price,
    meter,
    fraction: segment.fraction,
    trial: line.trial,
    ...(waives ? { suspended: true } : {}),
    fromNs: segment.fromNs,
    untilNs: segment.untilNs,
    period: segment.period,
  }
  segment.basis = basis
  return basis
}

/** Contract section 4: what lies in a suspension from end to end owes no minimum and no flat amount. */
function isWaived({ line, version, fromNs, untilNs }: Segment<UsagePrice>): boolean {
  if (line.minimumWhenSuspended || version.terms.status !== 'suspended') return false
  return isSuspendedThroughout(line.segments.timeline, fromNs, untilNs)
}

export function sampleOf(
  event: KeyedEvent,
  reading: MeterReading,
  cell: number,
  distinct: boolean,
): UsageSample {
  return {
    timeNs: event.timeNs,
    quantity: reading.quantity,
    text: distinct ? reading.text : '',
    key: event.key,
    cell,
  }
}

/** The charge of a segment as the state keeps it, new when nothing was rated on it yet. */
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

/** The charge that is kept for a segment, made now if nothing was rated on it yet. */
export function chargeOfSegment(
  segment: Segment<UsagePrice>,
  state: PartitionState,
  catalog: CatalogIndex,
): UsageCharge {
  const known = state.maps.charges.get(segment.chargeId)
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
  catalog: CatalogIndex,
  write: (row: RatedRow) => void,
): void {
  for (const assignment of assignments) {
    const { segment, reading } = assignment
    const basis = basisOf(segment, catalog)
    const charge = chargeOfSegment(segment, state, catalog)
    state.maps.charges.touch(charge.chargeId)
    const distinct = basis.meter.aggregation === 'unique_count'
    addSample(basis, charge.accumulator, sampleOf(event, reading, assignment.cell, distinct))
    const after = chargeOf(basis, charge.accumulator).amount
    const amount = after - charge.emitted
    charge.emitted = after
    write(assignedRow('usage', event, assignment, charge, amount))
    if (isLevel(basis.meter.aggregation)) carryLevels(segment, event, state, catalog, write)
  }
  for (const reading of unwanted) write(unwantedRow('usage', event, reading, 1))
}

/**
 * The levels in force when a segment begins: those at the end of the last charge of the same terms before it, also over
 * the end of a trial. Other terms begin from zero, as contract section 3 says.
 */
export function levelsBefore(
  segment: Segment<UsagePrice>,
  state: PartitionState,
  catalog: CatalogIndex,
): ReadonlyMap<number, Scaled> | undefined {
  if (!isLevel(basisOf(segment, catalog).meter.aggregation)) return undefined
  let before = segmentBefore(segment)
  for (; before !== undefined; before = segmentBefore(before)) {
    const charge = state.maps.charges.get(before.chargeId)
    if (charge !== undefined) return levelsAtEnd(basisOf(before, catalog), charge.accumulator)
  }
  return undefined
}

/** A level that changed late changes the later charges of the same terms: each gets a residual correction. */
function carryLevels(
  changed: Segment<UsagePrice>,
  cause: KeyedEvent,
  state: PartitionState,
  catalog: CatalogIndex,
  write: (row: RatedRow) => void,
): void {
  const { line } = changed
  const later = state.maps.charges
    .ofCustomer(line.customerId)
    .filter(one => one.subscriptionId === line.subscriptionId && one.price === line.price.price)
    .filter(one => one.fromNs > changed.fromNs)
    .sort((a, b) => compareInstants(a.fromNs, b.fromNs))
  for (const charge of later) {
    const segment = segmentFrom(line, charge.fromNs)
    if (segment?.chargeId !== charge.chargeId) continue
    charge.accumulator.levelsAtStart = levelsBefore(segment, state, catalog)
    state.maps.charges.touch(charge.chargeId)
    writeResidual(charge, chargeOf(basisOf(segment, catalog), charge.accumulator).amount, cause, write)
  }
}

export type Cause = Pick<MeteredEvent, 'source' | 'id' | 'correlationId'>

/** Brings the sum of a charge's rows to `target` by a row that stands for no event. */
export function writeResidual(
  charge: UsageCharge,
  target: Scaled,
  cause: Cause,
  write: (row: RatedRow) => void,
): void {
  const amount = target - charge.emitted
  if (amount === 0n) return
  charge.emitted = target
  write({
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
    },
    reading: { meter: charge.meter, quantity: 0n, text: '', dimensions: noDimensions },
    charge,
    subscriptionVersion: charge.subscriptionVersion,
    plan: charge.plan,
    planVersion: charge.planVersion,
    entityId: charge.entityId,
    eventCount: 0,
    amount,
  })
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
