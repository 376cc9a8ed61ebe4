// Payments of Stripe: a payment intent that succeeded or failed. A success is told once under an id made of the intent, a failure
// once for each charge that was tried. Since 2025-03-31 an intent has no `invoice`: the reference of its order is the id of the
// invoice that made it.

import { type ForeignObject, idOf, instantOf, objectIn, textOf, wholeText } from '../map/object-fields.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import { fromMinorUnits } from '../standard/values.js'
import type { Told } from './told.js'

export function mapPaymentIntent(told: Told, context: MapContext): MapOutcome {
  const { object, type, atSeconds, eventId } = told
  const status = textOf(object['status'])
  const isSuccess = type === 'payment_intent.succeeded' || (type === 'fetched' && status === 'succeeded')
  if (!isSuccess && type !== 'payment_intent.payment_failed') return { kind: 'ignored', reason: 'not_final' }
  const id = textOf(object['id'])
  if (id === '') context.fault('missing_value', 'id: the payment has none.', '/data/object/id')
  const amount = wholeText(object['amount_received'])
  const facts = factsOf(object, isSuccess && amount !== '' ? amount : wholeText(object['amount']), context)
  const error = objectIn(object['last_payment_error'])
  const reason = textOf(error['decline_code']) || textOf(error['code'])
  const tried = idOf(object['latest_charge']) || textOf(error['charge']) || eventId
  const event: MappedEvent = {
    ...(isSuccess ? { key: 'succeeded', id } : { key: `failed/${tried}`, id }),
    type: isSuccess ? 'weir.payment.succeeded' : 'weir.payment.failed',
    subject: facts.customer_id,
    time: instantOf(atSeconds),
    data: { payment_id: id, ...facts, ...(isSuccess || reason === '' ? {} : { reason }) },
  }
  return { kind: 'events', events: [event] }
}

function factsOf(object: ForeignObject, minor: string, context: MapContext) {
  const currency = textOf(object['currency']).toUpperCase()
  const amount = fromMinorUnits(minor, currency)
  if (amount === undefined)
    context.fault('invalid_value', 'amount: it is no amount of its currency.', '/data/object/amount')
  const invoice = invoiceOf(object)
  return {
    customer_id: context.id('customer', idOf(object['customer']), object['metadata']),
    currency,
    amount: amount ?? '',
    ...(invoice === '' ? {} : { invoice_id: invoice }),
  }
}

/** Of a payment intent; an order may also be a checkout session (`cs_…`) or a reference of the merchant. */
export function invoiceOf(intent: ForeignObject): string {
  const reference = textOf(objectIn(intent['payment_details'])['order_reference'])
  return idOf(intent['invoice']) || (/^in_\w{1,100}$/.test(reference) ? reference : '')
}
