// A transaction of Recurly: a payment that succeeded, failed or was voided, and a refund. Each is told once under an id made of the
// transaction, whichever notification brings it.

import { formatInstantMs } from '../../../schemas/time.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import type { PaymentFacts } from './facts.js'

const failed = new Set(['declined', 'error', 'unsuccessful', 'failed'])
const ofMoney = new Set(['purchase', 'capture', 'refund'])

export function mapPayment(facts: PaymentFacts, context: MapContext): MapOutcome {
  const { type, status, amount, currency, atMs } = facts
  if (!ofMoney.has(type)) return { kind: 'ignored', reason: 'moves_no_money' }
  if (status === 'chargeback') return { kind: 'ignored', reason: 'no_event_for_disputes' }
  const isRefund = type === 'refund'
  const isFailed = failed.has(status)
  if (!isFailed && status !== 'success' && status !== 'void') return { kind: 'ignored', reason: 'not_final' }
  if (isRefund && status !== 'success') return { kind: 'ignored', reason: 'refund_not_made' }
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
  const { id, status, currency, amount = '', invoice, atMs = 0, voidedMs, original, reason } = facts
  const customerId = context.id('customer', facts.account)
  const event = (kind: string, timeMs: number, paymentId: string, why: string): MappedEvent => ({
    ...{ key: kind, id, type: `weir.payment.${kind}`, subject: customerId, time: formatInstantMs(timeMs) },
    data: {
      ...{ payment_id: paymentId, customer_id: customerId, currency, amount },
      ...(invoice === '' ? {} : { invoice_id: invoice }),
      ...(why === '' ? {} : { reason: why }),
    },
  })
  if (what === 'refunded') return [event('refunded', atMs, original || id, '')]
  if (what === 'failed') return [event('failed', atMs, id, reason)]
  const paid = event('succeeded', atMs, id, '')
  if (status !== 'void') return [paid]
  // Voided before it was settled: the money is not there any more.
  return [paid, { ...event('refunded', voidedMs ?? atMs, id, 'void'), key: 'voided' }]
}
