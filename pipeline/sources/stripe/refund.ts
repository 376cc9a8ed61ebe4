// Refunds of Stripe, each told once under its own id, whether it comes by itself or in the list of its charge. With
// `refunds_from: charge` they are told by the sum that `charge.refunded` has so far, and events of single refunds are not.
// Invariant: one refund is never told in both ways.

import {
  type ForeignObject,
  idOf,
  instantOf,
  listIn,
  objectIn,
  secondsOf,
  textOf,
  wholeText,
} from '../map/object-fields.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import { fromMinorUnits } from '../standard/values.js'
import type { Told } from './told.js'

const toldElsewhere: MapOutcome = { kind: 'ignored', reason: 'told_by_another_event' }

/** `refund.created`, `.updated`, `.failed`, or a refund that was read with its charge. */
export function mapRefund({ object, isFetched, previous }: Told, context: MapContext): MapOutcome {
  if (context.settings['refunds_from'] === 'charge') return toldElsewhere
  const [id, status] = [textOf(object['id']), textOf(object['status'])]
  switch (status) {
    case 'succeeded':
      break
    case 'failed':
    case 'canceled': {
      const before = textOf(previous['status'])
      if (isFetched || before === 'pending' || before === 'requires_action')
        return { kind: 'ignored', reason: 'refund_not_made' }
      const why = textOf(object['failure_reason'])
      const detail = `The refund ${id.slice(0, 100)} is ${status}${why === '' ? '' : ` (${why.slice(0, 100)})`}: if it was told as made, it is to be put right by hand.`
      context.fault('refund_failed', detail, '/data/object/status')
      return { kind: 'events', events: [] }
    }
    default:
      return { kind: 'ignored', reason: 'not_final' }
  }
  const charge = objectIn(object['charge'])
  if (customerOf(object, charge) === '' && !isFetched && /^\w{1,100}$/.test(id))
    return { kind: 'fetch', what: { object: 'refund', id } }
  return { kind: 'events', events: [refundEvent(object, charge, context)] }
}

/** `charge.refunded`, or a charge that was read with its refunds. */
export function mapCharge(told: Told, context: MapContext): MapOutcome {
  const { object, type, isFetched } = told
  if (type !== 'charge.refunded' && !isFetched) return toldElsewhere
  if (context.settings['refunds_from'] === 'charge') return isFetched ? toldElsewhere : mapSum(told, context)
  const list = objectIn(object['refunds'])
  const id = textOf(object['id'])
  if (Array.isArray(list['data']) && list['has_more'] !== true) {
    const made = listIn(list).filter(one => one['status'] === 'succeeded')
    if (made.length === 0) return { kind: 'ignored', reason: 'not_final' }
    return { kind: 'events', events: made.map(one => refundEvent(one, object, context)) }
  }
  if (isFetched || context.settings['api_key'] === undefined || !/^\w{1,100}$/.test(id)) return toldElsewhere
  return { kind: 'fetch', what: { object: 'charge', id } }
}

function customerOf(refund: ForeignObject, charge: ForeignObject): string {
  return idOf(refund['customer']) || idOf(charge['customer'])
}

function refundEvent(refund: ForeignObject, charge: ForeignObject, context: MapContext): MappedEvent {
  const id = textOf(refund['id'])
  const created = secondsOf(refund['created'])
  const currency = textOf(refund['currency']).toUpperCase()
  const amount = fromMinorUnits(wholeText(refund['amount']), currency)
  if (id === '') context.fault('missing_value', 'id: the refund has none.', '/data/object/id')
  if (created === undefined)
    context.fault('missing_value', 'created: the refund has none.', '/data/object/created')
  if (amount === undefined)
    context.fault('invalid_value', 'amount: it is no amount of its currency.', '/data/object/amount')
  const metadata = { ...objectIn(charge['metadata']), ...objectIn(refund['metadata']) }
  const customerId = context.id('customer', customerOf(refund, charge), metadata)
  const payment = idOf(refund['payment_intent']) || idOf(refund['charge']) || textOf(charge['id']) || id
  const reason = textOf(refund['reason'])
  return {
    ...{ key: 'refunded', id, type: 'weir.payment.refunded', subject: customerId },
    time: instantOf(created ?? 0),
    data: {
      ...{ payment_id: payment, customer_id: customerId, currency, amount: amount ?? '' },
      ...(reason === '' ? {} : { reason }),
    },
  }
}

/** `amount_refunded` is the sum so far; what this event added is the difference to what it was before. */
function mapSum({ object, atSeconds, previous }: Told, context: MapContext): MapOutcome {
  const id = textOf(object['id'])
  const [soFar, before] = [wholeText(object['amount_refunded']), wholeText(previous['amount_refunded'])]
  if (soFar === '')
    context.fault('missing_value', 'amount_refunded: there is none.', '/data/object/amount_refunded')
  else if (before === '')
    context.fault(
      'refund_not_known',
      'The event does not say what had been refunded before; with refunds_from: refund each is told by itself.',
      '/data/previous_attributes/amount_refunded',
    )
  const added = soFar === '' || before === '' ? '' : String(BigInt(soFar) - BigInt(before))
  if (added.startsWith('-')) return { kind: 'ignored', reason: 'refund_not_made' }
  const currency = textOf(object['currency']).toUpperCase()
  const amount = fromMinorUnits(added, currency)
  if (amount === undefined)
    context.fault('invalid_value', 'amount: it is no amount of its currency.', '/data/object/amount')
  const customerId = context.id('customer', idOf(object['customer']), object['metadata'])
  const invoice = idOf(object['invoice'])
  const event: MappedEvent = {
    ...{ key: `refunded/${soFar}`, id, type: 'weir.payment.refunded', subject: customerId },
    time: instantOf(atSeconds),
    data: {
      payment_id: idOf(object['payment_intent']) || id,
      ...{ customer_id: customerId, currency, amount: amount ?? '' },
      ...(invoice === '' ? {} : { invoice_id: invoice }),
    },
  }
  return { kind: 'events', events: [event] }
}
