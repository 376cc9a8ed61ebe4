// Takes a usage event back: it removes a waiting event, writes retraction rows for a rated one once history is there, and
// keeps a retraction that came first until its event comes. A retracted event stays `rated`, with rows that add up to zero.
// Invariant: a retraction is `parked` until its event was seen, then `applied`, whichever came first; one whose event never
// comes becomes a dead letter.

import { compositeKey } from '../../../schemas/identifiers.js'
import type { UsageRetraction } from '../../../schemas/lifecycle/usage-changes.js'
import type { ReceivedEvent } from '../decode/decode.js'
import { applied } from '../rows/outcome.js'
import { claimKey } from '../state/claim-key.js'
import type { Retraction } from '../state/records.js'
import { forgetIdentity, isKnownIdentity } from '../step/dedupe.js'
import { attributesOf, envelopeOf, type Step } from '../step/step.js'
import { unsettle } from './amend.js'
import { earliestCharge, requireHistory } from './hold.js'
import { dropRetracted } from './waiting.js'
import { targetOf, waitsForEvent } from './waits-for-event.js'

export function applyRetraction(step: Step, received: ReceivedEvent, retraction: UsageRetraction): void {
  const { state } = step
  const { customerId, eventSource, eventId } = retraction
  const key = claimKey(customerId, compositeKey(eventSource, eventId))
  const isSeen = isKnown(step, key, retraction)
  const known = state.maps.retractions.get(key)
  const waits = known === undefined ? !isSeen : known.waiting.length > 0
  step.counted(waits ? 'parked' : 'applied')
  const { arrivedAtMs } = received
  const own = waits ? [envelopeOf(received)] : []
  for (const envelope of own) step.outcome(envelope, waitsForEvent(envelope, retraction, 1))
  if (!waits) step.outcome(attributesOf(received), { ...applied, target: targetOf(retraction) })
  const waiting = [...(known?.waiting ?? []), ...own]
  if (known === undefined || waits) {
    const hasTaken = known?.hasTaken ?? false
    state.putRetraction(key, { customerId, eventSource, eventId, arrivedAtMs, hasTaken, waiting })
  }
  if (known !== undefined) return
  const amended = state.maps.amended.get(key)
  if (amended !== undefined) unsettle(step, key, amended)
  else takeBackSeen(step, received, retraction, isSeen)
}

/** Whether the event came, or an amendment told all of it. */
function isKnown({ state }: Step, key: string, { eventSource, eventId }: Identity): boolean {
  if (isKnownIdentity(eventSource, eventId, state.dedupe)) return true
  return state.maps.amended.get(key)?.latestWhole !== undefined
}

type Identity = Pick<UsageRetraction, 'eventSource' | 'eventId'>

/** Takes back an event that came before its retraction: it waits, or history is asked for it. */
function takeBackSeen(
  step: Step,
  received: ReceivedEvent,
  { customerId, eventSource, eventId }: UsageRetraction,
  isSeen: boolean,
): void {
  const waiting = step.state.maps.waiting.get(claimKey(customerId, compositeKey(eventSource, eventId)))
  if (waiting !== undefined) {
    dropRetracted(step, waiting)
    return
  }
  // Without a horizon every identity is remembered, so an unknown one has no rows yet.
  const forgets = Number.isFinite(step.config.limits.dedupeHorizonMs)
  if (!forgets && !isSeen) return
  // A retraction does not name the time of the event, so history is needed from the customer's first charge on.
  const fromNs = earliestCharge(step, customerId)
  if (fromNs !== undefined) requireHistory(step, customerId, fromNs, received.event)
}

/** To be called when the event was found in history, so that its retraction takes effect. */
export function foundInHistory(step: Step, customerId: string, eventKey: string): void {
  const key = claimKey(customerId, eventKey)
  const retraction = step.state.maps.retractions.get(key)
  if (retraction === undefined) return
  takeEffect(step, key, retraction)
  step.state.putRetraction(key, { ...retraction, hasTaken: true, waiting: [] })
}

/** At the end of a step: retractions whose event has come, whatever its disposition, take effect. */
export function settleRetractions(step: Step): void {
  const { waitingRetractions, maps } = step.state
  for (const key of [...waitingRetractions]) {
    const retraction = maps.retractions.get(key)!
    if (isKnown(step, key, retraction)) takeEffect(step, key, retraction)
  }
}

function takeEffect(step: Step, key: string, retraction: Retraction): void {
  if (retraction.waiting.length === 0) return
  for (const envelope of retraction.waiting) {
    step.moved('parked', 'applied')
    step.outcome(envelope, waitsForEvent(envelope, retraction, -1))
    step.outcome(envelope, { ...applied, target: targetOf(retraction) })
  }
  step.state.putRetraction(key, { ...retraction, waiting: [] })
}

/** Forgets retractions when their event would be too old to be accepted; those that still wait become dead letters. */
export function expireRetractions(step: Step): void {
  const keptMs = step.config.limits.dedupeHorizonMs + 86_400_000
  if (!Number.isFinite(keptMs)) return
  const { retractions } = step.state.maps
  for (const [key, retraction] of [...retractions.entries()]) {
    const { arrivedAtMs, eventSource, eventId, waiting } = retraction
    if (arrivedAtMs >= step.nowMs - keptMs) continue
    retractions.delete(key)
    step.state.waitingRetractions.delete(key)
    for (const envelope of waiting) {
      const days = keptMs / 86_400_000
      const detail = `The event ${eventId} of ${eventSource} did not come within ${days} days.`
      step.moved('parked', 'dead_lettered')
      step.outcome(envelope, waitsForEvent(envelope, retraction, -1))
      step.deadLetter(envelope, { code: 'unknown_event', detail, pointer: '/data/event_id' })
      forgetIdentity(envelope.source, envelope.id, step.state.dedupe)
    }
  }
}
