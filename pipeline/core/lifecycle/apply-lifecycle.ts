// Applies `weir.*` events of customers: subscription changes to timelines, revenue events to rows.
// Invariant: which changes are in effect does not depend on their order (settle-changes.ts); what follows from them for
// usage, versions and MRR is done once per batch, by settle-customers.ts.

import { parseLifecycleEvent, type SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { ReceivedEvent } from '../decode/decode.js'
import { applyRetraction } from '../re-rate/retract.js'
import type { ChangeRecord, ChangeState, Envelope, SubscriptionRecord } from '../state/records.js'
import { refuse } from '../step/admit.js'
import { type Batch, envelopeOf } from '../step/batch.js'
import { forgetIdentity } from '../step/dedupe.js'
import { type Settled, settleChanges } from './settle-changes.js'
import type { CustomerChanges } from './settle-customers.js'

export function applyLifecycleEvents(
  batch: Batch,
  events: readonly ReceivedEvent[],
  touched: CustomerChanges,
): void {
  for (const received of events) applyLifecycleEvent(batch, received, touched)
}

function applyLifecycleEvent(batch: Batch, received: ReceivedEvent, touched: CustomerChanges): void {
  const parsed = parseLifecycleEvent(received.event)
  if (parsed.kind === 'rejected') {
    refuse(batch, received, parsed.rejection)
    return
  }
  const event = parsed.value
  switch (event.kind) {
    case 'subscription_change':
      applyChange(batch, received, event.change, touched)
      return
    case 'usage_retracted':
      applyRetraction(batch, received, event.retraction)
      return
    case 'customer_upserted':
      batch.counted('applied')
      batch.state.noteEntity(event.customer.entityId)
      batch.out.customer(envelopeOf(received), event.customer)
      return
    case 'invoice':
      batch.counted('applied')
      batch.out.invoice(envelopeOf(received), event.invoice)
      return
    case 'payment':
      batch.counted('applied')
      batch.out.payment(envelopeOf(received), event.payment)
      return
    case 'catalog_published':
    case 'fx_rate':
      throw new Error(`${received.event.type} belongs to apply-catalog.`)
    default:
      event satisfies never
  }
}

function applyChange(
  batch: Batch,
  received: ReceivedEvent,
  change: SubscriptionChange,
  touched: CustomerChanges,
): void {
  const { subscriptions } = batch.state.maps
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
    batch.counted('duplicate')
    return
  }
  if (same !== undefined) {
    const detail = `Version ${sequence} of ${subscriptionId} is known with other content.`
    const hashes = { kept: same.change.contentHash, sent: change.contentHash }
    const rejection = { code: 'conflicting_version', detail, pointer: '/data/sequence' } as const
    batch.counted('dead_lettered')
    batch.deadLetter(envelopeOf(received), rejection, hashes)
    return
  }
  touched.remember(batch, record)
  batch.state.noteEntity(change.entityId)
  if (change.kind === 'created' && record.customerId === '') {
    record.customerId = customerId
    const customer = batch.state.customer(customerId)
    customer.subscriptionIds = [...customer.subscriptionIds, subscriptionId]
    batch.state.maps.customers.touch(customerId)
  }
  const fresh: ChangeRecord = { change, envelope: keptEnvelopeOf(received), state: applied }
  record.changes = [...record.changes, fresh]
  subscriptions.set(subscriptionId, record)
  account(batch, settle(batch, record, touched, fresh), touched)
  batch.book.forget(subscriptionId, record.customerId)
}

const applied: ChangeState = { kind: 'applied' }
/** Every text is read anew from its message; those that all changes share are kept once. */
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

/** The catalog grew: changes that waited for a plan, or named a price that no plan had, are judged again. */
export function retryUnknown(batch: Batch, touched: CustomerChanges): void {
  for (const record of batch.state.maps.subscriptions.values()) {
    if (record.changes.every(one => one.state.kind === 'applied')) continue
    touched.remember(batch, record)
    account(batch, settle(batch, record, touched), touched)
    batch.state.maps.subscriptions.touch(record.subscriptionId)
    batch.book.forget(record.subscriptionId, record.customerId)
  }
}

/** Changes that have waited too long for their subscription or plan become dead letters and are forgotten. */
export function expireChanges(batch: Batch, touched: CustomerChanges): void {
  const oldestMs = batch.nowMs - batch.config.limits.parkedTtlMs
  if (batch.state.oldestParkedChangeMs > oldestMs) return
  for (const record of batch.state.maps.subscriptions.values()) {
    const expired = record.changes.filter(
      one => one.state.kind === 'parked' && one.envelope.arrivedAtMs <= oldestMs,
    )
    if (expired.length === 0) continue
    touched.remember(batch, record)
    record.changes = record.changes.filter(one => !expired.includes(one))
    for (const one of expired) {
      if (one.state.kind !== 'parked') continue
      batch.moved('parked', 'dead_lettered')
      batch.deadLetter(one.envelope, one.state.rejection)
      forgetIdentity(one.envelope.source, one.envelope.id, batch.state.dedupe)
    }
    account(batch, settle(batch, record, touched), touched)
    batch.state.maps.subscriptions.touch(record.subscriptionId)
    batch.book.forget(record.subscriptionId, record.customerId)
  }
  batch.state.recomputeOldestParkedChange()
}

function settle(batch: Batch, record: SubscriptionRecord, touched: CustomerChanges, fresh?: ChangeRecord) {
  const exceeds = (accepted: readonly SubscriptionChange[]) =>
    touched.mrr.wouldExceed(batch, record, accepted)
  return settleChanges(record, batch.book.catalog, exceeds, fresh)
}

const dispositionOf = { applied: 'applied', parked: 'parked', refused: 'dead_lettered' } as const

function account(batch: Batch, settled: readonly Settled[], touched: CustomerChanges): void {
  for (const { record, before, after } of settled) {
    touched.causedBy(record.change.customerId, record.envelope)
    if (before === undefined) batch.counted(dispositionOf[after.kind])
    else if (before.kind !== after.kind) batch.moved(dispositionOf[before.kind], dispositionOf[after.kind])
    const taken = refusalOf(before)
    const given = refusalOf(after)
    if (taken !== undefined) batch.takeBackDeadLetter(record.envelope, taken)
    if (given !== undefined) batch.deadLetter(record.envelope, given)
    if (after.kind === 'parked') batch.state.parkedChange(record.envelope.arrivedAtMs)
  }
}

function refusalOf(state: ChangeState | undefined) {
  return state?.kind === 'refused' ? state.rejection : undefined
}
