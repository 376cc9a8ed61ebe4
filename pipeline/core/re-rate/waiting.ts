// Usage that is not rated: parked, held while history is awaited, or refused at attach; how it gets there and leaves.
// Invariants: what waits is within the byte budget; an event leaves exactly once, rated, retracted or given up; an event
// that is given up lets its identity go, so that its dead letter can be redriven.

import { heldBy, wouldExceed } from '../../../rating/ranges/value-range.js'
import type { Disposition } from '../../../schemas/event/dispositions.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { Rejection } from '../../../schemas/rejection.js'
import { compareInstants } from '../../../schemas/time.js'
import { type Attachment, attachEvent } from '../rate/attach.js'
import { basisOf } from '../rate/basis.js'
import { exceedsLevel } from '../rate/levels.js'
import { rateEvent } from '../rate/rate.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { Envelope, WaitingEvent } from '../state/records.js'
import { type Batch, payloadOf } from '../step/batch.js'
import { forgetIdentity } from '../step/dedupe.js'

/** What an event costs in memory besides its payload, roughly. */
const eventOverheadBytes = 512

/** Where an event stands before it is placed: not counted yet, or counted as this. */
export type Standing = 'received' | 'rated' | 'parked' | 'dead_lettered'

/** Rates an event, or lets it wait, or refuses it; its disposition moves from `standing`. `raw`: JSON, parsed or text. */
export function placeEvent(batch: Batch, event: KeyedEvent, raw: () => unknown, standing: Standing): void {
  if (isRetracted(batch, event.customerId, event.key)) {
    // Taken back before it came: it counts as rated, with rows that would add up to nothing and are left out.
    move(batch, standing, 'rated')
    return
  }
  if (batch.state.held.has(event.customerId)) {
    keep(batch, event, raw, standing, { kind: 'held' })
    return
  }
  const attachment = attachEvent(event, batch.book.ofCustomer(event.customerId))
  const excess = attachment.kind === 'attached' ? excessOf(batch, attachment) : undefined
  if (excess !== undefined) keep(batch, event, raw, standing, { kind: 'refused', rejection: excess })
  else if (attachment.kind === 'attached') {
    move(batch, standing, 'rated')
    rateAttached(batch, event, attachment)
  } else if (attachment.kind === 'waiting') keep(batch, event, raw, standing, { kind: 'parked' })
  else keep(batch, event, raw, standing, { kind: 'refused', rejection: attachment.rejection })
}

/** Why the charges cannot take the event, if one of them would come to more than can be written. */
function excessOf(
  { state, book }: Batch,
  { assignments }: Extract<Attachment, { kind: 'attached' }>,
): Rejection | undefined {
  for (const { segment, reading } of assignments) {
    const charge = state.maps.charges.get(segment.chargeId)
    const basis = basisOf(segment, book.catalog)
    const held = {
      total: charge === undefined ? 0n : heldBy(basis, charge.accumulator),
      events: charge?.accumulator.events ?? 0,
      emitted: charge?.emitted ?? 0n,
    }
    const exceeds =
      wouldExceed(basis, segment.line, held, reading.quantity) ||
      exceedsLevel(segment, reading.quantity, state, book)
    if (!exceeds) continue
    const { price } = segment.line.price
    const detail = `The value of meter ${reading.meter} brings the price ${price} to more than 38 digits.`
    return { code: 'value_out_of_range', detail }
  }
  return undefined
}

export function rateAttached(
  batch: Batch,
  event: KeyedEvent,
  attachment: Extract<Attachment, { kind: 'attached' }>,
): void {
  const { state, book, out } = batch
  const { assignments, unwanted } = attachment
  rateEvent(event, assignments, unwanted, state, book, row => out.rated(row))
}

/** Tries what waits for this customer again, in the order of its time. */
export function retryWaiting(batch: Batch, customerId: string): void {
  const keys = batch.state.waitingOf.get(customerId)
  if (keys === undefined) return
  const all = [...keys].map(key => batch.state.maps.waiting.get(key)!)
  all.sort((a, b) => compareInstants(a.event.timeNs, b.event.timeNs) || (a.event.key < b.event.key ? -1 : 1))
  for (const waiting of all) {
    if (staysWaiting(batch, waiting)) continue
    batch.state.removeWaiting(waiting.event.key)
    if (waiting.state.kind === 'refused') {
      batch.takeBackDeadLetter(envelopeOfWaiting(waiting), waiting.state.rejection)
    }
    placeEvent(batch, waiting.event, () => waiting.payload, standingOf(waiting))
  }
}

/** Whether trying the event again would leave it as it is, so that nothing need be written. */
function staysWaiting(batch: Batch, waiting: WaitingEvent): boolean {
  if (isRetracted(batch, waiting.event.customerId, waiting.event.key)) return false
  const attachment = attachEvent(waiting.event, batch.book.ofCustomer(waiting.event.customerId))
  if (attachment.kind === 'waiting') return waiting.state.kind === 'parked'
  const rejection = attachment.kind === 'refused' ? attachment.rejection : excessOf(batch, attachment)
  return waiting.state.kind === 'refused' && rejection?.code === waiting.state.rejection.code
}

/** The event was retracted while it waited. */
export function dropRetracted(batch: Batch, key: string): void {
  const waiting = batch.state.maps.waiting.get(key)
  if (waiting === undefined) return
  batch.state.removeWaiting(key)
  if (waiting.state.kind === 'refused') {
    batch.takeBackDeadLetter(envelopeOfWaiting(waiting), waiting.state.rejection)
  }
  move(batch, standingOf(waiting), 'rated')
}

/** Gives up what has waited too long. Held events stay: their answer is on its way. */
export function expireWaiting(batch: Batch): void {
  const { parkedTtlMs } = batch.config.limits
  const oldestMs = batch.nowMs - parkedTtlMs
  if (!Number.isFinite(parkedTtlMs) || batch.state.oldestWaitingMs > oldestMs) return
  for (const waiting of [...batch.state.maps.waiting.values()]) {
    if (waiting.event.ingestedAtMs > oldestMs || waiting.state.kind === 'held') continue
    batch.state.removeWaiting(waiting.event.key)
    if (waiting.state.kind === 'parked') {
      const days = parkedTtlMs / 86_400_000
      const detail = `No subscription of ${waiting.event.customerId} took the event within ${days} days.`
      giveUp(batch, waiting.event, waiting.payload, 'parked', { code: 'no_subscription', detail })
    } else {
      // It is a dead letter already; it only stops to be freed by itself.
      forgetIdentity(waiting.event.source, waiting.event.id, batch.state.dedupe)
    }
  }
  batch.state.recomputeOldestWaiting()
}

function keep(
  batch: Batch,
  event: KeyedEvent,
  raw: () => unknown,
  standing: Standing,
  state: WaitingEvent['state'],
): void {
  const payload = payloadOf(raw())
  const bytes = payload.length + eventOverheadBytes
  const hasRoom = batch.state.waitingBytes + bytes <= batch.config.limits.parkedBytes
  if (state.kind === 'refused') {
    move(batch, standing, 'dead_lettered')
    batch.deadLetter(envelopeOfWaiting({ event, payload }), state.rejection)
    if (hasRoom) batch.state.putWaiting({ event, payload, bytes, state })
    else forgetIdentity(event.source, event.id, batch.state.dedupe)
    return
  }
  if (!hasRoom) {
    const detail = `Events that wait take ${batch.state.waitingBytes} bytes; there is no room for one more.`
    giveUp(batch, event, payload, standing, { code: 'parked_overflow', detail })
    return
  }
  move(batch, standing, 'parked')
  batch.state.putWaiting({ event, payload, bytes, state })
}

function giveUp(
  batch: Batch,
  event: KeyedEvent,
  payload: string,
  standing: Standing,
  rejection: Rejection,
): void {
  move(batch, standing, 'dead_lettered')
  batch.deadLetter(envelopeOfWaiting({ event, payload }), rejection)
  forgetIdentity(event.source, event.id, batch.state.dedupe)
}

/** Whether the customer took the event back; what another customer says of it counts for nothing. */
export function isRetracted(batch: Batch, customerId: string, eventKey: string): boolean {
  const { retractions } = batch.state.maps
  // There are hardly ever any, and the look-up is what makes one text of the key.
  return retractions.size > 0 && retractions.has(retractionKey(customerId, eventKey))
}

export function retractionKey(customerId: string, eventKey: string): string {
  return compositeKey(customerId, eventKey)
}

function standingOf(waiting: WaitingEvent): Standing {
  return waiting.state.kind === 'refused' ? 'dead_lettered' : 'parked'
}

function move(batch: Batch, standing: Standing, to: Disposition): void {
  if (standing === 'received') batch.counted(to)
  else if (standing !== to) batch.moved(standing, to)
}

export function envelopeOfWaiting(waiting: Pick<WaitingEvent, 'event' | 'payload'>): Envelope {
  const { event, payload } = waiting
  return {
    source: event.source,
    id: event.id,
    type: event.type,
    customerId: event.customerId,
    timeNs: event.timeNs,
    arrivedAtMs: event.ingestedAtMs,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
    payload,
  }
}
