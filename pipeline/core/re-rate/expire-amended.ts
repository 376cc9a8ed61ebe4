// Forgets amendments when their event would be too old to be accepted.
// Invariant: what tells how an event is counted, or that it is with another customer, is kept.

import type { AmendedEvent } from '../state/records.js'
import { forgetIdentity } from '../step/dedupe.js'
import type { Step } from '../step/step.js'
import { holderOf } from './mended.js'
import { waitsForEvent } from './waits-for-event.js'

/** Amendments that still wait become dead letters. */
export function expireAmendments(step: Step): void {
  const keptMs = step.config.limits.dedupeHorizonMs + 86_400_000
  const { amendments, maps, dedupe } = step.state
  const oldestMs = step.nowMs - keptMs
  if (!Number.isFinite(keptMs) || amendments.oldestMs >= oldestMs) return
  for (const [key, amended] of [...maps.amended.entries()]) {
    if (amended.arrivedAtMs >= oldestMs) continue
    const { eventSource, eventId } = amended
    for (const { envelope, isShown } of amended.waiting) {
      if (isShown) step.outcome(envelope, waitsForEvent(envelope, amended, -1))
      const detail = `The event ${eventId} of ${eventSource} did not come within ${keptMs / 86_400_000} days.`
      step.moved('parked', 'dead_lettered')
      step.deadLetter(envelope, { code: 'unknown_event', detail, pointer: '/data/event_id' })
      forgetIdentity(envelope.source, envelope.id, dedupe)
    }
    if (isNeeded(key, amended, step)) {
      step.state.putAmended({ ...amended, arrivedAtMs: step.nowMs, waiting: [], latest: holderOf(amended) })
    } else step.state.removeAmended(key)
  }
  amendments.recomputeOldest(maps.amended.values())
}

/** Whether something else would be lost with it: how the event is counted, or that it is with another customer. */
function isNeeded(key: string, { customerId, original, placement }: AmendedEvent, { state }: Step): boolean {
  if (placement === undefined || placement.kind === 'given_up') return false
  if (original === undefined || state.maps.waiting.has(key)) return true
  return (
    placement.kind === 'handed_over' || (placement.kind === 'placed' && placement.customerId !== customerId)
  )
}
