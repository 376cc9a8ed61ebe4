// A payment of an invoice of Stripe. One by a payment intent is told by that, which names its invoice where the invoice made it; an
// intent that was attached names none, so it is told once more, with its whole amount: of two successes of one payment the earlier
// counts, whichever it is. One that was made outside Stripe is told here alone. The customer stands on the invoice, which is read.

import { idOf, instantOf, objectIn, secondsOf, textOf, wholeText } from '../map/object-fields.js'
import type { MapContext, MapOutcome } from '../source-kind.js'
import { fromMinorUnits } from '../standard/values.js'
import { invoiceOf } from './payment.js'
import type { Told } from './told.js'

const toldElsewhere: MapOutcome = { kind: 'ignored', reason: 'told_by_another_event' }

export function mapInvoicePayment({ object, atSeconds, isFetched }: Told, context: MapContext): MapOutcome {
  if (textOf(object['status']) !== 'paid') return { kind: 'ignored', reason: 'not_final' }
  const payment = objectIn(object['payment'])
  const byIntent = textOf(payment['type']) === 'payment_intent'
  if (byIntent && !isFetched && context.settings['api_key'] === undefined) return toldElsewhere
  const intent = objectIn(payment['payment_intent'])
  if (byIntent && invoiceOf(intent) !== '') return toldElsewhere
  const id = textOf(object['id'])
  const invoice = objectIn(object['invoice'])
  if (textOf(invoice['id']) === '' && !isFetched && /^\w{1,100}$/.test(id))
    return { kind: 'fetch', what: { object: 'invoice_payment', id } }
  if (id === '') context.fault('missing_value', 'id: the payment has none.', '/data/object/id')
  const currency = textOf(object['currency']).toUpperCase()
  const received = byIntent ? wholeText(intent['amount_received']) : ''
  const amount = fromMinorUnits(received === '' ? wholeText(object['amount_paid']) : received, currency)
  if (amount === undefined)
    context.fault(
      'invalid_value',
      'amount_paid: it is no amount of its currency.',
      '/data/object/amount_paid',
    )
  const customer = (byIntent && idOf(intent['customer'])) || idOf(invoice['customer'])
  const customerId = context.id('customer', customer, invoice['metadata'])
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
          payment_id: byIntent ? idOf(payment['payment_intent']) : id,
          ...{ customer_id: customerId, currency, amount: amount ?? '' },
          invoice_id: idOf(object['invoice']),
        },
      },
    ],
  }
}
