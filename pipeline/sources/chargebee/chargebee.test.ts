// Events of Chargebee become the right events, of both product catalogs, whoever claims to be Chargebee.

import { expect, test } from 'vitest'
import { formatInstantMs } from '../../../schemas/time.js'
import type { MadeEvent } from '../map/made-events.js'
import { openSamples } from '../testing/conformance.js'
import { describeConformance } from '../testing/describe-conformance.js'
import { chargebeeSamples, event, invoice, subscription, transaction } from './testing/chargebee-samples.js'

describeConformance(chargebeeSamples)

const at = 1_790_812_800
const eventsOf = async (type: string, content: object): Promise<readonly MadeEvent[]> => {
  const open = await openSamples(chargebeeSamples)
  return open.events(open.arrivals(event('ev_1', type, at, content)))
}
const stateOf = async (changes: object) =>
  (await eventsOf('subscription_changed', { subscription: { ...subscription(5, at), ...changes } })).map(
    ({ type, data }) => [type.slice(18), data['effective_from'], data['effective_until'] ?? data['reason']],
  )

test('a subscription: its items without what is metered, and each status with the instants that it names', async () => {
  const [terms] = await eventsOf('subscription_changed', { subscription: subscription(5, at) })
  expect(terms).toMatchObject({
    ...{ id: 'ev_1', type: 'weir.subscription.created', source: 'weir:chargebee:sample', subject: 'acme' },
    data: {
      ...{ subscription_id: 'sub_1', plan: 'pro', quantities: { seats: '5' }, trial_until: null },
      ...{
        billing_anchor: '2026-01-01T00:00:00Z',
        effective_from: '2026-10-01T00:00:00Z',
        effective_until: null,
      },
    },
  })
  const now = '2026-10-01T00:00:00Z'
  const soon = at + 86_400
  expect(await stateOf({ status: 'non_renewing', cancelled_at: soon })).toEqual([
    ['created', now, '2026-10-02T00:00:00Z'],
  ])
  expect(await stateOf({ status: 'cancelled', cancelled_at: at, cancel_reason: 'not_paid' })).toEqual([
    ['created', now, undefined],
    ['cancelled', now, 'not_paid'],
  ])
  expect(await stateOf({ pause_date: soon, resume_date: soon + 86_400 })).toEqual([
    ['created', now, undefined],
    ['suspended', '2026-10-02T00:00:00Z', 'paused'],
    ['resumed', '2026-10-03T00:00:00Z', undefined],
  ])
  expect(await stateOf({ status: 'future', started_at: undefined, start_date: soon })).toEqual([
    ['created', '2026-10-02T00:00:00Z', undefined],
  ])
  expect(await stateOf({ status: 'active', deleted: true })).toEqual([
    ['created', now, undefined],
    ['cancelled', now, undefined],
  ])
  const made = await eventsOf('subscription_created', { subscription: subscription(5, at) })
  expect(made[0]?.data).toMatchObject({ effective_from: '2026-01-01T00:00:00Z' })
})

test('payments, refunds, invoices and credit notes have ids of the object, so that several events tell of one once', async () => {
  const ofTransaction = async (type: string, changes: object) =>
    (await eventsOf(type, { transaction: { ...transaction, ...changes } })).map(({ id, type: of, data }) => [
      id,
      of.slice(5),
      data['payment_id'],
      data['amount'],
    ])
  expect(await ofTransaction('payment_succeeded', {})).toEqual([
    ['transaction/txn_1/succeeded', 'payment.succeeded', 'txn_1', '12.50'],
  ])
  expect(await ofTransaction('transaction_updated', { status: 'late_failure' })).toEqual([
    ['transaction/txn_1/succeeded', 'payment.succeeded', 'txn_1', '12.50'],
    ['transaction/txn_1/late_failure', 'payment.refunded', 'txn_1', '12.50'],
  ])
  expect(await ofTransaction('payment_failed', { status: 'failure', error_code: 'card_declined' })).toEqual([
    ['transaction/txn_1/failed', 'payment.failed', 'txn_1', '12.50'],
  ])
  const refund = { id: 'txn_2', type: 'refund', refunded_txn_id: 'txn_1', amount: 250 }
  expect(await ofTransaction('payment_refunded', refund)).toEqual([
    ['transaction/txn_2/refunded', 'payment.refunded', 'txn_1', '2.50'],
  ])
  const reversal = { id: 'txn_3', type: 'payment_reversal', linked_payments: [{ id: 'txn_1' }], amount: 500 }
  expect(
    await eventsOf('transaction_created', { transaction: { ...transaction, ...reversal } }),
  ).toMatchObject([
    {
      ...{ id: 'transaction/txn_3/disputed', type: 'weir.payment.disputed' },
      data: { payment_id: 'txn_1', dispute_id: 'txn_3', status: 'lost', amount: '5.00' },
    },
  ])
  expect(await ofTransaction('transaction_created', { ...reversal, status: 'in_progress' })).toEqual([])
  for (const [undone, more] of Object.entries({
    voided: { status: 'voided', voided_at: at + 86_400 },
    deleted: { deleted: true, updated_at: at + 86_400 },
  })) {
    const object = { ...transaction, ...reversal, ...more }
    const [lost, won] = await eventsOf('transaction_updated', { transaction: object })
    expect([lost?.data['status'], won]).toMatchObject([
      'lost',
      {
        ...{ id: `transaction/txn_3/${undone}`, time: formatInstantMs((at + 86_400) * 1_000) },
        data: { payment_id: 'txn_1', dispute_id: 'txn_3', status: 'won', amount: '5.00' },
      },
    ])
  }
  expect(await ofTransaction('refund_initiated', { ...refund, status: 'in_progress' })).toEqual([])
  const paid = await eventsOf('invoice_updated', { invoice: { ...invoice, status: 'paid', paid_at: at } })
  expect(paid.map(({ id, type }) => [id, type])).toEqual([
    ['invoice/1042/finalized', 'weir.invoice.finalized'],
    ['invoice/1042/paid', 'weir.invoice.paid'],
  ])
  const note = {
    id: 'CN-1',
    customer_id: 'cus_1',
    total: 500,
    currency_code: 'EUR',
    status: 'refund_due',
    date: at,
  }
  expect(await eventsOf('credit_note_created', { credit_note: note })).toMatchObject([
    { data: { invoice_id: 'CN-1', total: '-5.00' } },
  ])
})

const confirming = { confirm_origin: true, site: 'acme-test', api_key: { variable: 'KEY' } }

test('with confirm_origin an event counts as Chargebee has it, under the id that it would have had', async () => {
  const sample = event('ev_9', 'payment_succeeded', at, {
    transaction: { ...transaction, amount: 9_999_999 },
  })
  const open = await openSamples({ ...chargebeeSamples, settings: confirming })
  expect(await open.outcomes(open.arrivals(sample))).toEqual([
    { kind: 'fetch', what: { object: 'event', id: 'ev_9' } },
  ])
  const body = event('ev_9', 'customer_changed', at, { customer: { id: 'cus_1', company: 'Acme' } }).body
  const confirmed = await openSamples({
    ...chargebeeSamples,
    settings: confirming,
    read: ({ id }) => ({ id: `confirmed/${id}`, type: 'customer_changed', bytes: Buffer.from(body) }),
  })
  expect(await confirmed.events(confirmed.arrivals(sample))).toMatchObject([
    { id: 'ev_9', type: 'weir.customer.upserted' },
  ])
})
