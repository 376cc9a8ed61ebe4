// Takes a usage event back: out of what waits, or by retraction rows once history is there, or, when the retraction
// comes first, as soon as the event comes. A retracted event stays `rated`, with rows that add up to nothing.
// Invariant: a retraction is `parked` until its event was seen, then `applied`, whichever came first; one that waited
// in vain is a dead letter, never nothing.

import { compositeKey } from '../../../schemas/identifiers.js'
import type { UsageRetraction } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { ReceivedEvent } from '../decode/decode.js'
import type { Retraction } from '../state/records.js'
import { forgetIdentity, isKnownIdentity } from '../step/dedupe.js'
import { envelopeOf, type Step } from '../step/step.js'
import { earliestCharge, requireHistory } from './hold.js'
import { dropRetracted, retractionKey } from './waiting.js'

export function applyRetraction(step: Step, received: ReceivedEvent, retraction: UsageRetraction): void {
  const { state } = step
  const { customerId, eventSource, eventId } = retraction
  const key = retractionKey(customerId, compositeKey(eventSource, eventId))
  const isSeen = isKnownIdentity(eventSource, eventId, state.dedupe)
  const known = state.maps.retractions.get(key)
  const waits = known === undefined ? !isSeen : known.waiting.length > 0
  step.counted(waits ? 'parked' : 'applied')
  const { arrivedAtMs } = received
  const waiting = [...(known?.waiting ?? []), ...(waits ? [envelopeOf(received)] : [])]
  if (known === undefined || waits) {
    state.putRetraction(key, { customerId, eventSource, eventId, arrivedAtMs, waiting })
  }
  if (known === undefined) takeBackSeen(step, received, retraction, isSeen)
}

/** Takes back what came before the retraction, from what waits or from history. */
function takeBackSeen(
  step: Step,
  received: ReceivedEvent,
  { customerId, eventSource, eventId }: UsageRetraction,
  isSeen: boolean,
): void {
  const key = compositeKey(eventSource, eventId)
  const waiting = step.state.maps.waiting.get(key)
  if (waiting !== undefined) {
    if (waiting.event.customerId === customerId) dropRetracted(step, key)
    return
  }
  // Without a horizon every identity is remembered, so an unknown one has no rows yet.
  const forgets = Number.isFinite(step.config.limits.dedupeHorizonMs)
  if (!forgets && !isSeen) return
  // The time of the event is not told, so all of the customer's charges are looked through.
  const fromNs = earliestCharge(step, customerId)
  if (fromNs !== undefined) requireHistory(step, customerId, fromNs, received.event)
}

/** History has the event: its retraction waits no longer. */
export function foundInHistory(step: Step, customerId: string, eventKey: string): void {
  const key = retractionKey(customerId, eventKey)
  const retraction = step.state.maps.retractions.get(key)
  if (retraction !== undefined) takeEffect(step, key, retraction)
}

/** At the end of a step: retractions whose event has come, whatever became of it, have taken effect. */
export function settleRetractions(step: Step): void {
  const { waitingRetractions, maps, dedupe } = step.state
  for (const key of [...waitingRetractions]) {
    const retraction = maps.retractions.get(key)!
    const { eventSource, eventId } = retraction
    if (isKnownIdentity(eventSource, eventId, dedupe)) takeEffect(step, key, retraction)
  }
}

function takeEffect(step: Step, key: string, retraction: Retraction): void {
  if (retraction.waiting.length === 0) return
  for (const _ of retraction.waiting) step.moved('parked', 'applied')
  step.state.putRetraction(key, { ...retraction, waiting: [] })
}

/** Retractions are forgotten once their event could not be taken any more; those that waited in vain are dead letters. */
export function expireRetractions(step: Step): void {
  const keptMs = step.config.limits.dedupeHorizonMs + 86_400_000
  if (!Number.isFinite(keptMs)) return
  const { retractions } = step.state.maps
  for (const [key, { arrivedAtMs, eventSource, eventId, waiting }] of [...retractions.entries()]) {
    if (arrivedAtMs >= step.nowMs - keptMs) continue
    retractions.delete(key)
    step.state.waitingRetractions.delete(key)
    for (const envelope of waiting) {
      const days = keptMs / 86_400_000
      const detail = `The event ${eventId} of ${eventSource} did not come within ${days} days.`
      step.moved('parked', 'dead_lettered')
      step.deadLetter(envelope, { code: 'unknown_event', detail, pointer: '/data/event_id' })
      forgetIdentity(envelope.source, envelope.id, step.state.dedupe)
    }
  }
}
