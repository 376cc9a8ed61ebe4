// A payment of an invoice of Stripe. One by a payment intent is told by that; one that was made outside Stripe is told here, and its
// customer stands on the invoice.

import { idOf, instantOf, objectIn, secondsOf, textOf, wholeText } from '../map/object-fields.js'
import type { MapContext, MapOutcome } from '../source-kind.js'
import { fromMinorUnits } from '../standard/values.js'
import type { Told } from './told.js'

export function mapInvoicePayment({ object, atSeconds, isFetched }: Told, context: MapContext): MapOutcome {
  if (textOf(object['status']) !== 'paid') return { kind: 'ignored', reason: 'not_final' }
  if (textOf(objectIn(object['payment'])['type']) === 'payment_intent')
    return { kind: 'ignored', reason: 'told_by_another_event' }
  const id = textOf(object['id'])
  const invoice = objectIn(object['invoice'])
  if (textOf(invoice['id']) === '' && !isFetched && /^\w{1,100}$/.test(id))
    return { kind: 'fetch', what: { object: 'invoice_payment', id } }
  if (id === '') context.fault('missing_value', 'id: the payment has none.', '/data/object/id')
  const currency = textOf(object['currency']).toUpperCase()
  const amount = fromMinorUnits(wholeText(object['amount_paid']), currency)
  if (amount === undefined)
    context.fault(
      'invalid_value',
      'amount_paid: it is no amount of its currency.',
      '/data/object/amount_paid',
    )
  const customerId = context.id('customer', idOf(invoice['customer']), invoice['metadata'])
  const paid = secondsOf(objectIn(object['status_transitions'])['paid_at']) ?? atSeconds
  return {
    kind: 'events',
    events: [
      {
        ...{
          key: 'succeeded',
          id,
          type: 'weir.payment.succeeded',
          subject: customerId,
          time: instantOf(paid),
        },
        data: {
          ...{ payment_id: id, customer_id: customerId, currency, amount: amount ?? '' },
          invoice_id: idOf(object['invoice']),
        },
      },
    ],
  }
}
