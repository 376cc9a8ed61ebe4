// The facts of a notification in Recurly's older XML: the root element is what happened, and holds the account and the object.
// Invariants:
// 1. A document with a DTD is not read: no entity is defined or followed. The parser bounds how deep elements may nest.
// 2. XML names no time of the change: the order is the latest of the object's own instants that its state is about.

import { decodeUtf8 } from '../../../schemas/json/json-text.js'
import { xmlOf } from '../../../sinks/http/xml.js'
import { type ForeignObject, msOfInstant, objectIn } from '../map/object-fields.js'
import { fromMinorUnits } from '../standard/values.js'
import type { AccountFacts, InvoiceFacts, PaymentFacts, RecurlyFacts, SubscriptionFacts } from './facts.js'

export interface Notification {
  /** The name of the root without `_notification`. */
  readonly type: string
  readonly root: ForeignObject
}

/** Undefined: the bytes are no notification. */
export function notificationOf(bytes: Uint8Array): Notification | undefined {
  const text = decodeUtf8(bytes)
  if (text === undefined || /<!(?:DOCTYPE|ENTITY)/i.test(text)) return undefined // invariant 1
  const tree = xmlOf({ body: text }, ['subscription_add_on', 'subscription_id'])
  const [name, ...others] = Object.keys(objectIn(tree)).filter(one => !one.startsWith('?'))
  const type = /^([a-z_]{1,100})_notification$/.exec(name ?? '')?.[1]
  return type === undefined || name === undefined || others.length > 0
    ? undefined
    : { type, root: objectIn(objectIn(tree)[name]) }
}

/** Undefined: a notification that tells us nothing. */
export function factsOfXml(
  { type, root }: Notification,
  currency: string | undefined,
): RecurlyFacts | undefined {
  const account = accountOf(objectIn(root['account']))
  if (root['subscription'] !== undefined && /subscription|reactivated_account/.test(type))
    return {
      kind: 'subscription',
      facts: subscriptionOf(objectIn(root['subscription']), account.code, type),
    }
  if (root['transaction'] !== undefined && /payment|refund/.test(type))
    return {
      kind: 'payment',
      facts: paymentOf(objectIn(root['transaction']), account.code, { type, currency }),
    }
  if (root['invoice'] !== undefined && type.endsWith('_invoice'))
    return { kind: 'invoice', facts: invoiceOf(objectIn(root['invoice']), account.code) }
  return /^(new|updated|canceled)_account$/.test(type) ? { kind: 'account', facts: account } : undefined
}

function accountOf(element: ForeignObject): AccountFacts {
  return {
    code: xmlValue(element['account_code']),
    company: xmlValue(element['company_name']),
    firstName: xmlValue(element['first_name']),
    lastName: xmlValue(element['last_name']),
    changedMs: undefined,
    metadata: {},
  }
}

function subscriptionOf(element: ForeignObject, account: string, type: string): SubscriptionFacts {
  const at = (name: string) => msOfInstant(xmlValue(element[name]))
  const state = xmlValue(element['state'])
  const startMs = at('activated_at') ?? at('current_period_started_at')
  const instants = [
    startMs,
    at('current_period_started_at'),
    at('canceled_at'),
    state === 'expired' ? at('expires_at') : undefined,
    state === 'paused' ? at('paused_at') : undefined,
  ].filter(one => one !== undefined)
  const addOns = objectIn(element['subscription_add_ons'])['subscription_add_on']
  return {
    uuid: xmlValue(element['uuid']),
    account,
    plan: xmlValue(objectIn(element['plan'])['plan_code']),
    quantity: xmlValue(element['quantity']),
    addOns: (Array.isArray(addOns) ? addOns : []).map(objectIn).map(one => ({
      code: xmlValue(one['add_on_code']),
      quantity: xmlValue(one['usage_type']) === '' ? xmlValue(one['quantity']) : '',
    })),
    state,
    createdMs: undefined,
    startMs,
    trialEndsMs: at('trial_ends_at'),
    periodFromMs: at('current_period_started_at'),
    periodUntilMs: at('current_period_ends_at'),
    pausedMs: at('paused_at'),
    resumesMs: at('resume_at'),
    expiresMs: at('expires_at'),
    endReason: '',
    poNumber: xmlValue(element['po_number']),
    entity: '',
    metadata: {},
    changedMs: instants.length === 0 ? undefined : Math.max(...instants), // invariant 2
    offset: 0,
    isNew: type === 'new_subscription',
  }
}

function paymentOf(
  element: ForeignObject,
  account: string,
  { type, currency = '' }: { readonly type: string; readonly currency: string | undefined },
): PaymentFacts {
  const status = xmlValue(element['status']).toLowerCase()
  const isRefund = type.includes('refund') || /^(credit|refund)$/.test(xmlValue(element['action']))
  const atMs = msOfInstant(xmlValue(element['date']))
  return {
    id: xmlValue(element['id']),
    account,
    type: isRefund ? 'refund' : xmlValue(element['action']),
    status,
    currency,
    amount: fromMinorUnits(xmlValue(element['amount_in_cents']), currency),
    invoice: `${xmlValue(element['invoice_number_prefix'])}${xmlValue(element['invoice_number'])}`,
    atMs,
    voidedMs: status === 'void' ? atMs : undefined,
    changedMs: undefined,
    original: '',
    reason: xmlValue(element['failure_type']),
  }
}

function invoiceOf(element: ForeignObject, account: string): InvoiceFacts {
  const currency = xmlValue(element['currency'])
  const named = objectIn(element['subscription_ids'])['subscription_id']
  const ids = (Array.isArray(named) ? named : []).map(xmlValue).filter(id => id !== '')
  return {
    number: `${xmlValue(element['invoice_number_prefix'])}${xmlValue(element['invoice_number'])}`,
    account,
    state: xmlValue(element['state']),
    currency,
    total: fromMinorUnits(xmlValue(element['total_in_cents']), currency),
    createdMs: msOfInstant(xmlValue(element['created_at'])),
    closedMs: msOfInstant(xmlValue(element['closed_at'])),
    dueMs: msOfInstant(xmlValue(element['due_on'])),
    subscription: ids.length === 1 ? ids[0]! : '',
  }
}

/** The text of an element, with or without attributes. */
export function xmlValue(element: unknown): string {
  if (typeof element === 'string') return element
  const { '@nil': nil, '#text': text } = objectIn(element)
  return nil === 'true' || typeof text !== 'string' ? '' : text
}
