// Sources of kind `stripe`: the published signature, the published fixtures, snapshot and thin events, and what every kind
// must pass.

import { expect, test } from 'vitest'
import type { Arrival } from '../source-kind.js'
import { openSamples } from '../testing/conformance.js'
import { describeConformance } from '../testing/describe-conformance.js'
import { event, fixtures, sampleOf, stripeSamples, subscription } from '../testing/stripe-samples.js'
import { loadedStripe } from './loaded.js'
import { stripeReach } from './reach.js'
import { StripeFake } from './testing/stripe-fake.js'
import vector from './webhook-signature.vector.json' with { type: 'json' }

describeConformance(stripeSamples)

test('the published signature is proven at its time by its secret', () => {
  const request = {
    path: '/',
    headers: { 'stripe-signature': vector.header },
    body: Buffer.from(vector.payload),
  }
  const nowMs = 1_767_323_045_000
  const verified = loadedStripe.verify(request, { signing: [vector.secret], basic: [] }, nowMs, {})
  expect(verified).toMatchObject({
    kind: 'proven',
    arrivals: [{ id: 'evt_weir_0001', type: 'customer.subscription.updated', occurredAtMs: nowMs }],
  })
  const other = loadedStripe.verify(request, { signing: ['whsec_other'], basic: [] }, nowMs, {})
  expect(other).toEqual({ kind: 'refused', code: 'signature_invalid' })
})

const eventsOf = async (body: Parameters<typeof sampleOf>[1], id = 'evt_1') => {
  const open = await openSamples(stripeSamples)
  return open.events(open.arrivals(sampleOf(id, body)))
}

test('the published subscription becomes its terms, with the period on the items', async () => {
  const object = {
    ...fixtures.subscription,
    status: 'active',
    cancel_at: null,
    cancel_at_period_end: false,
    pause_collection: null,
    ended_at: null,
  }
  const [created, ...others] = await eventsOf(event('customer.subscription.updated', object, 1_767_323_045))
  expect(others).toEqual([])
  expect(created).toMatchObject({
    ...{ type: 'weir.subscription.created', source: 'weir:stripe:sample', subject: 'acme', id: 'evt_1' },
    data: {
      ...{ subscription_id: fixtures.subscription['id'], customer_id: 'acme', plan: 'pro' },
      sequence: 1_767_323_045_000_000,
      effective_from: '2026-01-02T03:04:05Z',
    },
  })
})

test('cancelled, paused and past its trial: what holds stands beside the terms and wins over them', async () => {
  const states = {
    cancelled: {
      status: 'canceled',
      ended_at: 1_767_000_000,
      cancellation_details: { reason: 'cancellation_requested' },
    },
    suspended: { status: 'paused' },
    unpaid: { status: 'unpaid' },
    paused: { pause_collection: { behavior: 'void' } },
  }
  for (const [name, state] of Object.entries(states)) {
    const [terms, status] = await eventsOf(
      event('customer.subscription.updated', { ...subscription(5), ...state }, 1_767_323_045),
    )
    expect(status?.type).toBe(
      name === 'cancelled' ? 'weir.subscription.cancelled' : 'weir.subscription.suspended',
    )
    expect(Number(status?.data['sequence'])).toBeGreaterThan(Number(terms?.data['sequence']))
  }
  const ending = { ...subscription(5), cancel_at_period_end: true, trial_end: 1_768_000_000 }
  const [terms] = await eventsOf(event('customer.subscription.updated', ending, 1_767_323_045))
  expect(terms?.data).toMatchObject({
    effective_until: '2026-02-01T00:00:00Z',
    trial_until: '2026-01-09T23:06:40Z',
  })
})

test('invoices, payments and refunds have ids of the object, so that several events tell of one once', async () => {
  const invoice = {
    ...fixtures.invoice,
    id: 'in_1',
    status: 'paid',
    total: 1250,
    currency: 'eur',
    customer: 'cus_1',
  }
  const [finalized] = await eventsOf(event('invoice.finalized', invoice, 1_767_000_000), 'evt_a')
  const both = await eventsOf(event('invoice.paid', invoice, 1_767_000_001), 'evt_b')
  expect(both.map(({ id, type }) => [id, type])).toEqual([
    ['in_1/finalized', 'weir.invoice.finalized'],
    ['in_1/paid', 'weir.invoice.paid'],
  ])
  expect(finalized).toMatchObject({ id: 'in_1/finalized', data: { total: '12.50', currency: 'EUR' } })
  const intent = {
    id: 'pi_1',
    object: 'payment_intent',
    customer: 'cus_1',
    currency: 'jpy',
    amount: 500,
    latest_charge: 'ch_1',
  }
  const [failed] = await eventsOf(
    event(
      'payment_intent.payment_failed',
      { ...intent, last_payment_error: { decline_code: 'insufficient_funds' } },
      1,
    ),
  )
  expect(failed).toMatchObject({
    id: 'pi_1/failed/ch_1',
    data: { amount: '500', reason: 'insufficient_funds' },
  })
  const [paid] = await eventsOf(event('payment_intent.succeeded', { ...intent, amount_received: 400 }, 2))
  expect(paid).toMatchObject({ id: 'pi_1/succeeded', data: { payment_id: 'pi_1', amount: '400' } })
})

test('a thin event leads to its object, which Stripe is asked for with the key and which becomes an arrival', async () => {
  const fake = new StripeFake()
  await fake.api.open()
  fake.api.nowMs = 1_768_000_000_000 // before its period ends
  fake.objects.set('subscriptions/sub_1', subscription(9))
  const reach = stripeReach(fake.api.parts(), 0)
  const open = await openSamples(stripeSamples)
  const thin = {
    id: 'evt_thin',
    object: 'v2.core.event',
    type: 'v1.customer.subscription.updated',
    created: '2026-11-01T00:00:00Z',
  }
  const [outcome] = await open.outcomes(
    open.arrivals(sampleOf('evt_thin', { ...thin, related_object: { id: 'sub_1', type: 'subscription' } })),
  )
  expect(outcome).toEqual({ kind: 'fetch', what: { object: 'subscription', id: 'sub_1' } })
  const fetched = await reach.fetch!({ object: 'subscription', id: 'sub_1' }, AbortSignal.timeout(5_000))
  expect(fake.api.asked).toEqual(['/v1/subscriptions/sub_1'])
  if (fetched.kind !== 'found') throw new Error('it is not found')
  const arrival: Arrival = { ...open.arrivalOf(fetched.arrival), via: 'fetch' }
  expect(await open.events([arrival])).toMatchObject([{ data: { quantities: { seats: '9' } } }])
  const gone = await reach.fetch!({ object: 'subscription', id: 'sub_2' }, AbortSignal.timeout(5_000))
  expect(gone.kind).toBe('gone')
  await fake.api.close()
})

test('an invoice has the correlation id on which its lines of ours agree, and none where they differ', async () => {
  const correlationOf = async (...ids: unknown[]) => {
    const lines = { data: ids.map(id => ({ metadata: id === undefined ? {} : { weir_correlation: id } })) }
    const object = {
      ...fixtures.invoice,
      id: 'in_1',
      status: 'paid',
      total: 1,
      currency: 'eur',
      customer: 'cus_1',
      lines,
    }
    const told = await eventsOf(event('invoice.paid', object, 1_767_000_001))
    expect(told).toHaveLength(2)
    return [...new Set(told.map(one => one.correlationid))]
  }
  expect(await correlationOf('quote-1', undefined, 'quote-1')).toEqual(['quote-1'])
  expect(await correlationOf('quote-1', 'quote-2')).toEqual([undefined])
  expect(await correlationOf(undefined, 7, 'x'.repeat(257))).toEqual([undefined])
})
