// The stations of the story, one after the other. Within a station everything is told in the order of the disorder; the next one
// begins when what a person would wait for is there.

import { setTimeout as sleep } from 'node:timers/promises'
import Stripe from 'stripe'
import { Api } from './api.js'
import { type Change, customer, sold, upgraded, usage } from './deal.js'
import type { Disorder, Moment } from './disorder.js'
import { type End, readEnd } from './end.js'
import { expected, expectedWhileFailing } from './expected.js'
import { type Systems, webhookSecret } from './systems.js'

/** Of all waiting together. */
const mostMs = 240_000
/** A kill comes within so much of what was told. */
const killWithinMs = 300
/** Midnight in Berlin. */
export const monthEnd = '2026-10-31T23:00:00Z'

export interface Story {
  readonly end: End
  /** What the CRM's account said while nothing was paid. */
  readonly whileFailing: Readonly<Record<string, unknown>>
  /** Seconds until each station was through. */
  readonly seconds: Readonly<Record<string, number>>
}

export async function play(systems: Systems, disorder: Disorder): Promise<Story> {
  const api = new Api(systems.weir, AbortSignal.timeout(mostMs))
  const begun = performance.now()
  const seconds: Record<string, number> = {}
  const through = (station: string) => {
    seconds[station] = Math.round((performance.now() - begun) / 100) / 10
  }
  const teller = new Teller(systems, api, disorder)
  if (!disorder.isLateFirst) await teller.identities()
  if (disorder.isLateFirst) await teller.usage()
  await teller.crm(sold, 'sold')
  if (disorder.isLateFirst) await teller.identities()
  await api.until('the subscription', async () => (await versions(api)) >= 1)
  through('subscription')
  if (!disorder.isLateFirst) await teller.usage()
  await teller.crm(upgraded, 'upgraded')
  await api.until('the upgrade', async () => (await versions(api)) >= 3)
  await api.until('all usage', async () => (await rated(api)) === usage.length)
  through('upgrade and usage')
  await teller.bill()
  const { stripe, netsuite } = systems
  await api.until('invoice items', () => stripe.items.all().length >= 8)
  await api.until('journals', () => netsuite.entries.all().length >= 12)
  through('billed and posted')
  const { finalized, failed, failedAgain, succeeded, paid } = payments(
    systems,
    Math.floor(Date.now() / 1_000),
  )
  await teller.webhooks([finalized, failed], 'failed')
  const account = () => systems.account.account(customer.crm.slice(0, 15))
  // It may hear of a payment before it hears of the invoice.
  await api.until('the failure in the CRM', () => says(account(), expectedWhileFailing))
  const whileFailing = account()
  through('failing')
  await teller.webhooks([failedAgain, succeeded, paid], 'paid')
  await api.until('all that Stripe told', async () => (await toldOfMoney(api)) === 5)
  await api.until('the payment in the CRM', () => says(account(), expected.account))
  await teller.echo()
  await api.until('what is delivered in the tables', async () => (await undelivered(api)) === 0)
  through('paid')
  return { end: await readEnd(systems, api), whileFailing, seconds }
}

const versions = async (api: Api) =>
  Number(
    (await api.rows<{ n: string }>('SELECT uniqExact(effective_from) AS n FROM subscription_versions'))[0]?.n,
  )
const rated = async (api: Api) =>
  Number((await api.rows<{ n: string }>('SELECT sum(event_count) AS n FROM rated_usage'))[0]?.n)
/** An invoice that is finalized and paid, and three tries. */
const toldOfMoney = async (api: Api) => {
  const both = 'SELECT event_id FROM payments UNION ALL SELECT event_id FROM invoices'
  return Number((await api.rows<{ n: string }>(`SELECT count() AS n FROM (${both})`))[0]?.n)
}
const undelivered = async (api: Api) => {
  const states = 'SELECT argMax(state, stream_sequence) AS last FROM deliveries GROUP BY delivery_id'
  const open = `SELECT countIf(last NOT IN ('posted', 'superseded')) AS n, count() AS all FROM (${states})`
  const [row] = await api.rows<{ n: string; all: string }>(open)
  return Number(row?.all) >= 20 ? Number(row?.n) : undefined
}

/** Whether the account has all of these values. */
function says(account: Readonly<Record<string, unknown>>, values: object): boolean {
  return Object.entries(values).every(([field, value]) => account[field] === value)
}

class Teller {
  readonly #systems: Systems
  readonly #api: Api
  readonly #disorder: Disorder

  constructor(systems: Systems, api: Api, disorder: Disorder) {
    this.#systems = systems
    this.#api = api
    this.#disorder = disorder
  }

  /** Whose ids are whose: somebody says so. */
  async identities(): Promise<void> {
    const one = { object: 'customer', ours: customer.ours }
    const identities = (['crm', 'billing', 'erp'] as const).map(system => {
      return { ...one, system, theirs: customer[system] }
    })
    await this.#api.post('/v1/identities', JSON.stringify({ identities, reason: 'the first contract' }))
  }

  async usage(): Promise<void> {
    for (const event of this.#disorder.order(usage)) await this.#api.post('/v1/events', JSON.stringify(event))
    await this.#kill('used')
  }

  async crm(changes: readonly Change[], moment: Moment): Promise<void> {
    const { org } = this.#systems
    org.bus.hold()
    for (const [object, record] of changes) org.put(object, record)
    org.bus.release(events => this.#disorder.order(events))
    await this.#kill(moment)
  }

  async bill(): Promise<void> {
    const body = JSON.stringify({ cutoff: monthEnd })
    const order = () => this.#api.post('/v1/billing-runs', body, { 'idempotency-key': 'october' })
    for (const _ of this.#disorder.order([1])) await order()
    await this.#kill('billed')
  }

  async webhooks(events: readonly object[], moment: Moment): Promise<void> {
    for (const event of this.#disorder.order(events)) {
      const payload = JSON.stringify(event)
      const timestamp = Math.floor(Date.now() / 1_000)
      const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: webhookSecret, timestamp })
      await this.#api.post('/v1/webhooks/payments', payload, { 'stripe-signature': header })
    }
    await this.#kill(moment)
  }

  /** The org tells of what Weir wrote to it: that comes back and must set off nothing. */
  async echo(): Promise<void> {
    const { org, account } = this.#systems
    const { Id: _, ...written } = account.account(customer.crm.slice(0, 15))
    org.put('Account', { Id: customer.crm, ...written })
  }

  async #kill(moment: Moment): Promise<void> {
    if (!this.#disorder.killsAt(moment)) return
    await sleep(this.#disorder.afterMs(killWithinMs))
    this.#systems.weir.kill('weir')
  }
}

/** What Stripe tells of the invoice that it makes of its items, and of three tries to have it paid. */
function payments({ stripe }: Systems, atSeconds: number) {
  const items = stripe.items.all().map(one => one.document)
  const total = items.reduce((sum, one) => sum + Number(one.amount), 0)
  const invoice = {
    ...{
      id: 'in_october',
      object: 'invoice',
      customer: customer.billing,
      currency: 'eur',
      total,
      due_date: atSeconds,
    },
    lines: { object: 'list', data: items.map((one, n) => ({ id: `il_${n}`, object: 'line_item', ...one })) },
  }
  const intent = {
    ...{
      id: 'pi_october',
      object: 'payment_intent',
      customer: customer.billing,
      currency: 'eur',
      amount: total,
    },
    payment_details: { customer_reference: null, order_reference: invoice.id },
  }
  const failing = (charge: string, decline_code: string) => ({
    ...{ ...intent, status: 'requires_payment_method', latest_charge: charge },
    last_payment_error: { code: 'card_declined', decline_code, charge },
  })
  const open = { ...invoice, status: 'open', status_transitions: { finalized_at: atSeconds, paid_at: null } }
  const settled = { finalized_at: atSeconds, paid_at: atSeconds + 3 }
  const event = (n: number, type: string, object: object) => {
    const created = atSeconds + n
    return {
      id: `evt_${n}`,
      object: 'event',
      api_version: '2026-10-28.endive',
      created,
      type,
      data: { object },
    }
  }
  return {
    finalized: event(0, 'invoice.finalized', open),
    failed: event(1, 'payment_intent.payment_failed', failing('ch_1', 'insufficient_funds')),
    failedAgain: event(2, 'payment_intent.payment_failed', failing('ch_2', 'do_not_honor')),
    succeeded: event(3, 'payment_intent.succeeded', {
      ...intent,
      status: 'succeeded',
      amount_received: total,
    }),
    paid: event(4, 'invoice.paid', { ...invoice, status: 'paid', status_transitions: settled }),
  }
}
