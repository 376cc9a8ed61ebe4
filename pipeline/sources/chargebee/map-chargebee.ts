// From an event of Chargebee, or an object that was read, to what becomes of it. An event holds its objects under `content`, in the
// form of its `api_version`: `v1` has plans and addons, `v2` items.

import {
  type ForeignObject,
  jsonObjectOf,
  msOfInstant,
  objectIn,
  secondsOf,
  textOf,
} from '../map/object-fields.js'
import type { Arrival, MapContext, MapOutcome } from '../source-kind.js'
import { mapCustomer } from './customer.js'
import { mapCreditNote, mapInvoice } from './invoice.js'
import { mapSubscription } from './subscription.js'
import { type Readable, readable, readType, type Told } from './told.js'
import { mapTransaction } from './transaction.js'

const notices = /_reminder$|^subscription_(?:advance_invoice|entitlements|ramp)/
const objectBy: readonly (readonly [RegExp, Readable])[] = [
  [/^subscription_/, 'subscription'],
  [/^customer_/, 'customer'],
  [/^invoice_/, 'invoice'],
  [/^credit_note_/, 'credit_note'],
  [/^(?:payment_(?:succeeded|failed|refunded|initiated)|refund_initiated|transaction_\w+)$/, 'transaction'],
]

export function mapChargebee(arrival: Arrival, context: MapContext): MapOutcome {
  const event = jsonObjectOf(arrival.bytes)
  if (event === undefined) {
    context.fault('malformed_body', 'The body is no JSON object in UTF-8.')
    return { kind: 'events', events: [] }
  }
  if (event['type'] === readType && arrival.via !== 'webhook') return mapRead(event, context)
  const [type, id, seconds] = [
    textOf(event['event_type']),
    textOf(event['id']),
    secondsOf(event['occurred_at']),
  ]
  if (type === '' || id === '' || seconds === undefined) {
    context.fault('malformed_event', 'The event has no id, event_type or occurred_at.', '')
    return { kind: 'events', events: [] }
  }
  const kind = objectBy.find(([types]) => types.test(type))?.[1]
  if (kind === undefined) return { kind: 'ignored', reason: 'type_not_mapped' }
  if (notices.test(type)) return { kind: 'ignored', reason: 'notice_only' }
  if (context.settings['confirm_origin'] === true && arrival.via === 'webhook') return confirm(id, context)
  const object = objectIn(event['content'])[kind]
  if (object === undefined) return { kind: 'ignored', reason: 'without_its_object' }
  return mapObject(kind, { object: objectIn(object), type, atMs: seconds * 1_000, eventId: id }, context)
}

/** The event is read from Chargebee, and counts as it stands there. */
function confirm(id: string, context: MapContext): MapOutcome {
  if (/^[A-Za-z0-9_-]{1,100}$/.test(id)) return { kind: 'fetch', what: { object: 'event', id } }
  context.fault('malformed_event', 'The id of the event is none of Chargebee.', '/id')
  return { kind: 'events', events: [] }
}

function mapRead(read: ForeignObject, context: MapContext): MapOutcome {
  const content = objectIn(read['content'])
  const kind = readable.find(one => content[one] !== undefined)
  if (kind === undefined) return { kind: 'ignored', reason: 'type_not_mapped' }
  const atMs = msOfInstant(read['read_at']) ?? 0
  return mapObject(
    kind,
    { object: objectIn(content[kind]), type: readType, atMs, eventId: undefined },
    context,
  )
}

function mapObject(kind: Readable, told: Told, context: MapContext): MapOutcome {
  switch (kind) {
    case 'subscription':
      return mapSubscription(told, context)
    case 'customer':
      return mapCustomer(told, context)
    case 'invoice':
      return mapInvoice(told, context)
    case 'credit_note':
      return mapCreditNote(told, context)
    case 'transaction':
      return mapTransaction(told, context)
    default:
      return kind satisfies never
  }
}
