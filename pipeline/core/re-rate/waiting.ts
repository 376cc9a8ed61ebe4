// Usage that waits: parked without a subscription, held until history comes, refused at attach, or refused for its content.
// Puts it there, tries it again and gives it up.
// Invariants: waiting events stay within the byte budget; an event leaves exactly once, rated, retracted, amended or given
// up; the identity of an event that is given up is forgotten, so that its dead letter can be redriven.

import { groupLimit, groupsIn, isFull } from '../../../rating/models/grouped/group.js'
import { heldBy, wouldExceed } from '../../../rating/ranges/value-range.js'
import type { UsagePrice } from '../../../schemas/catalog/catalog.js'
import type { Disposition } from '../../../schemas/event/dispositions.js'
import type { Rejection } from '../../../schemas/rejection.js'
import { compareInstants } from '../../../schemas/time.js'
import { type Attachment, attachEvent } from '../rate/attach.js'
import { basisOf } from '../rate/basis.js'
import { exceedsLevel } from '../rate/levels.js'
import { rateEvent } from '../rate/rate.js'
import { applied, type Outcome, retractedUnrated, waitsFor } from '../rows/outcome.js'
import { claimKey } from '../state/claim-key.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { AmendedEvent, Attributes, Envelope, WaitingEvent } from '../state/records.js'
import { forgetIdentity } from '../step/dedupe.js'
import { payloadOf, type Step } from '../step/step.js'

/** About the memory that an event takes besides its payload. */
const eventOverheadBytes = 512

/** The disposition as which an event is counted before it is placed; `received`: it is not counted yet. */
export type Standing = 'received' | 'rated' | 'parked' | 'dead_lettered' | 'unmetered'

/**
 * Rates an event, or lets it wait, or refuses it; its disposition moves from `standing`. `raw`: JSON, parsed or text.
 * `sentFor`: the customer that it was sent for, if an amendment has moved it to another.
 */
export function placeEvent(
  step: Step,
  event: KeyedEvent,
  raw: () => unknown,
  standing: Standing,
  sentFor = event.customerId,
): void {
  if (isRetracted(step, sentFor, event.key)) {
    countTaken(step, sentFor, event, standing)
    return
  }
  if (step.state.held.has(event.customerId)) {
    keep(step, { event, sentFor, state: { kind: 'held' } }, raw, standing)
    return
  }
  const attachment = attachEvent(event, step.book.ofCustomer(event.customerId))
  const excess = attachment.kind === 'attached' ? excessOf(step, attachment) : undefined
  if (excess !== undefined) {
    keep(step, { event, sentFor, state: { kind: 'refused', rejection: excess } }, raw, standing)
  } else if (attachment.kind === 'attached') {
    moveEvent(step, sentFor, event.key, standing, 'rated')
    rateAttached(step, event, attachment)
  } else if (attachment.kind === 'waiting') {
    keep(step, { event, sentFor, state: { kind: 'parked' } }, raw, standing)
  } else {
    const { rejection } = attachment
    keep(step, { event, sentFor, state: { kind: 'refused', rejection } }, raw, standing)
  }
}

/** Refuses an event whose content cannot be read. It is kept, so that an amendment can free it. */
export function placeUnreadable(
  step: Step,
  event: KeyedEvent,
  raw: () => unknown,
  rejection: Rejection,
  standing: Standing,
  sentFor = event.customerId,
): void {
  if (isRetracted(step, sentFor, event.key)) countTaken(step, sentFor, event, standing)
  else keep(step, { event, sentFor, state: { kind: 'unreadable', rejection } }, raw, standing)
}

/** The rejection of an event that would bring one of its charges to more than 38 digits, or to too many groups. */
function excessOf(
  { state, book }: Step,
  { assignments }: Extract<Attachment, { kind: 'attached' }>,
): Rejection | undefined {
  for (const { segment, reading, group } of assignments) {
    const charge = state.maps.charges.stopRunning(segment.chargeId)
    const basis = basisOf(segment, book.catalog)
    if (isFull(basis.price, groupsIn(charge?.accumulator.state), group)) return tooManyGroups(basis.price)
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

function tooManyGroups(price: UsagePrice): Rejection {
  const by = price.groupBy?.join(', ') ?? ''
  const detail =
    `The charge of the price ${price.price} has ${groupLimit(price)} groups by ${by}, which are all that it may have. ` +
    'Raise max_groups in a new version of the plan, or group by something of fewer values.'
  return { code: 'too_many_groups', detail }
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
    const standing = takeWaiting(step, waiting)
    placeEvent(step, waiting.event, () => waiting.payload, standing, waiting.sentFor)
  }
}

/** Whether trying the event again would change nothing, so that nothing need be written. */
function staysWaiting(step: Step, waiting: WaitingEvent): boolean {
  if (waiting.state.kind === 'unreadable') return true
  if (isRetracted(step, waiting.sentFor, waiting.event.key)) return false
  const attachment = attachEvent(waiting.event, step.book.ofCustomer(waiting.event.customerId))
  if (attachment.kind === 'waiting') return waiting.state.kind === 'parked'
  const rejection = attachment.kind === 'refused' ? attachment.rejection : excessOf(step, attachment)
  return waiting.state.kind === 'refused' && rejection?.code === waiting.state.rejection.code
}

/** Removes an event that was retracted while it waited. */
export function dropRetracted(step: Step, waiting: WaitingEvent): void {
  countTaken(step, waiting.sentFor, waiting.event, takeWaiting(step, waiting))
}

/** A retracted event counts as rated; its rows, which would add up to zero, are left out. */
function countTaken(step: Step, sentFor: string, event: KeyedEvent, standing: Standing): void {
  moveEvent(step, sentFor, event.key, standing, 'rated')
  step.outcome(attributesOfEvent(event), retractedUnrated)
  const key = claimKey(sentFor, event.key)
  const retraction = step.state.maps.retractions.get(key)
  if (retraction?.hasTaken === false) step.state.putRetraction(key, { ...retraction, hasTaken: true })
}

/** Removes an event from where it waits, and its dead letter; returns the disposition that it had there. */
export function takeWaiting(step: Step, waiting: WaitingEvent): Standing {
  step.state.removeWaiting(claimKey(waiting.sentFor, waiting.event.key))
  leave(step, waiting)
  return waiting.state.kind === 'parked' || waiting.state.kind === 'held' ? 'parked' : 'dead_lettered'
}

/** Takes back the row that tells that the event waits: its dead letter, or its outcome. */
function leave(step: Step, waiting: WaitingEvent): void {
  const { event, state } = waiting
  if (state.kind === 'parked' || state.kind === 'held') {
    step.outcome(attributesOfEvent(event), waits(state, -1, ''))
  } else step.takeBackDeadLetter(envelopeOfWaiting(waiting), state.rejection)
}

function waits(
  state: Exclude<WaitingEvent['state'], { kind: 'refused' | 'unreadable' }>,
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
    step.state.removeWaiting(claimKey(waiting.sentFor, waiting.event.key))
    if (waiting.state.kind === 'parked') {
      leave(step, waiting)
      const days = parkedTtlMs / 86_400_000
      const detail = `No subscription of ${waiting.event.customerId} took the event within ${days} days.`
      giveUp(step, waiting, 'parked', { code: 'no_subscription', detail })
    } else {
      // It is a dead letter already; from now on no later change rates it, but it can be sent again.
      forgetGivenUp(step, waiting)
    }
  }
  step.state.recomputeOldestWaiting()
}

function keep(
  step: Step,
  kept: Pick<WaitingEvent, 'event' | 'sentFor' | 'state'>,
  raw: () => unknown,
  standing: Standing,
): void {
  const { event, sentFor, state } = kept
  const payload = payloadOf(raw())
  const bytes = payload.length + eventOverheadBytes
  const waiting = { event, sentFor, payload, bytes, state }
  const { parkedBytes } = step.config.limits
  // Of what cannot be read there may be any amount, and it must leave room for what waits its turn.
  const mostBytes = state.kind === 'unreadable' ? parkedBytes / 2 : parkedBytes
  const hasRoom = step.state.waitingBytes + bytes <= mostBytes
  if (state.kind === 'refused' || state.kind === 'unreadable') {
    moveEvent(step, sentFor, event.key, standing, 'dead_lettered')
    step.deadLetter(envelopeOfWaiting(waiting), state.rejection)
    if (hasRoom) step.state.putWaiting(waiting)
    else forgetGivenUp(step, waiting)
    return
  }
  if (!hasRoom) {
    const detail = `Events that wait take ${step.state.waitingBytes} bytes; there is no room for one more.`
    giveUp(step, waiting, standing, { code: 'parked_overflow', detail })
    return
  }
  moveEvent(step, sentFor, event.key, standing, 'parked')
  // An event that is held for a moment is shown without its payload.
  step.outcome(attributesOfEvent(event), waits(state, 1, state.kind === 'held' ? '' : payload))
  step.state.putWaiting(waiting)
}

function giveUp(step: Step, waiting: WaitingEvent, standing: Standing, rejection: Rejection): void {
  moveEvent(step, waiting.sentFor, waiting.event.key, standing, 'dead_lettered')
  step.deadLetter(envelopeOfWaiting(waiting), rejection)
  forgetGivenUp(step, waiting)
}

/** From now on it can be sent again, and its amendments hold then. */
function forgetGivenUp({ state }: Step, { event, sentFor }: WaitingEvent): void {
  const amended = state.maps.amended.get(claimKey(sentFor, event.key))
  // The identity of an event that never came may be that of another customer's event.
  if (amended === undefined || amended.original !== undefined) {
    forgetIdentity(event.source, event.id, state.dedupe)
  }
  if (amended === undefined) return
  state.putAmended({ ...amended, original: undefined, carrier: undefined, placement: { kind: 'given_up' } })
}

/** Whether the customer took the event back; retractions by other customers do not count. */
export function isRetracted(step: Step, customerId: string, eventKey: string): boolean {
  const { retractions } = step.state.maps
  // Mostly there are none; then the key need not be built.
  return retractions.size > 0 && retractions.has(claimKey(customerId, eventKey))
}

/**
 * Moves the disposition of an event. One that was only told of by an amendment was not received: its amendment is counted
 * in its place, as applied where the event would be rated or unmetered.
 */
export function moveEvent(
  step: Step,
  sentFor: string,
  eventKey: string,
  standing: Standing,
  to: Disposition,
): void {
  if (standing === 'received') {
    step.counted(to)
    return
  }
  const carrier = carrierOf(step, sentFor, eventKey)
  if (carrier === undefined) {
    if (standing !== to) step.moved(standing, to)
    return
  }
  const from = asAmendment(standing)
  const until = asAmendment(to)
  if (from === until) return
  step.moved(from, until)
  const target = { source: carrier.eventSource, id: carrier.eventId }
  if (from === 'applied') step.outcome(carrier.amendment, { ...applied, change: -1, target })
  if (until === 'applied') step.outcome(carrier.amendment, { ...applied, target })
}

/** The amendment that is counted in the place of an event that has not come. */
function carrierOf({ state }: Step, sentFor: string, eventKey: string): AmendedEvent['carrier'] {
  if (state.maps.amended.size === 0) return undefined
  return state.maps.amended.get(claimKey(sentFor, eventKey))?.carrier
}

export function asAmendment(disposition: Disposition): Disposition {
  return disposition === 'rated' || disposition === 'unmetered' ? 'applied' : disposition
}

export function envelopeOfWaiting(waiting: Pick<WaitingEvent, 'event' | 'payload'>): Envelope {
  return { ...attributesOfEvent(waiting.event), payload: waiting.payload }
}

export function attributesOfEvent(event: KeyedEvent): Attributes {
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
