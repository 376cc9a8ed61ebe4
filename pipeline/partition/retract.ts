// Takes a usage event back: out of what waits, or by retraction rows once history is there, or, when the retraction
// comes first, as soon as the event comes. A retracted event stays `rated`, with rows that add up to nothing.

import { compositeKey } from '../../schemas/identifiers.js'
import type { UsageRetraction } from '../../schemas/lifecycle-event.js'
import type { ReceivedEvent } from '../stages/decode.js'
import { isKnownIdentity } from '../stages/dedupe.js'
import type { Batch } from './batch.js'
import { requireHistory } from './hold.js'
import { dropRetracted, isRetracted, retractionKey } from './waiting.js'

export function applyRetraction(batch: Batch, received: ReceivedEvent, retraction: UsageRetraction): void {
  const { state } = batch
  const { customerId, eventSource, eventId } = retraction
  const key = compositeKey(eventSource, eventId)
  if (isRetracted(batch, customerId, key)) return
  state.putRetraction(retractionKey(customerId, key), { customerId, arrivedAtMs: received.arrivedAtMs })
  const waiting = state.maps.waiting.get(key)
  if (waiting !== undefined) {
    if (waiting.event.customerId === customerId) dropRetracted(batch, key)
    return
  }
  // Without a horizon every identity is remembered, so an unknown one has no rows yet.
  const forgets = Number.isFinite(batch.config.limits.dedupeHorizonMs)
  if (!forgets && !isKnownIdentity(eventSource, eventId, state.dedupe)) return
  const fromNs = earliestChargeNs(batch, customerId)
  if (fromNs !== undefined) requireHistory(batch, customerId, fromNs, received.event)
}

/** The time of the event is not told, so all of the customer's charges are looked through. */
function earliestChargeNs(batch: Batch, customerId: string): bigint | undefined {
  let earliest: bigint | undefined
  for (const { fromNs } of batch.state.maps.charges.ofCustomer(customerId)) {
    if (earliest === undefined || fromNs < earliest) earliest = fromNs
  }
  return earliest
}

/** Retractions are forgotten once their event could not be taken any more. */
export function expireRetractions(batch: Batch): void {
  const keptMs = batch.config.limits.dedupeHorizonMs + 86_400_000
  if (!Number.isFinite(keptMs)) return
  for (const [key, { arrivedAtMs }] of [...batch.state.maps.retractions.entries()]) {
    if (arrivedAtMs < batch.nowMs - keptMs) batch.state.maps.retractions.delete(key)
  }
}
