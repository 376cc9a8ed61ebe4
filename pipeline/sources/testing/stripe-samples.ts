// Samples of a source of kind `stripe`: the vendor's published fixtures, signed by its own library.

import Stripe from 'stripe'
import published from '../stripe/fixtures.subset.json' with { type: 'json' }
import { stripeKind } from '../stripe/kind.js'
import type { Sample, SourceSamples } from './samples.js'

type Fixture = Readonly<Record<string, unknown>>
export const fixtures = published.resources as unknown as Readonly<
  Record<'subscription' | 'invoice' | 'customer', Fixture>
>

const price = {
  id: 'price_seats',
  object: 'price',
  product: 'prod_pro',
  metadata: {},
  recurring: { usage_type: 'licensed' },
}

/** As the API has it since 2025-03-31: the period stands on the items. */
export function subscription(seats: number): Fixture {
  const period = { current_period_start: 1_767_225_600, current_period_end: 1_769_904_000 }
  return {
    ...{
      id: 'sub_1',
      object: 'subscription',
      customer: 'cus_1',
      status: 'active',
      start_date: 1_767_225_600,
    },
    ...{
      billing_cycle_anchor: 1_767_225_600,
      cancel_at_period_end: true,
      cancel_at: null,
      trial_end: null,
      ended_at: null,
    },
    ...{ pause_collection: null, metadata: {} },
    items: {
      object: 'list',
      data: [{ id: 'si_1', object: 'subscription_item', price, quantity: seats, ...period }],
    },
  }
}

/** As before that: the period stands on the subscription. */
function olderSubscription(seats: number): Fixture {
  const { items: _, ...others } = subscription(seats)
  const period = { current_period_start: 1_767_225_600, current_period_end: 1_769_904_000 }
  return { ...others, ...period, items: { object: 'list', data: [{ id: 'si_1', price, quantity: seats }] } }
}

export function event(type: string, object: Fixture, created: number, previous?: Fixture): Fixture {
  const data = { object, ...(previous === undefined ? {} : { previous_attributes: previous }) }
  return {
    id: 'evt_1',
    object: 'event',
    api_version: '2026-10-28.endive',
    created,
    livemode: false,
    type,
    data,
  }
}

export function sampleOf(id: string, body: Fixture): Sample {
  return { name: id, body: JSON.stringify({ ...body, id }) }
}

const changed = (id: string, seats: number, created: number) =>
  sampleOf(id, event('customer.subscription.updated', subscription(seats), created))
const payment = {
  id: 'pi_1',
  object: 'payment_intent',
  customer: 'cus_1',
  currency: 'eur',
  amount: 1250,
  status: 'succeeded',
}
const paid = event('payment_intent.succeeded', { ...payment, amount_received: 1250 }, 1_767_400_000)
const { start_date: _, customer: __, ...incomplete } = subscription(5)

export const stripeSamples: SourceSamples = {
  kind: stripeKind,
  secrets: ['whsec_in_use', 'whsec_that_it_replaces'],
  otherSecret: 'whsec_of_somebody_else',
  identities: new Map([
    ['customer cus_1', 'acme'],
    [`customer ${String(fixtures.subscription['customer'])}`, 'acme'],
    ['plan prod_pro', 'pro'],
    ['plan prod_QXg1hqf4jFNsqG', 'pro'],
    ['price price_seats', 'seats'],
    ['price price_1PgafmB7WZ01zgkW6dKueIc5', 'seats'],
  ]),
  request({ body }, secret, atMs) {
    const timestamp = Math.floor(atMs / 1000)
    const header = Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp })
    return { path: '/v1/webhooks/sample', headers: { 'stripe-signature': header }, body: Buffer.from(body) }
  },
  withoutProof: request => ({ ...request, headers: {} }),
  good: [changed('evt_s', 5, 1_767_300_000), sampleOf('evt_p', paid)],
  states: [
    sampleOf('evt_0', event('customer.subscription.created', subscription(5), 1_767_225_600)),
    changed('evt_1', 7, 1_767_300_000),
    changed('evt_2', 6, 1_767_400_000),
  ],
  unknownType: sampleOf('evt_u', event('tax.form.updated', { id: 'x' }, 1_767_300_000)),
  missingField: sampleOf('evt_m', event('customer.subscription.updated', incomplete, 1_767_300_000)),
  versions: [
    [
      changed('evt_v', 5, 1_767_300_000),
      sampleOf('evt_v', event('customer.subscription.updated', olderSubscription(5), 1_767_300_000)),
    ],
  ],
  bodyOf(bytes) {
    const text = JSON.stringify({ ...paid, id: 'evt_p', padding: '' })
    return {
      name: 'large',
      body: text.replace('"padding":""', `"padding":"${'x'.repeat(bytes - text.length)}"`),
    }
  },
}
