// Usage that waits: parked without a subscription, held until history comes, or refused at attach. Puts it there, tries it
// again and gives it up.
// Invariants: waiting events stay within the byte budget; an event leaves exactly once, rated, retracted or given up; the
// identity of an event that is given up is forgotten, so that its dead letter can be redriven.

import { heldBy, wouldExceed } from '../../../rating/ranges/value-range.js'
import type { Disposition } from '../../../schemas/event/dispositions.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { Rejection } from '../../../schemas/rejection.js'
import { compareInstants } from '../../../schemas/time.js'
import { type Attachment, attachEvent } from '../rate/attach.js'
import { basisOf } from '../rate/basis.js'
import { exceedsLevel } from '../rate/levels.js'
import { rateEvent } from '../rate/rate.js'
import { type Outcome, retractedUnrated, waitsFor } from '../rows/outcome.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { Attributes, Envelope, WaitingEvent } from '../state/records.js'
import { forgetIdentity } from '../step/dedupe.js'
import { payloadOf, type Step } from '../step/step.js'

/** About the memory that an event takes besides its payload. */
const eventOverheadBytes = 512

/** The disposition as which an event is counted before it is placed; `received`: it is not counted yet. */
export type Standing = 'received' | 'rated' | 'parked' | 'dead_lettered'

/** Rates an event, or lets it wait, or refuses it; its disposition moves from `standing`. `raw`: JSON, parsed or text. */
export function placeEvent(step: Step, event: KeyedEvent, raw: () => unknown, standing: Standing): void {
  if (isRetracted(step, event.customerId, event.key)) {
    move(step, standing, 'rated')
    step.outcome(attributesOfEvent(event), retractedUnrated)
    return
  }
  if (step.state.held.has(event.customerId)) {
    keep(step, event, raw, standing, { kind: 'held' })
    return
  }
  const attachment = attachEvent(event, step.book.ofCustomer(event.customerId))
  const excess = attachment.kind === 'attached' ? excessOf(step, attachment) : undefined
  if (excess !== undefined) keep(step, event, raw, standing, { kind: 'refused', rejection: excess })
  else if (attachment.kind === 'attached') {
    move(step, standing, 'rated')
    rateAttached(step, event, attachment)
  } else if (attachment.kind === 'waiting') keep(step, event, raw, standing, { kind: 'parked' })
  else keep(step, event, raw, standing, { kind: 'refused', rejection: attachment.rejection })
}

/** The rejection of an event that would bring one of its charges to more than 38 digits. */
function excessOf(
  { state, book }: Step,
  { assignments }: Extract<Attachment, { kind: 'attached' }>,
): Rejection | undefined {
  for (const { segment, reading } of assignments) {
    const charge = state.maps.charges.stopRunning(segment.chargeId)
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
  step: Step,
  event: KeyedEvent,
  attachment: Extract<Attachment, { kind: 'attached' }>,
): void {
  const { state, book, out } = step
  const { assignments, unwanted } = attachment
  rateEvent(event, assignments, unwanted, state, book, row => out.rated(row))
}

/** Tries the customer's waiting events again, in the order of their times. */
export function retryWaiting(step: Step, customerId: string): void {
  const keys = step.state.waitingOf.get(customerId)
  if (keys === undefined) return
  const all = [...keys].map(key => step.state.maps.waiting.get(key)!)
  all.sort((a, b) => compareInstants(a.event.timeNs, b.event.timeNs) || (a.event.key < b.event.key ? -1 : 1))
  for (const waiting of all) {
    if (staysWaiting(step, waiting)) continue
    step.state.removeWaiting(waiting.event.key)
    leave(step, waiting)
    placeEvent(step, waiting.event, () => waiting.payload, standingOf(waiting))
  }
}

/** Whether trying the event again would change nothing, so that nothing need be written. */
function staysWaiting(step: Step, waiting: WaitingEvent): boolean {
  if (isRetracted(step, waiting.event.customerId, waiting.event.key)) return false
  const attachment = attachEvent(waiting.event, step.book.ofCustomer(waiting.event.customerId))
  if (attachment.kind === 'waiting') return waiting.state.kind === 'parked'
  const rejection = attachment.kind === 'refused' ? attachment.rejection : excessOf(step, attachment)
  return waiting.state.kind === 'refused' && rejection?.code === waiting.state.rejection.code
}

/** Removes an event that was retracted while it waited. */
export function dropRetracted(step: Step, key: string): void {
  const waiting = step.state.maps.waiting.get(key)
  if (waiting === undefined) return
  step.state.removeWaiting(key)
  leave(step, waiting)
  move(step, standingOf(waiting), 'rated')
  step.outcome(attributesOfEvent(waiting.event), retractedUnrated)
}

/** Takes back the row that tells that the event waits: its dead letter, or its outcome. */
function leave(step: Step, waiting: WaitingEvent): void {
  const { event, state } = waiting
  if (state.kind === 'refused') step.takeBackDeadLetter(envelopeOfWaiting(waiting), state.rejection)
  else step.outcome(attributesOfEvent(event), waits(state, -1, ''))
}

function waits(
  state: Exclude<WaitingEvent['state'], { kind: 'refused' }>,
  change: 1 | -1,
  payload: string,
): Outcome {
  const code = state.kind === 'held' ? waitsFor.history : waitsFor.subscription
  return { disposition: 'parked', code, detail: '', change, payload }
}

/** Gives up events that have waited too long. Held events stay, because the answer from history will come. */
export function expireWaiting(step: Step): void {
  const { parkedTtlMs } = step.config.limits
  const oldestMs = step.nowMs - parkedTtlMs
  if (!Number.isFinite(parkedTtlMs) || step.state.oldestWaitingMs > oldestMs) return
  for (const waiting of [...step.state.maps.waiting.values()]) {
    if (waiting.event.ingestedAtMs > oldestMs || waiting.state.kind === 'held') continue
    step.state.removeWaiting(waiting.event.key)
    if (waiting.state.kind === 'parked') {
      leave(step, waiting)
      const days = parkedTtlMs / 86_400_000
      const detail = `No subscription of ${waiting.event.customerId} took the event within ${days} days.`
      giveUp(step, waiting.event, waiting.payload, 'parked', { code: 'no_subscription', detail })
    } else {
      // It is a dead letter already; from now on no later change rates it, but it can be sent again.
      forgetIdentity(waiting.event.source, waiting.event.id, step.state.dedupe)
    }
  }
  step.state.recomputeOldestWaiting()
}

function keep(
  step: Step,
  event: KeyedEvent,
  raw: () => unknown,
  standing: Standing,
  state: WaitingEvent['state'],
): void {
  const payload = payloadOf(raw())
  const bytes = payload.length + eventOverheadBytes
  const hasRoom = step.state.waitingBytes + bytes <= step.config.limits.parkedBytes
  if (state.kind === 'refused') {
    move(step, standing, 'dead_lettered')
    step.deadLetter(envelopeOfWaiting({ event, payload }), state.rejection)
    if (hasRoom) step.state.putWaiting({ event, payload, bytes, state })
    else forgetIdentity(event.source, event.id, step.state.dedupe)
    return
  }
  if (!hasRoom) {
    const detail = `Events that wait take ${step.state.waitingBytes} bytes; there is no room for one more.`
    giveUp(step, event, payload, standing, { code: 'parked_overflow', detail })
    return
  }
  move(step, standing, 'parked')
  // An event that is held for a moment is shown without its payload.
  step.outcome(attributesOfEvent(event), waits(state, 1, state.kind === 'held' ? '' : payload))
  step.state.putWaiting({ event, payload, bytes, state })
}

function giveUp(
  step: Step,
  event: KeyedEvent,
  payload: string,
  standing: Standing,
  rejection: Rejection,
): void {
  move(step, standing, 'dead_lettered')
  step.deadLetter(envelopeOfWaiting({ event, payload }), rejection)
  forgetIdentity(event.source, event.id, step.state.dedupe)
}

/** Whether the customer took the event back; retractions by other customers do not count. */
export function isRetracted(step: Step, customerId: string, eventKey: string): boolean {
  const { retractions } = step.state.maps
  // Mostly there are none; then the key need not be built.
  return retractions.size > 0 && retractions.has(retractionKey(customerId, eventKey))
}

export function retractionKey(customerId: string, eventKey: string): string {
  return compositeKey(customerId, eventKey)
}

function standingOf(waiting: WaitingEvent): Standing {
  return waiting.state.kind === 'refused' ? 'dead_lettered' : 'parked'
}

function move(step: Step, standing: Standing, to: Disposition): void {
  if (standing === 'received') step.counted(to)
  else if (standing !== to) step.moved(standing, to)
}

export function envelopeOfWaiting(waiting: Pick<WaitingEvent, 'event' | 'payload'>): Envelope {
  return { ...attributesOfEvent(waiting.event), payload: waiting.payload }
}

function attributesOfEvent(event: KeyedEvent): Attributes {
  return {
    source: event.source,
    id: event.id,
    type: event.type,
    customerId: event.customerId,
    timeNs: event.timeNs,
    arrivedAtMs: event.ingestedAtMs,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
    input: event.input,
  }
}
