// Samples of a source of kind `chargebee`, in the shapes of Chargebee's own types.

import type { Event, Invoice, Subscription, Transaction } from 'chargebee'
import type { ForeignObject } from '../../map/object-fields.js'
import type { Sample, SourceSamples } from '../../testing/samples.js'
import { chargebeeKind } from '../kind.js'

const monthMs = 1_790_812_800 // 2026-10-01

/** With items, as product catalog 2.0 has it. */
export function subscription(seats: number, updated: number): Partial<Subscription> {
  return {
    ...{ id: 'sub_1', customer_id: 'cus_1', currency_code: 'EUR', status: 'active', deleted: false },
    ...{ created_at: 1_767_225_600, started_at: 1_767_225_600, activated_at: 1_767_225_600 },
    ...{ current_term_start: monthMs, current_term_end: 1_793_491_200 },
    ...{ updated_at: updated, resource_version: updated * 1_000 + 123 },
    subscription_items: [
      { item_price_id: 'pro-EUR-Monthly', item_type: 'plan', quantity: seats },
      { item_price_id: 'calls-EUR-Monthly', item_type: 'addon', metered_quantity: '7' },
    ] as Subscription.SubscriptionItem[],
  }
}

/** With a plan, as product catalog 1.0 has it. */
export function olderSubscription(seats: number, updated: number): Partial<Subscription> {
  const { subscription_items: _, ...others } = subscription(seats, updated)
  return { ...others, plan_id: 'pro-EUR-Monthly', plan_quantity: seats }
}

export const transaction: Partial<Transaction> = {
  ...{ id: 'txn_1', customer_id: 'cus_1', type: 'payment', status: 'success', currency_code: 'EUR' },
  ...{
    amount: 1_250,
    date: 1_790_900_000,
    linked_invoices: [{ invoice_id: '1042' }] as Transaction.LinkedInvoice[],
  },
}

export const invoice: Partial<Invoice> = {
  ...{
    id: '1042',
    customer_id: 'cus_1',
    subscription_id: 'sub_1',
    status: 'payment_due',
    currency_code: 'EUR',
  },
  ...{ total: 1_250, date: 1_790_900_000, due_date: 1_793_500_000 },
}

export function event(
  id: string,
  type: string,
  occurred: number,
  content: object,
  version: 'v1' | 'v2' = 'v2',
): Sample {
  const body: Partial<Omit<Event, 'event_type' | 'content'>> = {
    ...{ id, occurred_at: occurred, source: 'api', api_version: version, webhook_status: 'scheduled' },
  }
  return { name: id, body: JSON.stringify({ ...body, object: 'event', event_type: type, content }) }
}

const changed = (id: string, seats: number, at: number) =>
  event(id, 'subscription_changed', at, { subscription: subscription(seats, at), customer: { id: 'cus_1' } })
const { customer_id: _, ...ofNobody } = subscription(5, monthMs) as ForeignObject

export const chargebeeSamples: SourceSamples = {
  kind: chargebeeKind,
  hasNoAge: true,
  secrets: ['in_use', 'that_it_replaces'],
  otherSecret: 'of_somebody_else',
  identities: new Map([
    ['customer cus_1', 'acme'],
    ['plan pro-EUR-Monthly', 'pro'],
    ['price pro-EUR-Monthly', 'seats'],
  ]),
  request: ({ body }, secret) => ({
    path: '/v1/webhooks/sample',
    headers: { authorization: `Basic ${Buffer.from(`weir:${secret}`).toString('base64')}` },
    body: Buffer.from(body),
  }),
  withoutProof: request => ({ ...request, headers: {} }),
  good: [
    changed('ev_s', 5, monthMs),
    event('ev_p', 'payment_succeeded', monthMs, { transaction, invoice }),
    event('ev_i', 'invoice_generated', monthMs, { invoice }),
  ],
  states: [
    changed('ev_1', 5, monthMs),
    changed('ev_2', 7, monthMs + 1),
    changed('ev_3', 6, monthMs + 90_000),
  ],
  unknownType: event('ev_u', 'item_family_created', monthMs, { item_family: { id: 'x' } }),
  missingField: event('ev_m', 'subscription_changed', monthMs, { subscription: ofNobody }),
  versions: [
    [
      changed('ev_v', 5, monthMs),
      event('ev_v', 'subscription_changed', monthMs, { subscription: olderSubscription(5, monthMs) }, 'v1'),
    ],
  ],
  bodyOf(bytes) {
    const { body } = changed('ev_l', 5, monthMs)
    return {
      name: 'large',
      body: body.replace(/}$/, `,"padding":"${'x'.repeat(bytes - body.length - 14)}"}`),
    }
  },
}
