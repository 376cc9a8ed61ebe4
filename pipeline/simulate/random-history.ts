// Random catalogs, timelines and usage for the oracle's tests, from a seed: the same seed, the same history.

import { Buffer } from 'node:buffer'
import type { OracleCatalog, OracleEvent, OraclePrice } from './oracle-events.js'

export interface RandomHistory {
  readonly catalog: OracleCatalog
  /** In the order of arrival, duplicates included. */
  readonly received: readonly OracleEvent[]
}

/** mulberry32: small, fast, and good enough to shuffle with. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export class Dice {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = randomNumbers(seed)
  }

  below(count: number): number {
    return Math.floor(this.#next() * count)
  }

  chance(share: number): boolean {
    return this.#next() < share
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  shuffled<T>(values: readonly T[]): T[] {
    const out = [...values]
    for (let i = out.length - 1; i > 0; i -= 1) {
      const j = this.below(i + 1)
      ;[out[i], out[j]] = [out[j]!, out[i]!]
    }
    return out
  }
}

const hourMs = 3_600_000
const startMs = Date.UTC(2026, 0, 1)

/** `every_model`: all aggregations and price models, beyond what the oracle knows. */
export function randomHistory(seed: number, extent: 'plain' | 'every_model' = 'plain'): RandomHistory {
  const dice = new Dice(seed)
  const catalog = extent === 'plain' ? randomCatalog(dice) : wideCatalog(dice)
  const events: OracleEvent[] = []
  for (const customer of ['cus_1', 'cus_2']) {
    const subscriptions = Array.from({ length: 1 + dice.below(2) }, (_, n) => `${customer}_sub_${n}`)
    for (const subscription of subscriptions) {
      events.push(...randomTimeline(dice, customer, subscription, catalog))
    }
    events.push(...randomUsage(dice, customer, subscriptions))
  }
  const duplicates = events.filter(() => dice.chance(0.15)).map(event => structuredClone(event))
  return { catalog, received: dice.shuffled([...events, ...duplicates]) }
}

function randomCatalog(dice: Dice): OracleCatalog {
  return {
    meters: [
      { meter: 'calls', event_type: 'api.call', aggregation: 'count' },
      { meter: 'tokens', event_type: 'api.call', aggregation: 'sum', value: 'tokens' },
    ],
    plans: ['basic', 'plus', 'max'].map(plan => ({
      plan,
      version: 1,
      currency: 'USD',
      billing_period: 'month',
      prices: randomPrices(dice),
    })),
  }
}

const aggregations = [
  'count',
  'sum',
  'max',
  'min',
  'latest',
  'unique_count',
  'weighted_sum',
  'time_average',
  'percentile',
]

/** The oracle's types are narrower than the catalog that this is. */
function wideCatalog(dice: Dice): OracleCatalog {
  const meters = aggregations.map(aggregation => ({
    meter: aggregation,
    event_type: 'api.call',
    aggregation,
    dimensions: ['model'],
    ...(aggregation === 'count' ? {} : { value: valuePath(aggregation) }),
    ...(aggregation === 'percentile' ? { percentile: 90 } : {}),
  }))
  const plans = ['basic', 'plus', 'max'].map(plan => ({
    plan,
    version: 1,
    currency: 'USD',
    billing_period: 'month',
    prices: aggregations.filter(() => dice.chance(0.6)).map(meter => widePrice(dice, meter)),
  }))
  return { meters, plans } as unknown as OracleCatalog
}

function valuePath(aggregation: string): string {
  if (aggregation === 'unique_count') return 'user'
  return aggregation === 'weighted_sum' ? 'change' : 'tokens'
}

function widePrice(dice: Dice, meter: string): unknown {
  const tiers = [
    { up_to: '2', unit_amount: '1', flat_amount: '3' },
    { up_to: null, unit_amount: '0.1' },
  ]
  const models: unknown[] = [
    { model: 'per_unit', unit_amount: '0.37', minimum: '4', prorate: true },
    { model: 'graduated', tiers, included: '1', prorate: dice.chance(0.5) },
    { model: 'volume', tiers, discount_percent: '10', discount_periods: 1 },
    { model: 'package', package_size: '3', package_amount: '2', maximum: '9' },
    { model: 'matrix', cells: [{ when: { model: 'small' }, unit_amount: '2' }], default_unit_amount: '5' },
  ]
  const percentage = { model: 'percentage', rate: '2', fixed_amount: '0.1', free_events: 2 }
  const model = dice.pick(meter === 'sum' ? [...models, percentage, percentage] : models)
  return { price: meter, kind: 'usage', meter, ...(model as object) }
}

function randomPrices(dice: Dice): OraclePrice[] {
  const prices: OraclePrice[] = []
  for (const meter of ['calls', 'tokens'].filter(() => dice.chance(0.7))) {
    const allowance = { ...(dice.chance(0.3) ? { included: '3' } : {}), prorate: dice.chance(0.5) }
    // Few contents, so that plans often share one and an amendment leaves it as it is.
    if (dice.chance(0.4)) {
      const unit_amount = dice.pick(['0.37', '0.0000025'])
      prices.push({ price: meter, kind: 'usage', meter, model: 'per_unit', unit_amount, ...allowance })
    } else {
      const flat = dice.chance(0.5) ? { flat_amount: '5' } : {}
      const tiers = [
        { up_to: '2', unit_amount: '1.5', ...flat },
        { up_to: '10.5', unit_amount: '0.777', ...(dice.chance(0.5) ? { flat_amount: '0.1' } : {}) },
        { up_to: null, unit_amount: '0.01' },
      ]
      prices.push({ price: meter, kind: 'usage', meter, model: 'graduated', tiers, ...allowance })
    }
  }
  if (dice.chance(0.7)) {
    const amount = dice.pick(['99', '10.01'])
    prices.push({ price: 'base', kind: 'recurring', amount, per: 'subscription', timing: 'in_advance' })
  }
  if (dice.chance(0.5) || prices.length === 0) {
    prices.push({ price: 'seats', kind: 'recurring', amount: '20', per: 'unit', timing: 'in_advance' })
  }
  return prices
}

function instantNear(dice: Dice, fromHour: number, hours: number): number {
  return startMs + (fromHour + dice.below(hours)) * hourMs + (dice.chance(0.1) ? dice.below(hourMs) : 0)
}

const text = (instantMs: number) => new Date(instantMs).toISOString()

function randomTimeline(
  dice: Dice,
  customer: string,
  subscription: string,
  catalog: OracleCatalog,
): OracleEvent[] {
  const plans = catalog.plans.map(plan => plan.plan)
  let sequence = 0
  const change = (kind: string, effectiveMs: number, data: Record<string, unknown>): OracleEvent => {
    sequence += 1 + dice.below(2)
    return {
      specversion: '1.0',
      id: `${subscription}-${sequence}`,
      source: 'crm',
      type: `weir.subscription.${kind}`,
      subject: customer,
      time: text(effectiveMs),
      data: {
        subscription_id: subscription,
        customer_id: customer,
        sequence,
        effective_from: text(effectiveMs),
        ...data,
      },
    }
  }
  const createdMs = instantNear(dice, 0, 40 * 24)
  const events = [
    change('created', createdMs, {
      plan: dice.pick(plans),
      quantities: { seats: String(1 + dice.below(5)) },
      ...(dice.chance(0.2) ? { trial_until: text(createdMs + dice.below(20 * 24) * hourMs) } : {}),
      ...(dice.chance(0.2) ? { effective_until: text(createdMs + (1 + dice.below(90 * 24)) * hourMs) } : {}),
    }),
  ]
  for (let n = dice.below(5); n > 0; n -= 1) {
    const atMs = instantNear(dice, -5 * 24, 95 * 24)
    const kind = dice.pick(['amended', 'amended', 'amended', 'suspended', 'resumed', 'cancelled', 'renewed'])
    if (kind === 'amended') {
      const plan = dice.chance(0.6) ? { plan: dice.pick(plans) } : {}
      const seats = dice.chance(0.5) ? { quantities: { seats: dice.pick(['1', '2.5', '7']) } } : {}
      events.push(change('amended', atMs, { ...plan, ...seats }))
    } else if (kind === 'renewed') {
      events.push(
        change('renewed', atMs, { effective_until: text(atMs + (1 + dice.below(60 * 24)) * hourMs) }),
      )
    } else events.push(change(kind, atMs, {}))
  }
  return events
}

function randomUsage(dice: Dice, customer: string, subscriptions: readonly string[]): OracleEvent[] {
  const events: OracleEvent[] = []
  const usage = 4 + dice.below(16)
  for (let n = 0; n < usage; n += 1) {
    events.push({
      specversion: '1.0',
      id: `${customer}-u${n}`,
      source: 'api',
      type: 'api.call',
      subject: customer,
      time: text(instantNear(dice, 0, 100 * 24)),
      ...(dice.chance(0.4) ? { subscriptionid: dice.pick(subscriptions) } : {}),
      data: {
        tokens: dice.pick(['1', '2.5', '0', '12.000000000001', '3']),
        user: dice.pick(['ann', 'bob', 'cy']),
        change: dice.pick(['-1', '2', '0.5']),
        model: dice.pick(['small', 'large']),
      },
    })
  }
  for (const event of events.filter(() => dice.chance(0.08))) {
    events.push({
      specversion: '1.0',
      id: `retract-${event.id}`,
      source: 'ops',
      type: 'weir.usage.retracted',
      subject: customer,
      time: event.time,
      data: { event_source: event.source, event_id: event.id },
    })
  }
  return events
}

/** The received events as message bodies, in batches of random size. */
export function inMessages(dice: Dice, received: readonly OracleEvent[], most: number): Uint8Array[][] {
  const batches: Uint8Array[][] = []
  for (let at = 0; at < received.length; ) {
    const batch: Uint8Array[] = []
    for (let n = 1 + dice.below(3); n > 0 && at < received.length; n -= 1) {
      const size = 1 + dice.below(most)
      batch.push(Buffer.from(JSON.stringify(received.slice(at, at + size))))
      at += size
    }
    batches.push(batch)
  }
  return batches
}
