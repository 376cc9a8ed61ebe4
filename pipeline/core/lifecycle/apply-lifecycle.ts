// Applies `weir.*` events of customers: subscription changes to timelines, revenue events to rows.
// Invariant: which changes are in effect does not depend on their order (settle-changes.ts). settle-customers.ts carries
// their consequences for usage, versions and MRR out, once per step.

import { parseLifecycleEvent, type SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { Rejection } from '../../../schemas/rejection.js'
import type { ReceivedEvent } from '../decode/decode.js'
import { applyAmendment } from '../re-rate/amend.js'
import { applyRetraction } from '../re-rate/retract.js'
import * as outcomes from '../rows/outcome.js'
import type { ChangeRecord, ChangeState, Envelope, SubscriptionRecord } from '../state/records.js'
import { refuse } from '../step/admit.js'
import { forgetIdentity } from '../step/dedupe.js'
import { attributesOf, envelopeOf, type Step } from '../step/step.js'
import { applyChargeAdded, applyChargeCancelled } from './added-charges.js'
import { applyCurrency } from './customer-currency.js'
import { applyRelations } from './relations.js'
import { type Settled, settleChanges } from './settle-changes.js'
import type { CustomerChanges } from './settle-customers.js'

export function applyLifecycleEvents(
  step: Step,
  events: readonly ReceivedEvent[],
  touched: CustomerChanges,
): void {
  for (const received of events) applyLifecycleEvent(step, received, touched)
}

function applyLifecycleEvent(step: Step, received: ReceivedEvent, touched: CustomerChanges): void {
  const parsed = parseLifecycleEvent(received.event)
  if (parsed.kind === 'rejected') {
    refuse(step, received, parsed.rejection)
    return
  }
  const event = parsed.value
  switch (event.kind) {
    case 'subscription_change':
      applyChange(step, received, event.change, touched)
      return
    case 'usage_retracted':
      applyRetraction(step, received, event.retraction)
      return
    case 'usage_amended':
      applyAmendment(step, received, event.amendment)
      return
    case 'charge_added':
      applyChargeAdded(step, received, event.charge)
      return
    case 'charge_cancelled':
      applyChargeCancelled(step, received, event.cancellation)
      return
    case 'customer_upserted':
      countApplied(step, received)
      step.state.noteEntity(event.customer.entityId)
      applyRelations(step, received, event.customer)
      applyCurrency(
        step,
        received,
        event.customer,
        record => touched.remember(step, record),
        record => judgeAgain(step, record, touched, received),
      )
      step.out.customer(envelopeOf(received), event.customer)
      return
    case 'customer_status':
      countApplied(step, received)
      step.out.customerStatus(envelopeOf(received), event.status)
      return
    case 'invoice':
      countApplied(step, received)
      step.out.invoice(envelopeOf(received), event.invoice)
      return
    case 'payment':
      countApplied(step, received)
      step.out.payment(envelopeOf(received), event.payment)
      return
    case 'tax':
      countApplied(step, received)
      step.out.tax(envelopeOf(received), event.tax)
      return
    case 'catalog_published':
    case 'fx_rate':
      throw new Error(`${received.event.type} belongs to apply-catalog.`)
    default:
      event satisfies never
  }
}

function countApplied(step: Step, received: ReceivedEvent): void {
  step.counted('applied')
  step.outcome(attributesOf(received), outcomes.applied)
}

function applyChange(
  step: Step,
  received: ReceivedEvent,
  change: SubscriptionChange,
  touched: CustomerChanges,
): void {
  const { subscriptions } = step.state.maps
  const { subscriptionId, customerId, sequence } = change
  const record: SubscriptionRecord = subscriptions.get(subscriptionId) ?? {
    subscriptionId,
    customerId: '',
    changes: [],
  }
  const same = record.changes.find(
    one => one.change.sequence === sequence && one.change.customerId === customerId,
  )
  if (same !== undefined && same.change.contentHash === change.contentHash) {
    step.counted('duplicate')
    const detail = `Version ${sequence} of ${subscriptionId} is known with the same content.`
    step.outcome(attributesOf(received), { ...outcomes.duplicate, code: 'same_version', detail })
    return
  }
  if (same !== undefined) {
    const detail = `Version ${sequence} of ${subscriptionId} is known with other content.`
    const hashes = { kept: same.change.contentHash, sent: change.contentHash }
    const rejection = { code: 'conflicting_version', detail, pointer: '/data/sequence' } as const
    step.counted('dead_lettered')
    step.deadLetter(envelopeOf(received), rejection, hashes)
    return
  }
  touched.remember(step, record)
  step.state.noteEntity(change.entityId)
  if (change.kind === 'created' && record.customerId === '') {
    record.customerId = customerId
    const customer = step.state.customer(customerId)
    customer.subscriptionIds = [...customer.subscriptionIds, subscriptionId]
    step.state.maps.customers.touch(customerId)
  }
  const fresh: ChangeRecord = { change, envelope: keptEnvelopeOf(received), state: applied }
  record.changes = [...record.changes, fresh]
  subscriptions.set(subscriptionId, record)
  account(step, settle(step, record, touched, fresh), touched)
  step.book.forget(subscriptionId, record.customerId)
}

const applied: ChangeState = { kind: 'applied' }
/** Texts that many changes share, kept once; parsing makes a new string for each message. */
const sharedTexts = new Map<string, string>()
const maxSharedTexts = 1_000

function keptEnvelopeOf(received: ReceivedEvent): Envelope {
  const envelope = envelopeOf(received)
  return { ...envelope, type: shared(envelope.type), source: shared(envelope.source) }
}

function shared(text: string): string {
  const known = sharedTexts.get(text)
  if (known !== undefined) return known
  if (sharedTexts.size >= maxSharedTexts) sharedTexts.clear()
  sharedTexts.set(text, text)
  return text
}

/** Something else than its changes was told that decides about them. */
function judgeAgain(
  step: Step,
  record: SubscriptionRecord,
  touched: CustomerChanges,
  received: ReceivedEvent,
): void {
  account(step, settle(step, record, touched), touched)
  touched.causedBy(record.customerId, envelopeOf(received))
  step.state.maps.subscriptions.touch(record.subscriptionId)
  step.book.forget(record.subscriptionId, record.customerId)
}

/** The catalog grew: changes that waited for a plan, or named a price that no plan had, are judged again. */
export function retryUnknown(step: Step, touched: CustomerChanges): void {
  for (const record of unsettled(step)) {
    touched.remember(step, record)
    account(step, settle(step, record, touched), touched)
    step.state.maps.subscriptions.touch(record.subscriptionId)
    step.book.forget(record.subscriptionId, record.customerId)
  }
}

/** Subscriptions with changes that wait or are refused. */
function unsettled({ state }: Step): SubscriptionRecord[] {
  const { subscriptions } = state.maps
  return subscriptions.special().flatMap(id => subscriptions.get(id) ?? [])
}

/** Changes that have waited too long for their subscription or plan become dead letters and are forgotten. */
export function expireChanges(step: Step, touched: CustomerChanges): void {
  const oldestMs = step.nowMs - step.config.limits.parkedTtlMs
  if (step.state.oldestParkedChangeMs > oldestMs) return
  for (const record of unsettled(step)) {
    const expired = record.changes.filter(
      one => one.state.kind === 'parked' && one.envelope.arrivedAtMs <= oldestMs,
    )
    if (expired.length === 0) continue
    touched.remember(step, record)
    record.changes = record.changes.filter(one => !expired.includes(one))
    for (const one of expired) {
      if (one.state.kind !== 'parked') continue
      step.moved('parked', 'dead_lettered')
      step.outcome(one.envelope, parked(one.envelope, one.state.rejection, -1))
      step.deadLetter(one.envelope, one.state.rejection)
      forgetIdentity(one.envelope.source, one.envelope.id, step.state.dedupe)
    }
    account(step, settle(step, record, touched), touched)
    step.state.maps.subscriptions.touch(record.subscriptionId)
    step.book.forget(record.subscriptionId, record.customerId)
  }
  step.state.recomputeOldestParkedChange()
}

function settle(step: Step, record: SubscriptionRecord, touched: CustomerChanges, fresh?: ChangeRecord) {
  const exceeds = (accepted: readonly SubscriptionChange[]) => touched.mrr.wouldExceed(step, record, accepted)
  const { currency = '' } = step.state.maps.customers.get(record.customerId)?.currency ?? {}
  return settleChanges(record, step.book.catalog, currency, exceeds, fresh)
}

const dispositionOf = { applied: 'applied', parked: 'parked', refused: 'dead_lettered' } as const

function account(step: Step, settled: readonly Settled[], touched: CustomerChanges): void {
  for (const { record, before, after } of settled) {
    touched.causedBy(record.change.customerId, record.envelope)
    if (before === undefined) step.counted(dispositionOf[after.kind])
    else if (before.kind !== after.kind) step.moved(dispositionOf[before.kind], dispositionOf[after.kind])
    const taken = refusalOf(before)
    const given = refusalOf(after)
    if (taken !== undefined) step.takeBackDeadLetter(record.envelope, taken)
    if (given !== undefined) step.deadLetter(record.envelope, given)
    if (before !== undefined) writeOutcome(step, record.envelope, before, -1)
    writeOutcome(step, record.envelope, after, 1)
    if (after.kind === 'parked') step.state.parkedChange(record.envelope.arrivedAtMs)
  }
}

/** Of a refused change the dead letter tells. */
function writeOutcome(step: Step, envelope: Envelope, state: ChangeState, change: 1 | -1): void {
  if (state.kind === 'applied') step.outcome(envelope, { ...outcomes.applied, change })
  else if (state.kind === 'parked') step.outcome(envelope, parked(envelope, state.rejection, change))
}

function parked({ payload }: Envelope, { code, detail }: Rejection, change: 1 | -1): outcomes.Outcome {
  return { disposition: 'parked', code, detail, change, payload: change === 1 ? payload : '' }
}

function refusalOf(state: ChangeState | undefined) {
  return state?.kind === 'refused' ? state.rejection : undefined
}
