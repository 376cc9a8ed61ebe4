// A transaction of Chargebee: a payment that succeeded, failed, or came back, a refund, and a reversal (a chargeback, or a direct
// debit that was given back). Each is told once under an id made of the transaction.
// A reversal is made when the money is gone: its dispute is lost. When it was voided or deleted the money is there again: it is won.

import { formatInstantMs } from '../../../schemas/time.js'
import { type ForeignObject, listIn, textOf, wholeText } from '../map/object-fields.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import { fromMinorUnits } from '../standard/values.js'
import { msOf } from './subscription.js'
import type { Told } from './told.js'

/** It had succeeded, and does not count any more. */
const tookBack = new Set(['voided', 'late_failure'])

export function mapTransaction({ object, atMs: toldMs }: Told, context: MapContext): MapOutcome {
  const [type, status] = [textOf(object['type']), textOf(object['status'])]
  if (type === 'authorization') return { kind: 'ignored', reason: 'moves_no_money' }
  const told = factsOf(object, context)
  const atMs = msOf(object['date'])
  if (type === 'refund') {
    if (status !== 'success') return { kind: 'ignored', reason: 'refund_not_made' }
    return { kind: 'events', events: [told('refunded', 'refunded', atMs, paymentOf(object), '')] }
  }
  const id = textOf(object['id'])
  const goneMs = object['deleted'] === true ? (msOf(object['updated_at']) ?? toldMs) : undefined
  if (type === 'payment_reversal') {
    const undone = goneMs === undefined ? (tookBack.has(status) ? status : '') : 'deleted'
    if (status !== 'success' && undone === '') return { kind: 'ignored', reason: 'not_final' }
    const decided = (outcome: 'lost' | 'won', key: string, timeMs: number | undefined): MappedEvent => {
      const event = told('disputed', key, timeMs, paymentOf(object), textOf(object['error_code']))
      return { ...event, data: { ...event.data, dispute_id: id, status: outcome } }
    }
    const lost = decided('lost', 'disputed', atMs)
    const wonMs = goneMs ?? msOf(object['voided_at']) ?? msOf(object['updated_at']) ?? toldMs
    return { kind: 'events', events: undone === '' ? [lost] : [lost, decided('won', undone, wonMs)] }
  }
  switch (status) {
    case 'success':
      return { kind: 'events', events: [told('succeeded', 'succeeded', atMs, id, '')] }
    case 'failure':
    case 'timeout':
      return { kind: 'events', events: [told('failed', 'failed', atMs, id, textOf(object['error_code']))] }
    // It had succeeded: the money is not there any more.
    case 'voided':
    case 'late_failure': {
      const back = told('refunded', status, msOf(object['voided_at']) ?? atMs, id, status)
      return { kind: 'events', events: [told('succeeded', 'succeeded', atMs, id, ''), back] }
    }
    default:
      return { kind: 'ignored', reason: 'not_final' }
  }
}

/** The payment that a refund or a reversal is of. */
function paymentOf(object: ForeignObject): string {
  const [linked] = listIn(object['linked_payments'])
  return (
    textOf(object['refunded_txn_id']) ||
    textOf(object['reference_transaction_id']) ||
    textOf(linked?.['id']) ||
    textOf(object['id'])
  )
}

function factsOf(object: ForeignObject, context: MapContext) {
  const [id, currency] = [textOf(object['id']), textOf(object['currency_code'])]
  const amount = fromMinorUnits(wholeText(object['amount']), currency)
  if (id === '') context.fault('missing_value', 'id: the transaction has none.', '/content/transaction/id')
  if (amount === undefined)
    context.fault('invalid_value', 'amount: it is no amount of its currency.', '/content/transaction/amount')
  const customerId = context.id('customer', textOf(object['customer_id']))
  const invoices = new Set(listIn(object['linked_invoices']).map(one => textOf(one['invoice_id'])))
  const [invoice = ''] = invoices.size === 1 ? invoices : []
  return (
    kind: string,
    key: string,
    atMs: number | undefined,
    payment: string,
    reason: string,
  ): MappedEvent => {
    if (atMs === undefined)
      context.fault('missing_value', 'date: the transaction has none.', '/content/transaction/date')
    return {
      ...{ key, id: `transaction/${id}`, type: `weir.payment.${kind}`, subject: customerId },
      time: formatInstantMs(atMs ?? 0),
      data: {
        ...{ payment_id: payment, customer_id: customerId, currency, amount: amount ?? '' },
        ...(invoice === '' ? {} : { invoice_id: invoice }),
        ...(reason === '' ? {} : { reason }),
      },
    }
  }
}
