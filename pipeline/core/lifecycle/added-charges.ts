// Fees and credits that no plan names, and their cancelling: which count, which wait, and what they owe.
// Invariants: neither the order of arrival of a charge, its cancelling and its subscription nor their division into steps
// decides what is owed; a charge is kept for as long as the partition lives, so that it is never taken twice, however late
// it is sent again. A charge that is cancelled owes nothing; what was billed of it the next run credits.
//
// A charge of a subscription that is not known yet waits for it as a change does. A cancellation waits for its charge as a
// retraction does.

import { addedCharge, addedChargeId } from '../../../rating/charges/added.js'
import type { Charge } from '../../../schemas/billing/charge.js'
import { comparedData } from '../../../schemas/event/compared-data.js'
import { hashOfValue } from '../../../schemas/event/event-hash.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { ChargeAdded, ChargeCancelled } from '../../../schemas/lifecycle/charge-event.js'
import type { Rejection } from '../../../schemas/rejection.js'
import type { ReceivedEvent } from '../decode/decode.js'
import { targetOf, waitsForEvent } from '../re-rate/waits-for-event.js'
import * as outcomes from '../rows/outcome.js'
import { claimKey } from '../state/claim-key.js'
import type { PartitionState } from '../state/partition-state.js'
import type { PriceBook } from '../state/price-book.js'
import type { AddedCharge, Attributes, CancelledCharge, ChangeState } from '../state/records.js'
import { forgetIdentity } from '../step/dedupe.js'
import { attributesOf, envelopeOf, type Step } from '../step/step.js'

export function applyChargeAdded(step: Step, received: ReceivedEvent, charge: ChargeAdded): void {
  const { event } = received
  const by = { eventSource: event.source, eventId: event.id, correlationId: event.correlationId }
  const contentHash = hashOfValue([event.type, comparedData(event.type, event.data)])
  const key = keyOf(charge.customerId, by)
  const known = step.state.maps.addedCharges.get(key)
  if (known !== undefined) {
    seenAgain(step, received, known, contentHash)
    return
  }
  step.state.customer(charge.customerId) // so that billing runs come to it
  const added: AddedCharge = { charge, ...by, contentHash, state: applied, envelope: undefined }
  const state = stateOf(step, charge)
  const disposition = dispositionOf[state.kind]
  step.counted(disposition)
  const envelope = envelopeOf(received)
  if (state.kind === 'refused') step.deadLetter(envelope, state.rejection)
  else if (state.kind === 'parked') {
    step.outcome(envelope, parkedOutcome(state.rejection, 1, envelope.payload))
    step.state.parkedChange(envelope.arrivedAtMs)
  } else takeEffect(step, added, attributesOf(received))
  step.state.putAddedCharge(key, {
    ...added,
    state,
    envelope: state.kind === 'parked' ? envelope : undefined,
  })
}

/** Its identity was forgotten since, and the charge was not. */
function seenAgain(step: Step, received: ReceivedEvent, known: AddedCharge, sent: string): void {
  if (known.contentHash === sent) {
    step.counted('duplicate')
    step.outcome(attributesOf(received), outcomes.duplicate)
    return
  }
  step.counted('conflicting')
  const detail = 'The charge of this source and id is known with other content.'
  const hashes = { kept: known.contentHash, sent }
  step.deadLetter(envelopeOf(received), { code: 'conflicting_duplicate', detail }, hashes)
}

export function applyChargeCancelled(step: Step, received: ReceivedEvent, cancelled: ChargeCancelled): void {
  const { state } = step
  const { customerId, eventSource, eventId } = cancelled
  const key = keyOf(customerId, cancelled)
  const known = state.maps.cancelledCharges.get(key)
  const isSeen = state.maps.addedCharges.has(key)
  const envelope = envelopeOf(received)
  step.counted(isSeen ? 'applied' : 'parked')
  if (isSeen) step.outcome(envelope, { ...outcomes.applied, target: targetOf(cancelled) })
  else step.outcome(envelope, waitsForEvent(envelope, cancelled, 1))
  if (known === undefined && isSeen) tellCancelled(step, key, envelope, cancelled.reason)
  const waiting = [...(known?.waiting ?? []), ...(isSeen ? [] : [envelope])]
  const arrivedAtMs = known?.arrivedAtMs ?? received.arrivedAtMs
  const reason = known?.reason ?? cancelled.reason
  state.putCancelledCharge(key, { customerId, eventSource, eventId, reason, arrivedAtMs, waiting })
}

/** At the end of a step: charges whose subscription is known now, and cancellations whose charge has come. */
export function settleAddedCharges(step: Step): void {
  const { state } = step
  for (const key of [...state.added.parked]) {
    const added = state.maps.addedCharges.get(key)!
    const after = stateOf(step, added.charge)
    if (after.kind === 'parked' || added.envelope === undefined) continue
    leavePark(step, added)
    step.moved('parked', dispositionOf[after.kind])
    if (after.kind === 'refused') step.deadLetter(added.envelope, after.rejection)
    else takeEffect(step, added, added.envelope)
    state.putAddedCharge(key, { ...added, state: after, envelope: undefined })
  }
  for (const key of [...state.added.awaited]) {
    if (!state.maps.addedCharges.has(key)) continue
    const cancelled = state.maps.cancelledCharges.get(key)!
    for (const envelope of cancelled.waiting) {
      step.moved('parked', 'applied')
      step.outcome(envelope, waitsForEvent(envelope, cancelled, -1))
      step.outcome(envelope, { ...outcomes.applied, target: targetOf(cancelled) })
    }
    tellCancelled(step, key, cancelled.waiting[0]!, cancelled.reason)
    state.putCancelledCharge(key, { ...cancelled, waiting: [] })
  }
}

/** What waited too long becomes a dead letter, and may be sent again. */
export function expireAddedCharges(step: Step): void {
  const { state, config } = step
  const oldestMs = step.nowMs - config.limits.parkedTtlMs
  for (const key of [...state.added.parked]) {
    const added = state.maps.addedCharges.get(key)!
    if (added.envelope === undefined || added.state.kind !== 'parked') continue
    if (added.envelope.arrivedAtMs > oldestMs) continue
    leavePark(step, added)
    step.moved('parked', 'dead_lettered')
    step.deadLetter(added.envelope, added.state.rejection)
    forgetIdentity(added.eventSource, added.eventId, state.dedupe)
    state.removeAddedCharge(key)
  }
  const keptMs = config.limits.dedupeHorizonMs + 86_400_000
  if (!Number.isFinite(keptMs)) return
  for (const key of [...state.added.awaited]) {
    const cancelled = state.maps.cancelledCharges.get(key)!
    if (cancelled.arrivedAtMs >= step.nowMs - keptMs) continue
    for (const envelope of cancelled.waiting) {
      const detail = `The event ${cancelled.eventId} of ${cancelled.eventSource} did not come within ${keptMs / 86_400_000} days.`
      step.moved('parked', 'dead_lettered')
      step.outcome(envelope, waitsForEvent(envelope, cancelled, -1))
      step.deadLetter(envelope, { code: 'unknown_event', detail, pointer: '/data/event_id' })
      forgetIdentity(envelope.source, envelope.id, state.dedupe)
    }
    state.removeCancelledCharge(key)
  }
}

/** What the customer owes of them as of an instant, in the order of their ids. */
export function addedChargesOwed(
  state: PartitionState,
  book: PriceBook,
  customerId: string,
  asOfNs: bigint,
): Charge[] {
  const charges: Charge[] = []
  for (const key of state.added.of(customerId)) {
    const added = state.maps.addedCharges.get(key)!
    if (added.state.kind !== 'applied' || added.charge.effectiveFromNs >= asOfNs) continue
    if (state.maps.cancelledCharges.has(key)) continue
    charges.push(chargeOf(state, book, added))
  }
  return charges.sort((a, b) => (a.chargeId < b.chargeId ? -1 : 1))
}

function chargeOf(state: PartitionState, book: PriceBook, added: AddedCharge): Charge {
  const { subscriptionId, customerId } = added.charge
  const prices = subscriptionId === undefined ? undefined : book.ofSubscription(subscriptionId)
  const home = prices === undefined ? undefined : { timeline: prices.timeline, roundingOf: roundingBy(book) }
  const charge = addedCharge(
    added.charge,
    added,
    home,
    state.maps.customers.get(customerId)?.entity?.entityId ?? '',
  )
  if (subscriptionId !== undefined) return charge
  // What a run billed stays with the entity that billed it, wherever the customer has moved since.
  const billed = state.maps.sealed.of(customerId).get(charge.chargeId)?.billed
  return billed === undefined ? charge : { ...charge, entityId: billed.entityId }
}

function roundingBy(book: PriceBook) {
  return ({ plan, planVersion }: { readonly plan: string; readonly planVersion: number }) =>
    book.catalog.plan(plan, planVersion)?.rounding
}

const applied: ChangeState = { kind: 'applied' }

function stateOf({ state, book }: Step, { subscriptionId, customerId }: ChargeAdded): ChangeState {
  if (subscriptionId === undefined) return applied
  const owner = state.maps.subscriptions.get(subscriptionId)?.customerId ?? ''
  if (owner !== '' && owner !== customerId) {
    const detail = `The subscription ${subscriptionId} belongs to another customer.`
    return refused({ code: 'customer_mismatch', detail, pointer: '/data/subscription_id' })
  }
  const isKnown =
    book.ofSubscription(subscriptionId) !== undefined || isRefusedForCurrency(state, subscriptionId)
  if (owner !== '' && isKnown) return applied
  const detail = `The subscription ${subscriptionId} is not created yet.`
  return { kind: 'parked', rejection: { code: 'unknown_subscription', detail } }
}

/**
 * Whether the customer's currency, of which an earlier one may be told late, has its `created` refused. The charge is owed all the
 * same, without a plan: else it would depend on what was told first.
 */
function isRefusedForCurrency({ maps }: PartitionState, subscriptionId: string): boolean {
  const changes = maps.subscriptions.get(subscriptionId)?.changes ?? []
  return changes.some(
    ({ change, state }) =>
      change.kind === 'created' && state.kind === 'refused' && isOfCurrency(state.rejection),
  )
}

function isOfCurrency({ code, pointer = '' }: Rejection): boolean {
  // Of a change that is too large the other currency may be small enough.
  if (code === 'currency_not_in_plan' || code === 'value_out_of_range') return true
  return code === 'invalid_data' && /^\/data\/(plan|commitments\/\d+\/currency)$/.test(pointer)
}

function refused(rejection: Rejection): ChangeState {
  return { kind: 'refused', rejection }
}

const dispositionOf = { applied: 'applied', parked: 'parked', refused: 'dead_lettered' } as const

function parkedOutcome({ code, detail }: Rejection, change: 1 | -1, payload: string): outcomes.Outcome {
  return { disposition: 'parked', code, detail, change, payload }
}

function leavePark(step: Step, { state, envelope }: AddedCharge): void {
  if (state.kind !== 'parked' || envelope === undefined) return
  step.outcome(envelope, parkedOutcome(state.rejection, -1, ''))
}

function takeEffect(step: Step, added: AddedCharge, cause: Attributes): void {
  step.outcome(cause, outcomes.applied)
  step.out.addedCharge(cause, rowOf(added), 'added', added.charge.reason)
}

function tellCancelled(step: Step, key: string, cause: Attributes, reason: string): void {
  step.out.addedCharge(cause, rowOf(step.state.maps.addedCharges.get(key)!), 'cancelled', reason)
}

function rowOf(added: AddedCharge) {
  return { ...added.charge, chargeId: addedChargeId(added.charge.customerId, added) }
}

function keyOf(
  customerId: string,
  { eventSource, eventId }: Pick<CancelledCharge, 'eventSource' | 'eventId'>,
) {
  return claimKey(customerId, compositeKey(eventSource, eventId))
}
