// The facts of an object as Recurly's API (v2021-02-25) has it.
// Invariant: its order is `updated_at`, in whole seconds; within one second, when it was read.

import {
  type ForeignObject,
  listIn,
  msOfInstant,
  numberText,
  objectIn,
  textOf,
} from '../map/object-fields.js'
import { versionsOfState } from '../map/subscription-state.js'
import type { InvoiceFacts, PaymentFacts, RecurlyFacts, SubscriptionFacts } from './facts.js'

const mostReads = Math.floor(1_000 / versionsOfState) - 1

/** Undefined: an object of a type that tells us nothing. */
export function factsOfJson(object: ForeignObject, readMs: number): RecurlyFacts | undefined {
  switch (textOf(object['object'])) {
    case 'subscription':
      return { kind: 'subscription', facts: subscriptionOf(object, readMs) }
    case 'transaction':
      return { kind: 'payment', facts: paymentOf(object) }
    case 'invoice':
      return { kind: 'invoice', facts: invoiceOf(object) }
    case 'account':
      return {
        kind: 'account',
        facts: {
          code: textOf(object['code']),
          company: textOf(object['company']),
          firstName: textOf(object['first_name']),
          lastName: textOf(object['last_name']),
          changedMs: msOfInstant(object['updated_at']),
          metadata: customFields(object),
        },
      }
    default:
      return undefined
  }
}

function subscriptionOf(object: ForeignObject, readMs: number): SubscriptionFacts {
  const at = (name: string) => msOfInstant(object[name])
  const [createdMs, changedMs] = [at('created_at'), at('updated_at')]
  const readsSince = Math.floor((readMs - (changedMs ?? readMs)) / 1_000)
  return {
    uuid: textOf(object['uuid']),
    account: textOf(objectIn(object['account'])['code']),
    plan: textOf(objectIn(object['plan'])['code']),
    quantity: numberText(object['quantity']),
    addOns: listIn(object['add_ons']).map(one => ({
      code: textOf(objectIn(one['add_on'])['code']),
      quantity: isOfUsage(one) ? '' : numberText(one['quantity']),
    })),
    state: textOf(object['state']),
    createdMs,
    startMs: at('activated_at') ?? at('current_term_started_at') ?? at('current_period_started_at'),
    trialEndsMs: at('trial_ends_at'),
    periodFromMs: at('current_period_started_at'),
    periodUntilMs: at('current_period_ends_at'),
    pausedMs: at('paused_at'),
    resumesMs: at('resume_at'),
    expiresMs: at('expires_at'),
    endReason: textOf(object['expiration_reason']),
    poNumber: textOf(object['po_number']),
    entity: textOf(object['business_entity_id']),
    metadata: customFields(object),
    changedMs,
    offset: Math.max(0, Math.min(mostReads, readsSince)) * versionsOfState,
    isNew: createdMs !== undefined && createdMs === changedMs,
  }
}

/** What is used is sent to Recurly as usage, and has no quantity that is agreed. */
function isOfUsage(addOn: ForeignObject): boolean {
  const usage = objectIn(addOn['add_on'])['add_on_type']
  return usage === 'usage' || textOf(addOn['usage_calculation_type']) !== ''
}

function paymentOf(object: ForeignObject): PaymentFacts {
  return {
    id: textOf(object['id']),
    account: textOf(objectIn(object['account'])['code']),
    type: textOf(object['type']),
    status: textOf(object['status']),
    currency: textOf(object['currency']),
    amount: numberText(object['amount']) || undefined,
    invoice: textOf(objectIn(object['invoice'])['number']),
    atMs: msOfInstant(object['collected_at']) ?? msOfInstant(object['created_at']),
    voidedMs: msOfInstant(object['voided_at']),
    changedMs: msOfInstant(object['updated_at']),
    original: textOf(object['original_transaction_id']),
    reason: textOf(object['status_code']),
  }
}

function invoiceOf(object: ForeignObject): InvoiceFacts {
  return {
    number: textOf(object['number']),
    account: textOf(objectIn(object['account'])['code']),
    state: textOf(object['state']),
    currency: textOf(object['currency']),
    total: numberText(object['total']) || undefined,
    createdMs: msOfInstant(object['created_at']),
    closedMs: msOfInstant(object['closed_at']),
    dueMs: msOfInstant(object['due_at']),
    subscription: '', // it names ids, which are no uuid
  }
}

function customFields(object: ForeignObject): Readonly<Record<string, unknown>> {
  return Object.fromEntries(listIn(object['custom_fields']).map(one => [textOf(one['name']), one['value']]))
}
