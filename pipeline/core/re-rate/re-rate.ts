// Rates a customer's usage again from history, after a change of terms in the past, a retraction or an amendment.
// Emits a correction for every assignment that changed and one residual per charge, so that rows add up to the charge
// (I4); nothing that was written is edited. Charges that begin before the request's instant are not affected and are
// left alone: their events come out where they were (usage-difference.ts).

import { heldAfter } from '../../../rating/aggregations/registry.js'
import { addSample, type ChargeBasis } from '../../../rating/charges/accumulator.js'
import { chargeOf } from '../../../rating/charges/rate.js'
import { raterOf } from '../../../rating/charges/rater.js'
import { isFull } from '../../../rating/models/grouped/group.js'
import { wouldExceed } from '../../../rating/ranges/value-range.js'
import type { MeterReading } from '../../../schemas/event/metered-event.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { compareInstants } from '../../../schemas/time.js'
import type { HistoryAnswer, HistoryRow } from '../ports/core-io.js'
import { type Assignment, attachEvent } from '../rate/attach.js'
import { basisOf } from '../rate/basis.js'
import { exceedsLevel, levelsBefore, moveLevel } from '../rate/levels.js'
import { assignedRow, newCharge, type RatedKind, sampleOf, unwantedRow, writeResidual } from '../rate/rate.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { Hold, UsageCharge } from '../state/records.js'
import type { Step } from '../step/step.js'
import { amendedAt, mustLeave, soughtInHistory, wasTakenBack } from './amended-history.js'
import { openRequests } from './hold.js'
import { payloadFromReadings } from './payload.js'
import { foundInHistory } from './retract.js'
import { isRetracted, placeEvent, retryWaiting } from './waiting.js'

interface PastEvent {
  readonly event: KeyedEvent
  readonly rows: readonly HistoryRow[]
}

interface Rebuilt {
  readonly segment: Assignment['segment']
  /** The total so far, to which the next value is added. */
  held: Scaled
  /** Those of a price with `group_by`. */
  readonly groups: Map<string, true>
  readonly samples: { readonly event: KeyedEvent; readonly assignment: Assignment; readonly isNew: boolean }[]
}

/** Rates the customers again that waited for one of these answers; answers to other requests are ignored. */
export function applyHistory(step: Step, answers: readonly HistoryAnswer[]): void {
  if (answers.length === 0) return
  const asked = new Map(openRequests(step.state).map(request => [request.requestId, request.customerId]))
  for (const answer of answers) {
    const customerId = asked.get(answer.requestId)
    if (customerId === undefined || !asked.delete(answer.requestId)) continue
    reRate(step, customerId, answer.rows)
    retryWaiting(step, customerId)
  }
}

function reRate(step: Step, customerId: string, rows: readonly HistoryRow[]): void {
  const { state } = step
  const customer = state.customer(customerId)
  const { hold } = customer
  if (hold === undefined) throw new Error(`The customer ${customerId} is not held.`)
  customer.hold = undefined
  state.maps.customers.touch(customerId)
  state.held.delete(customerId)
  const old = takeCharges(step, customerId, hold.fromNs)
  const rebuilt = new Map<string, Rebuilt>()
  const unattached: { readonly event: KeyedEvent; readonly sentFor: string }[] = []
  for (const past of pastEvents(step, customerId, rows)) {
    const { event } = past
    const amended = amendedAt(step, customerId, event.key)
    const sentFor = amended?.customerId ?? customerId
    const isTakenBack = isRetracted(step, sentFor, event.key)
    if (isTakenBack) foundInHistory(step, sentFor, event.key)
    const leaves = amended === undefined ? isTakenBack : mustLeave(step, amended, event)
    if (leaves) {
      const kind = isTakenBack ? 'retraction' : 'correction'
      for (const row of past.rows) takeBack(step, event, row, old, kind)
      if (amended !== undefined) wasTakenBack(step, amended)
    } else if (!assignAgain(step, past, hold.fromNs, old, rebuilt)) unattached.push({ event, sentFor })
  }
  soughtInHistory(step, customerId)
  const inOrder = [...rebuilt.values()].sort((a, b) => compareInstants(a.segment.fromNs, b.segment.fromNs))
  for (const one of inOrder) rebuildCharge(step, one, old, hold)
  for (const charge of old.values()) leaveUnused(step, charge, hold)
  for (const { event, sentFor } of unattached) {
    placeEvent(step, event, () => payloadFromReadings(event, step.book.catalog), 'rated', sentFor)
  }
}

/** Takes the charges that are rebuilt, and their moves of levels, out of the state. */
function takeCharges(step: Step, customerId: string, fromNs: bigint): Map<string, UsageCharge> {
  const taken = new Map<string, UsageCharge>()
  const kept = step.state.maps.charges.stopRunningOf(customerId)
  for (const charge of kept.sort((a, b) => (a.chargeId < b.chargeId ? -1 : 1))) {
    if (charge.fromNs < fromNs) continue
    taken.set(charge.chargeId, charge)
    step.state.removeCharge(charge)
  }
  step.state.maps.levels.removeFrom(customerId, fromNs)
  return taken
}

/** History as events, in the order of their time. */
function pastEvents(step: Step, customerId: string, rows: readonly HistoryRow[]): PastEvent[] {
  const byEvent = new Map<string, HistoryRow[]>()
  for (const row of rows) {
    const key = compositeKey(row.source, row.id)
    const known = byEvent.get(key)
    if (known === undefined) byEvent.set(key, [row])
    else known.push(row)
  }
  const events = [...byEvent].map(([key, own]) => ({
    event: eventOf(step, customerId, key, own),
    rows: own,
  }))
  return events.sort(
    (a, b) => compareInstants(a.event.timeNs, b.event.timeNs) || (a.event.key < b.event.key ? -1 : 1),
  )
}

function eventOf(step: Step, customerId: string, key: string, rows: readonly HistoryRow[]): KeyedEvent {
  const first = rows[0]!
  const readings = new Map<string, MeterReading>()
  for (const { meter, quantity, value: text, dimensions } of rows) {
    readings.set(meter, { meter, quantity, text, dimensions })
  }
  // In the catalog's order, as normalize reads them.
  const ordered = step.book.catalog
    .metersOfType(first.type)
    .map(({ meter }) => readings.get(meter))
    .filter(reading => reading !== undefined)
  return {
    key,
    source: first.source,
    id: first.id,
    type: first.type,
    timeNs: first.timeNs,
    ingestedAtMs: first.ingestedAtMs,
    customerId,
    pinnedSubscriptionId: first.pinnedSubscriptionId,
    correlationId: first.correlationId,
    traceparent: first.traceparent,
    input: first.input,
    readings: ordered,
  }
}

/** False: the event cannot be attached any more; all its rows are taken back. */
function assignAgain(
  step: Step,
  past: PastEvent,
  fromNs: bigint,
  old: ReadonlyMap<string, UsageCharge>,
  rebuilt: Map<string, Rebuilt>,
): boolean {
  const attachment = attachEvent(past.event, step.book.ofCustomer(past.event.customerId))
  const before = new Map(past.rows.map(row => [rowKey(row.meter, row.chargeId), row]))
  const isAttached = attachment.kind === 'attached' && !exceedsAny(step, attachment.assignments, rebuilt)
  let moved: MeterReading | undefined
  for (const assignment of isAttached ? attachment.assignments : []) {
    const { segment, reading } = assignment
    if (reading !== moved) moveLevel(past.event, reading, segment, step.state, step.book, fromNs)
    moved = reading
    const isNew = !before.delete(rowKey(reading.meter, segment.chargeId))
    if (segment.fromNs < fromNs) {
      if (isNew) throw new Error(`History from ${fromNs} does not reach the charge ${segment.chargeId}.`)
      continue
    }
    const known = rebuilt.get(segment.chargeId)
    const sample = { event: past.event, assignment, isNew }
    const { meter } = basisOf(segment, step.book.catalog)
    const held = heldAfter(known?.held ?? 0n, meter, reading.quantity)
    const groups = known?.groups ?? new Map<string, true>()
    if (assignment.group !== '') groups.set(assignment.group, true)
    if (known === undefined) rebuilt.set(segment.chargeId, { segment, held, groups, samples: [sample] })
    else {
      known.samples.push(sample)
      known.held = held
    }
  }
  for (const reading of isAttached ? attachment.unwanted : []) {
    if (before.delete(rowKey(reading.meter, ''))) continue
    step.out.rated(unwantedRow('correction', past.event, reading, 1))
  }
  for (const row of before.values()) takeBack(step, past.event, row, old, 'correction')
  return isAttached
}

/** Whether the event would bring a charge to more than 38 digits or too many groups; it is refused once the charges are rebuilt. */
function exceedsAny(
  { state, book }: Step,
  assignments: readonly Assignment[],
  rebuilt: ReadonlyMap<string, Rebuilt>,
): boolean {
  return assignments.some(({ segment, reading, group }) => {
    const known = rebuilt.get(segment.chargeId)
    if (isFull(segment.line.price, known?.groups, group)) return true
    const held = { total: known?.held ?? 0n, events: known?.samples.length ?? 0, emitted: 0n }
    return (
      wouldExceed(basisOf(segment, book.catalog), segment.line, held, reading.quantity) ||
      exceedsLevel(segment, reading.quantity, state, book)
    )
  })
}

function rowKey(meter: string, chargeId: string): string {
  return compositeKey(meter, chargeId)
}

function takeBack(
  step: Step,
  event: KeyedEvent,
  row: HistoryRow,
  old: ReadonlyMap<string, UsageCharge>,
  kind: RatedKind,
): void {
  const { meter, quantity, value: text, dimensions } = row
  const reading: MeterReading = { meter, quantity, text, dimensions }
  if (row.chargeId === '') {
    step.out.rated(unwantedRow(kind, event, reading, -1))
    return
  }
  const charge = old.get(row.chargeId)
  if (charge === undefined) throw new Error(`The charge ${row.chargeId} of a rated event is not known.`)
  charge.emitted -= row.amount
  step.out.rated({
    kind,
    event,
    reading,
    charge,
    subscriptionVersion: charge.subscriptionVersion,
    plan: charge.plan,
    planVersion: charge.planVersion,
    entityId: charge.entityId,
    eventCount: -1,
    amount: -row.amount,
  })
}

/** A new accumulator from all samples; rows for the new ones, and the residual. */
function rebuildCharge(step: Step, rebuilt: Rebuilt, old: Map<string, UsageCharge>, hold: Hold): void {
  const { state, book, out } = step
  const { segment, samples } = rebuilt
  const basis = basisOf(segment, book.catalog)
  const charge = newCharge(segment, basis, old.get(segment.chargeId)?.emitted ?? 0n)
  old.delete(segment.chargeId)
  charge.accumulator.levelsAtStart = levelsBefore(segment, state, book.catalog)
  const rater = raterOf(basis)
  const { readsText } = rater.aggregation
  for (const { event, assignment, isNew } of samples) {
    const before = isNew ? rowsBefore(basis, charge) : 0n
    addSample(basis, charge.accumulator, sampleOf(event, assignment, readsText), rater)
    if (!isNew) continue
    const amount = chargeOf(basis, charge.accumulator, rater).amount - before
    charge.emitted += amount
    out.rated(assignedRow('correction', event, assignment, charge, amount))
  }
  const target = chargeOf(basis, charge.accumulator).amount
  writeResidual(charge, target, hold.cause, row => out.rated(row))
  state.putCharge(charge)
}

/** For a charge without events: brings its rows to zero or, if it was billed, to the amount owed without usage. */
function leaveUnused(step: Step, charge: UsageCharge, hold: Hold): void {
  const { state, book, out } = step
  const segment = book.segmentOf(charge)
  if (segment === undefined || !state.maps.sealed.has(charge.customerId, charge.chargeId)) {
    writeResidual(charge, 0n, hold.cause, row => out.rated(row))
    return
  }
  const basis = basisOf(segment, book.catalog)
  const unused = newCharge(segment, basis, charge.emitted)
  unused.accumulator.levelsAtStart = levelsBefore(segment, state, book.catalog)
  const target = chargeOf(basis, unused.accumulator).amount
  writeResidual(unused, target, hold.cause, row => out.rated(row))
  state.putCharge(unused)
}

/** The sum of the rows before this one, if they had been written in the order of time. */
function rowsBefore(basis: ChargeBasis, charge: UsageCharge): Scaled {
  return charge.accumulator.events === 0 ? 0n : chargeOf(basis, charge.accumulator).amount
}
