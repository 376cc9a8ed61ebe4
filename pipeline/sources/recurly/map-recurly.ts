// From a notification of Recurly, or an object that was read, to what becomes of it.
// A notification in JSON names its object and does not hold it, so it is read. So is that of XML where the source has a key: XML
// holds no time of the change, and payments in it no currency.

import { isRecord } from '../../../schemas/json/json-text.js'
import { type ForeignObject, jsonObjectOf, msOfInstant, textOf } from '../map/object-fields.js'
import type { Arrival, FetchWhat, MapContext, MapOutcome } from '../source-kind.js'
import { mapAccount } from './account.js'
import type { RecurlyFacts } from './facts.js'
import { factsOfJson } from './from-json.js'
import { factsOfXml, type Notification, notificationOf } from './from-xml.js'
import { mapInvoice } from './invoice.js'
import { mapPayment } from './payment.js'
import { mapSubscription } from './subscription.js'

/** The type of an arrival that is an object as it was read. */
export const readType = 'read'

/** By `object_type` of a notification: what is read. */
const readBy: Readonly<Record<string, string>> = {
  account: 'account',
  subscription: 'subscription',
  charge_invoice: 'invoice',
  credit_invoice: 'invoice',
  invoice: 'invoice',
  payment: 'transaction',
  transaction: 'transaction',
}

export function mapRecurly(arrival: Arrival, context: MapContext): MapOutcome {
  const json = jsonObjectOf(arrival.bytes)
  if (json === undefined) {
    const notification = notificationOf(arrival.bytes)
    if (notification !== undefined) return mapXml(notification, context)
    context.fault('malformed_body', 'The body is neither a JSON object nor a notification in XML.')
    return { kind: 'events', events: [] }
  }
  if (json['type'] === readType && arrival.via !== 'webhook') return mapRead(json, context)
  return mapTrigger(json, context)
}

function mapTrigger(json: ForeignObject, context: MapContext): MapOutcome {
  const [objectType, id] = [textOf(json['object_type']), textOf(json['id'])]
  if (objectType === '') {
    context.fault('malformed_event', 'The notification has no object_type.', '/object_type')
    return { kind: 'events', events: [] }
  }
  const object = Object.hasOwn(readBy, objectType) ? readBy[objectType] : undefined
  if (object === undefined) return { kind: 'ignored', reason: 'type_not_mapped' }
  if (/^[A-Za-z0-9_-]{1,64}$/.test(id)) return { kind: 'fetch', what: { object, id } }
  context.fault('missing_value', 'id: the notification names no object.', '/id')
  return { kind: 'events', events: [] }
}

function mapRead(json: ForeignObject, context: MapContext): MapOutcome {
  const readMs = msOfInstant(json['read_at']) ?? 0
  const facts = isRecord(json['object']) ? factsOfJson(json['object'], readMs) : undefined
  return facts === undefined ? { kind: 'ignored', reason: 'type_not_mapped' } : mapFacts(facts, context)
}

function mapXml(notification: Notification, context: MapContext): MapOutcome {
  const { settings } = context
  const currency = typeof settings['currency'] === 'string' ? settings['currency'] : undefined
  const told = factsOfXml(notification, currency)
  if (told === undefined) return { kind: 'ignored', reason: 'type_not_mapped' }
  const what = readInstead(told)
  const isUndated = notification.type === 'reactivated_account'
  if (what !== undefined && (settings['api_key'] !== undefined || isUndated)) return { kind: 'fetch', what }
  return mapFacts(told, context)
}

/** What is read in place of the XML. */
function readInstead(told: RecurlyFacts): FetchWhat | undefined {
  const named = (object: string, prefix: string, id: string) =>
    /^[A-Za-z0-9_-]{1,50}$/.test(id) ? { object, id: `${prefix}${id}` } : undefined
  switch (told.kind) {
    case 'subscription':
      return named('subscription', 'uuid-', told.facts.uuid)
    case 'payment':
      return named('transaction', 'uuid-', told.facts.id)
    case 'invoice':
      return named('invoice', 'number-', told.facts.number)
    case 'account':
      return undefined
    default:
      return told satisfies never
  }
}

function mapFacts(told: RecurlyFacts, context: MapContext): MapOutcome {
  switch (told.kind) {
    case 'subscription':
      return mapSubscription(told.facts, context)
    case 'payment':
      return mapPayment(told.facts, context)
    case 'invoice':
      return mapInvoice(told.facts, context)
    case 'account':
      return mapAccount(told.facts, context)
    default:
      return told satisfies never
  }
}
