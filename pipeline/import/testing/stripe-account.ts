// An account of Stripe as its API shows it, in the types of Stripe's own library: two customers, a plan with a base fee, tiers
// and packages, October's meter events, and the invoices of October and November. Ids are ours.

import type Stripe from 'stripe'

type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined }

export const october = Date.UTC(2026, 9, 1) / 1000
export const november = Date.UTC(2026, 10, 1) / 1000
const created = Date.UTC(2026, 2, 1) / 1000

/** Decimals are texts on the wire; the library makes objects of them. */
const decimal = (text: string) => text as unknown as Stripe.Price['unit_amount_decimal']

function price(id: string, fields: Loose<Stripe.Price>): object {
  return {
    id,
    object: 'price',
    active: true,
    billing_scheme: 'per_unit',
    created,
    currency: 'usd',
    livemode: false,
    metadata: {},
    product: 'prod_api',
    type: 'recurring',
    ...fields,
  }
}

const monthly = { interval: 'month', interval_count: 1, trial_period_days: null } as const

export const prices = {
  base: price('price_base', {
    nickname: 'Base fee',
    ...{ unit_amount: 4900, unit_amount_decimal: decimal('4900') },
    recurring: { ...monthly, usage_type: 'licensed', meter: null },
  }),
  tokens: price('price_tokens', {
    billing_scheme: 'tiered',
    tiers_mode: 'graduated',
    tiers: [
      {
        up_to: 1000,
        unit_amount: null,
        unit_amount_decimal: decimal('0.3'),
        flat_amount: null,
        flat_amount_decimal: null,
      },
      {
        up_to: null,
        unit_amount: null,
        unit_amount_decimal: decimal('0.25'),
        flat_amount: null,
        flat_amount_decimal: null,
      },
    ],
    recurring: { ...monthly, usage_type: 'metered', meter: 'mtr_tokens' },
  }),
  calls: price('price_calls', {
    ...{ unit_amount: 150, unit_amount_decimal: decimal('150') },
    transform_quantity: { divide_by: 2, round: 'up' },
    recurring: { ...monthly, usage_type: 'metered', meter: 'mtr_calls' },
  }),
  seatsInTiers: price('price_seats', {
    billing_scheme: 'tiered',
    tiers_mode: 'volume',
    tiers: [
      {
        up_to: null,
        unit_amount: 100,
        unit_amount_decimal: decimal('100'),
        flat_amount: null,
        flat_amount_decimal: null,
      },
    ],
    recurring: { ...monthly, usage_type: 'licensed', meter: null },
  }),
}

const meter = (id: string, event: string, formula: 'sum' | 'count'): Loose<Stripe.Billing.Meter> => ({
  ...{ id, object: 'billing.meter', created, display_name: event, event_name: event },
  customer_mapping: { event_payload_key: 'stripe_customer_id', type: 'by_id' },
  default_aggregation: { formula },
  value_settings: { event_payload_key: 'value' },
})

export function subscription(
  id: string,
  customer: string,
  items: readonly object[],
  more: Loose<Stripe.Subscription> = {},
): object {
  const from = { current_period_start: october, current_period_end: november }
  return {
    ...{
      id,
      object: 'subscription',
      customer,
      currency: 'usd',
      status: 'active',
      created,
      start_date: created,
    },
    billing_cycle_anchor: created,
    items: {
      object: 'list',
      data: items.map((one, at) => ({
        id: `si_${id}_${at}`,
        object: 'subscription_item',
        ...from,
        price: one,
        quantity: 1,
      })),
      has_more: false,
    },
    ...more,
  }
}

const customer = (id: string, name: string) => ({
  id,
  object: 'customer',
  created,
  name,
  currency: 'usd',
  metadata: {},
})

export function meterEvent(
  identifier: string,
  event_name: string,
  who: string,
  timestamp: number,
  value: string,
) {
  return {
    object: 'billing.meter_event',
    created: timestamp,
    event_name,
    identifier,
    livemode: false,
    payload: { stripe_customer_id: who, value },
    timestamp,
  }
}

export interface LineOf {
  readonly id: string
  readonly amount: number
  readonly price?: string
  readonly quantity?: number
  readonly unit?: string
  readonly more?: object
  readonly months?: readonly [number, number]
}

export function line(
  invoice: string,
  of: string,
  { id, amount, price: named, quantity, unit, more, months = [october, november] }: LineOf,
): object {
  return {
    ...{
      id,
      object: 'line_item',
      amount,
      currency: 'usd',
      description: null,
      invoice,
      metadata: {},
      discount_amounts: [],
      taxes: [],
    },
    parent: {
      type: 'subscription_item_details',
      subscription_item_details: {
        subscription: of,
        subscription_item: 'si',
        proration: false,
        invoice_item: null,
        proration_details: null,
      },
      invoice_item_details: null,
    },
    period: { start: months[0], end: months[1] },
    pricing:
      named === undefined
        ? null
        : {
            type: 'price_details',
            price_details: { price: named, product: 'prod_api' },
            unit_amount_decimal: unit ?? null,
          },
    quantity: quantity ?? null,
    ...more,
  }
}

export function invoice(id: string, who: string, finalized: number, lines: readonly object[]): object {
  return {
    id,
    object: 'invoice',
    customer: who,
    currency: 'usd',
    status: 'paid',
    created: finalized,
    status_transitions: { finalized_at: finalized },
    lines: { object: 'list', data: lines, has_more: false },
  }
}

export interface StripeAccount {
  readonly customers: readonly object[]
  readonly prices: readonly object[]
  readonly meters: readonly object[]
  readonly subscriptions: readonly object[]
  readonly events: readonly object[]
  readonly invoices: readonly object[]
}

/** What both bill alike: 49.00 in advance, 1500 tokens at 0.003 and 0.0025 are 4.25, 5 calls are 3 packages at 1.50. */
export function equalAccount(): StripeAccount {
  const all = [prices.base, prices.tokens, prices.calls]
  const calls = Array.from({ length: 5 }, (_, at) =>
    meterEvent(`call-${at}`, 'api_call', 'cus_ada', october + 60 * at, '1'),
  )
  return {
    customers: [customer('cus_ada', 'Ada GmbH'), customer('cus_bob', 'Bob Inc')],
    prices: Object.values(prices),
    meters: [meter('mtr_tokens', 'tokens', 'sum'), meter('mtr_calls', 'api_call', 'count')],
    subscriptions: [subscription('sub_ada', 'cus_ada', all)],
    events: [
      meterEvent('t1', 'tokens', 'cus_ada', october + 5, '900'),
      meterEvent('t2', 'tokens', 'cus_ada', november - 5, '600'),
      ...calls,
    ],
    invoices: [
      invoice('in_oct', 'cus_ada', october, [
        line('in_oct', 'sub_ada', {
          id: 'il_base',
          amount: 4900,
          price: 'price_base',
          quantity: 1,
          unit: '4900',
        }),
      ]),
      invoice('in_nov', 'cus_ada', november + 3600, [
        line('in_nov', 'sub_ada', {
          id: 'il_t1',
          amount: 300,
          price: 'price_tokens',
          quantity: 1000,
          unit: '0.3',
        }),
        line('in_nov', 'sub_ada', {
          id: 'il_t2',
          amount: 125,
          price: 'price_tokens',
          quantity: 500,
          unit: '0.25',
        }),
        line('in_nov', 'sub_ada', { id: 'il_calls', amount: 450, price: 'price_calls', quantity: 5 }),
        line('in_nov', 'sub_ada', {
          id: 'il_base2',
          amount: 4900,
          price: 'price_base',
          quantity: 1,
          unit: '4900',
          months: [november, november + 2_592_000],
        }),
      ]),
    ],
  }
}

export function filesOf(account: StripeAccount): ReadonlyMap<string, string> {
  const list = (data: readonly object[]) =>
    JSON.stringify({ object: 'list', data, has_more: false, url: '/v1' })
  return new Map([
    ['customers.json', list(account.customers)],
    ['prices.json', list(account.prices)],
    ['meters.json', list(account.meters)],
    ['subscriptions.json', list(account.subscriptions)],
    ['meter_events.ndjson', account.events.map(event => `${JSON.stringify(event)}\n`).join('')],
    ['invoices.json', list(account.invoices)],
  ])
}
