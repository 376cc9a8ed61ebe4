// A transaction of Recurly: a payment that succeeded, failed, was voided or charged back, and a refund. Each is told once under an id
// made of the transaction, whichever notification brings it.
// A chargeback is a refund of that status (as Recurly books them unless it is set up otherwise), or the status of the payment itself:
// the money is gone, so the dispute is lost; both are one dispute of the payment. Of a payment Recurly does not say since when; the last
// change does, and that stands in the id. That a chargeback was won after all Recurly never tells.

import { formatInstantMs } from '../../../schemas/time.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import type { PaymentFacts } from './facts.js'

const failed = new Set(['declined', 'error', 'unsuccessful', 'failed'])
/** The money came in, whatever became of it. */
const made = new Set(['success', 'void', 'chargeback'])
const ofMoney = new Set(['purchase', 'capture', 'refund'])

export function mapPayment(facts: PaymentFacts, context: MapContext): MapOutcome {
  const { type, status, amount, currency, atMs } = facts
  if (!ofMoney.has(type)) return { kind: 'ignored', reason: 'moves_no_money' }
  const isRefund = type === 'refund'
  const isFailed = failed.has(status)
  if (!isFailed && !made.has(status)) return { kind: 'ignored', reason: 'not_final' }
  if (isRefund && status !== 'success' && status !== 'chargeback')
    return { kind: 'ignored', reason: 'refund_not_made' }
  if (facts.id === '') context.fault('missing_value', 'id: the transaction has none.', '/id')
  if (currency === '')
    context.fault(
      'missing_value',
      'currency: payments in XML name none; the source needs api_key or currency.',
      '/currency',
    )
  else if (amount === undefined)
    context.fault('invalid_value', 'amount: it is no amount of its currency.', '/amount')
  if (atMs === undefined) context.fault('missing_value', 'date: the transaction has none.', '/created_at')
  return {
    kind: 'events',
    events: eventsOf(facts, isRefund ? 'refunded' : isFailed ? 'failed' : 'succeeded', context),
  }
}

function eventsOf(
  facts: PaymentFacts,
  what: 'succeeded' | 'failed' | 'refunded',
  context: MapContext,
): MappedEvent[] {
  const {
    id,
    status,
    currency,
    amount = '',
    invoice,
    atMs = 0,
    voidedMs,
    changedMs,
    original,
    reason,
  } = facts
  const customerId = context.id('customer', facts.account)
  const event = (kind: string, timeMs: number, paymentId: string, why: string): MappedEvent => ({
    ...{ key: kind, id, type: `weir.payment.${kind}`, subject: customerId, time: formatInstantMs(timeMs) },
    data: {
      ...{ payment_id: paymentId, customer_id: customerId, currency, amount },
      ...(invoice === '' ? {} : { invoice_id: invoice }),
      ...(why === '' ? {} : { reason: why }),
    },
  })
  const lost = (timeMs: number, paymentId: string, key: string): MappedEvent => {
    const told = event('disputed', timeMs, paymentId, 'chargeback')
    return { ...told, key, data: { ...told.data, dispute_id: `${paymentId}/chargeback`, status: 'lost' } }
  }
  if (what === 'refunded' && status === 'chargeback') return [lost(atMs, original || id, 'chargeback')]
  if (what === 'refunded') return [event('refunded', atMs, original || id, '')]
  if (what === 'failed') return [event('failed', atMs, id, reason)]
  const paid = event('succeeded', atMs, id, '')
  if (status === 'chargeback') {
    const lostMs = Math.max(changedMs ?? atMs, atMs)
    return [paid, lost(lostMs, id, `chargeback/${Math.floor(lostMs / 1_000)}`)]
  }
  if (status !== 'void') return [paid]
  // Voided before it was settled: the money is not there any more.
  return [paid, { ...event('refunded', voidedMs ?? atMs, id, 'void'), key: 'voided' }]
}
