// Refunds, schedules, payments outside Stripe and notices: each counts once, and what we have no event for says so.

import { expect, test } from 'vitest'
import type { MadeEvent } from '../map/made-events.js'
import { openSamples } from '../testing/conformance.js'
import { event, sampleOf, stripeSamples, subscription } from '../testing/stripe-samples.js'

type Fixture = Readonly<Record<string, unknown>>
const key = { api_key: { variable: 'KEY' } }
const at = 1_767_300_000

const outcomesOf = async (body: Fixture, settings: Fixture = {}, via: 'webhook' | 'fetch' = 'webhook') => {
  const open = await openSamples({ ...stripeSamples, settings })
  return open.outcomes(open.arrivals(sampleOf('evt_1', body)).map(one => ({ ...one, via })))
}
const eventsOf = async (body: Fixture, settings: Fixture = {}, via: 'webhook' | 'fetch' = 'webhook') =>
  (await outcomesOf(body, settings, via)).flatMap((one): readonly MadeEvent[] => {
    if (one.kind === 'waits') throw new Error(one.faults.map(({ detail }) => detail).join(' '))
    return one.kind === 'events' ? one.events : []
  })

const refund = {
  ...{ id: 're_1', object: 'refund', amount: 500, currency: 'usd', created: at, status: 'succeeded' },
  ...{ charge: 'ch_1', payment_intent: 'pi_1', metadata: {}, reason: 'requested_by_customer' },
}
const charge = {
  ...{ id: 'ch_1', object: 'charge', customer: 'cus_1', currency: 'usd', payment_intent: 'pi_1' },
  amount_refunded: 700,
}

test('one refund is one event, by itself, with its charge, or in the list of its charge', async () => {
  const named = await eventsOf(event('refund.created', { ...refund, customer: 'cus_1' }, at))
  expect(named).toMatchObject([
    { id: 're_1/refunded', type: 'weir.payment.refunded', data: { payment_id: 'pi_1', amount: '5.00' } },
  ])
  const fetched = await eventsOf(event('fetched', { ...refund, charge }, at + 9), key, 'fetch')
  const list = { object: 'list', has_more: false, data: [{ ...refund, customer: 'cus_1' }] }
  const listed = await eventsOf(event('charge.refunded', { ...charge, refunds: list }, at + 5))
  const updated = await eventsOf(event('refund.updated', { ...refund, customer: 'cus_1' }, at + 7))
  expect([fetched, listed, updated]).toEqual([named, named, named])
  expect(await outcomesOf(event('charge.refunded', charge, at), key)).toEqual([
    { kind: 'fetch', what: { object: 'charge', id: 'ch_1' } },
  ])
  expect(await outcomesOf(event('charge.refunded', charge, at))).toEqual([
    { kind: 'ignored', reason: 'told_by_another_event' },
  ])
  expect(await outcomesOf(event('refund.created', refund, at))).toEqual([
    { kind: 'fetch', what: { object: 'refund', id: 're_1' } },
  ])
})

test('a refund that fails after it was made is told, and one that never was is not', async () => {
  const failed = { ...refund, status: 'failed', failure_reason: 'expired_or_canceled_card' }
  expect(await outcomesOf(event('refund.failed', failed, at))).toMatchObject([
    { kind: 'waits', faults: [{ code: 'refund_failed' }] },
  ])
  expect(await outcomesOf(event('refund.updated', failed, at, { status: 'pending' }))).toEqual([
    { kind: 'ignored', reason: 'refund_not_made' },
  ])
  expect(await outcomesOf(event('refund.created', { ...refund, status: 'pending' }, at))).toEqual([
    { kind: 'ignored', reason: 'not_final' },
  ])
})

test('with refunds_from: charge the sum tells each part once, and without what it was before it waits', async () => {
  const settings = { refunds_from: 'charge' }
  expect(
    await eventsOf(event('charge.refunded', charge, 3, { amount_refunded: 200 }), settings),
  ).toMatchObject([{ id: 'ch_1/refunded/700', data: { payment_id: 'pi_1', amount: '5.00' } }])
  expect(await outcomesOf(event('charge.refunded', charge, 3), settings)).toMatchObject([
    { kind: 'waits', faults: [{ code: 'refund_not_known' }, { code: 'invalid_value' }] },
  ])
  expect(await outcomesOf(event('refund.created', { ...refund, customer: 'cus_1' }, at), settings)).toEqual([
    { kind: 'ignored', reason: 'told_by_another_event' },
  ])
})

const price = (id: string, product: string) => ({
  id,
  object: 'price',
  product,
  recurring: { usage_type: 'licensed' },
})
const phase = (start: number, end: number, seats: number) => ({
  ...{ start_date: start, end_date: end, trial_end: null },
  items: [{ price: price('price_seats', 'prod_pro'), quantity: seats }],
})
const [jan, feb, mar, apr] = [1_767_225_600, 1_769_904_000, 1_772_323_200, 1_775_001_600]
const schedule = {
  ...{ id: 'sub_sched_1', object: 'subscription_schedule', customer: 'cus_1', subscription: 'sub_1' },
  ...{ status: 'active', end_behavior: 'cancel', metadata: {} },
  phases: [phase(jan, feb, 5), phase(feb, mar, 8), phase(mar, apr, 9)],
}
const brief = (events: readonly MadeEvent[]) =>
  events.map(({ type, data }) => [
    type.slice(18),
    String(data['effective_from']).slice(0, 10),
    (data['quantities'] as Fixture | undefined)?.['seats'],
  ])

test('what a schedule says of the future becomes amendments, which a release takes back', async () => {
  const coming = await eventsOf(event('subscription_schedule.updated', schedule, at))
  expect(brief(coming)).toEqual([
    ['amended', '2026-02-01', '8'],
    ['amended', '2026-03-01', '9'],
  ])
  expect(coming[1]?.data).toMatchObject({ plan: 'pro', effective_until: '2026-04-01T00:00:00Z' })
  const left = { ...schedule, subscription: null, released_subscription: 'sub_1', status: 'released' }
  const released = await eventsOf(event('subscription_schedule.released', left, at + 100))
  expect(brief(released)).toEqual([['amended', '2026-01-01', '5']])
  expect(Number(released[0]?.data['sequence'])).toBeGreaterThan(Number(coming[1]?.data['sequence']))
  const canceled = { ...schedule, status: 'canceled', canceled_at: at + 50 }
  expect(brief(await eventsOf(event('subscription_schedule.canceled', canceled, at + 50)))).toEqual([
    ['cancelled', '2026-01-01', undefined],
  ])
  const future = { ...schedule, subscription: null, status: 'not_started' }
  expect(await outcomesOf(event('subscription_schedule.created', future, at))).toEqual([
    { kind: 'ignored', reason: 'not_begun' },
  ])
})

test('with a key the schedule and its subscription are read and told together, so that no state of it alone wins over what is to come', async () => {
  const what = { object: 'subscription_schedule', id: 'sub_sched_1' }
  const scheduled = { ...subscription(5), cancel_at_period_end: false, schedule: 'sub_sched_1' }
  expect(await outcomesOf(event('customer.subscription.updated', scheduled, at), key)).toEqual([
    { kind: 'fetch', what },
  ])
  expect(await outcomesOf(event('subscription_schedule.updated', schedule, at), key)).toEqual([
    { kind: 'fetch', what },
  ])
  const both = await eventsOf(event('fetched', { ...schedule, subscription: scheduled }, at), key, 'fetch')
  expect(brief(both)).toEqual([
    ['created', '2026-01-01', '5'],
    ['amended', '2026-02-01', '8'],
    ['amended', '2026-03-01', '9'],
  ])
  const sequences = both.map(({ data }) => Number(data['sequence']))
  expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
  expect(await outcomesOf(event('subscription_schedule.released', schedule, at), key)).toEqual([
    { kind: 'fetch', what: { object: 'subscription', id: 'sub_1' } },
  ])
})

const invoicePaid = {
  ...{ id: 'inpay_1', object: 'invoice_payment', status: 'paid', amount_paid: 1_250, currency: 'eur' },
  ...{ invoice: 'in_1', status_transitions: { paid_at: at } },
}
const wholeInvoice = { id: 'in_1', object: 'invoice', customer: 'cus_1' }

test('an intent names the invoice that made it, before and since 2025-03-31, and no other order', async () => {
  const intent = { id: 'pi_1', object: 'payment_intent', customer: 'cus_1', currency: 'eur', amount: 4_000 }
  const invoicesOf = async (more: Fixture) =>
    (await eventsOf(event('payment_intent.succeeded', { ...intent, ...more }, at))).map(
      ({ data }) => data['invoice_id'],
    )
  const order = (order_reference: unknown) => ({
    payment_details: { customer_reference: null, order_reference },
  })
  expect(await invoicesOf({ invoice: 'in_1' })).toEqual(['in_1'])
  expect(await invoicesOf(order('in_2'))).toEqual(['in_2'])
  for (const other of ['cs_1', 'order 7', null]) expect(await invoicesOf(order(other))).toEqual([undefined])
})

test('an attached intent gets its invoice by what the invoice says of it, with the same amount; one that names it is told once', async () => {
  const payment = { type: 'payment_intent', payment_intent: 'pi_1' }
  const paid = event('invoice_payment.paid', { ...invoicePaid, payment }, at)
  const ignored = [{ kind: 'ignored', reason: 'told_by_another_event' }]
  expect(await outcomesOf(paid)).toEqual(ignored)
  expect(await outcomesOf(paid, key)).toEqual([
    { kind: 'fetch', what: { object: 'invoice_payment', id: 'inpay_1' } },
  ])
  const read = (more: Fixture) => {
    const payment_intent = { id: 'pi_1', customer: 'cus_1', amount_received: 4_000, ...more }
    return event(
      'fetched',
      { ...invoicePaid, invoice: wholeInvoice, payment: { type: 'payment_intent', payment_intent } },
      at,
    )
  }
  expect(await eventsOf(read({}), key, 'fetch')).toMatchObject([
    {
      ...{ id: 'inpay_1/succeeded', type: 'weir.payment.succeeded', subject: 'acme' },
      data: { payment_id: 'pi_1', invoice_id: 'in_1', amount: '40.00' },
    },
  ])
  expect(await outcomesOf(read({ payment_details: { order_reference: 'in_1' } }), key, 'fetch')).toEqual(
    ignored,
  )
})

test('a payment outside Stripe is told with the customer of its invoice', async () => {
  const paid = { ...invoicePaid, payment: { type: 'payment_record' } }
  expect(await outcomesOf(event('invoice_payment.paid', paid, at))).toEqual([
    { kind: 'fetch', what: { object: 'invoice_payment', id: 'inpay_1' } },
  ])
  const whole = { ...paid, invoice: wholeInvoice }
  expect(await eventsOf(event('fetched', whole, at), key, 'fetch')).toMatchObject([
    { id: 'inpay_1/succeeded', data: { amount: '12.50', invoice_id: 'in_1', customer_id: 'acme' } },
  ])
})

test('a dispute is read with its charge, opened once, and won or lost when it is closed; an inquiry is none', async () => {
  const dispute = {
    ...{ id: 'dp_1', object: 'dispute', amount: 1_000, currency: 'usd', created: at, reason: 'fraudulent' },
    ...{ charge: 'ch_1', payment_intent: 'pi_1', status: 'needs_response', metadata: {} },
  }
  const fetch = [{ kind: 'fetch', what: { object: 'dispute', id: 'dp_1' } }]
  for (const type of ['created', 'closed', 'funds_withdrawn'])
    expect(await outcomesOf(event(`charge.dispute.${type}`, dispute, at))).toEqual(fetch)
  const read = (status: string) =>
    eventsOf(event('fetched', { ...dispute, charge, status }, at + 60), key, 'fetch')
  const [opened, ...others] = await read('under_review')
  expect([opened, others]).toMatchObject([
    {
      ...{
        id: 'dp_1/opened',
        type: 'weir.payment.disputed',
        time: new Date(at * 1000).toISOString().replace('.000', ''),
      },
      data: {
        payment_id: 'pi_1',
        customer_id: 'acme',
        amount: '10.00',
        dispute_id: 'dp_1',
        status: 'opened',
      },
    },
    [],
  ])
  expect(await read('lost')).toMatchObject([opened, { id: `dp_1/lost/${at + 60}`, data: { status: 'lost' } }])
  expect(
    await outcomesOf(event('charge.dispute.created', { ...dispute, status: 'warning_needs_response' }, at)),
  ).toEqual([{ kind: 'ignored', reason: 'moves_no_money' }])
})

test('what is a notice, told elsewhere, or has no event of ours is ignored with its reason', async () => {
  const reasons = {
    'customer.subscription.trial_will_end': 'notice_only',
    'customer.subscription.pending_update_applied': 'notice_only',
    'invoice.payment_failed': 'told_by_another_event',
    'invoice.marked_uncollectible': 'no_event_for_uncollectible',
    'charge.dispute.updated': 'told_by_another_event',
    'subscription_schedule.expiring': 'notice_only',
    'customer.discount.created': 'type_not_mapped',
  }
  for (const [type, reason] of Object.entries(reasons))
    expect([type, await outcomesOf(event(type, { id: 'x' }, at))]).toEqual([
      type,
      [{ kind: 'ignored', reason }],
    ])
})

test('a quantity of an add-on that a subscription names no more is 0 where the settings say so', async () => {
  const [terms] = await eventsOf(event('customer.subscription.updated', subscription(5), at), {
    zero_when_absent: ['support'],
  })
  expect(terms?.data['quantities']).toEqual({ support: '0', seats: '5' })
})
