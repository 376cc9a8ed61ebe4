// From an event of Stripe, or an object that was read, to what becomes of it.

import { decodeUtf8, isRecord, parseJson } from '../../../schemas/json/json-text.js'
import { type ForeignObject, idOf, objectIn, secondsOf, textOf } from '../map/object-fields.js'
import type { Arrival, MapContext, MapOutcome } from '../source-kind.js'
import { mapCustomer } from './customer.js'
import { mapDispute } from './dispute.js'
import { mapInvoice } from './invoice.js'
import { mapInvoicePayment } from './invoice-payment.js'
import { mapPaymentIntent } from './payment.js'
import { mapCharge, mapRefund } from './refund.js'
import { mapSchedule } from './schedule.js'
import { mapSubscription } from './subscription.js'
import { readable, type Told } from './told.js'

const thinObject = 'v2.core.event'

export function mapStripe(arrival: Arrival, context: MapContext): MapOutcome {
  const text = decodeUtf8(arrival.bytes)
  const json = text === undefined ? undefined : parseJson(text)
  if (json?.kind !== 'ok' || !isRecord(json.value)) {
    context.fault('malformed_body', 'The body is no JSON object in UTF-8.')
    return { kind: 'events', events: [] }
  }
  const event = json.value
  if (event['object'] === thinObject) return mapThin(event)
  const type = textOf(event['type']).replace(/^v1\./, '')
  const object = objectIn(objectIn(event['data'])['object'])
  const atSeconds = secondsOf(event['created'])
  if (type === '' || atSeconds === undefined) {
    context.fault('malformed_event', 'The event has no type or no time.', type === '' ? '/type' : '/created')
    return { kind: 'events', events: [] }
  }
  const told: Told = {
    object,
    type,
    atSeconds,
    previous: objectIn(objectIn(event['data'])['previous_attributes']),
    eventId: arrival.id,
    isFetched: type === 'fetched',
  }
  return byType(told, context)
}

function byType(told: Told, context: MapContext): MapOutcome {
  const { type } = told
  const of = type === 'fetched' ? textOf(told.object['object']) : type
  if (/^(?:customer\.)?subscription(?:$|\.)/.test(of)) return mapSubscription(told, context)
  if (/^customer(?:$|\.(?:created|updated)$)/.test(of)) return mapCustomer(told, context)
  if (/^subscription_schedule(?:$|\.)/.test(of)) return mapSchedule(told, context)
  if (/^invoice_payment(?:$|\.paid$)/.test(of)) return mapInvoicePayment(told, context)
  if (/^invoice(?:$|\.)/.test(of)) return mapInvoice(told, context)
  if (/^payment_intent(?:$|\.)/.test(of)) return mapPaymentIntent(told, context)
  if (/^(?:charge\.)?refund(?:$|\.(?:created|updated|failed)$)/.test(of)) return mapRefund(told, context)
  if (/^(?:charge\.)?dispute(?:$|\.)/.test(of)) return mapDispute(told, context)
  if (of === 'charge' || of === 'charge.refunded') return mapCharge(told, context)
  return { kind: 'ignored', reason: 'type_not_mapped' }
}

/** A thin event names its object and does not hold it. */
function mapThin(event: ForeignObject): MapOutcome {
  const related = objectIn(event['related_object'])
  const object = readable.find(one => one === textOf(related['type']))
  const id = idOf(related['id'])
  if (object === undefined || !/^[A-Za-z0-9_]{1,100}$/.test(id))
    return { kind: 'ignored', reason: 'type_not_mapped' }
  return { kind: 'fetch', what: { object, id } }
}
