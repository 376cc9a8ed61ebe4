// Usage and changes under subjects that name a customer in any way that NATS takes, while Weir and its broker are killed:
// each event counts once, for the customer that the subject names.

import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort, SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { customerToken } from '../../../schemas/identifiers.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import { settled } from './kill-run.js'

const generousMs = 300_000
const customers = [
  'acme.eu',
  'jane@acme.com',
  'a.b.c.d.e',
  'org:7',
  'Zürich',
  '顧客-1',
  'voilà',
  'x=y',
  'plain',
  'ünï.cödé',
  'a b',
]
const eventsOfEach = 30

let weir: SupervisedWeir
let publisher: NatsConnection
let js: JetStreamClient

beforeAll(async () => {
  const port = await freePort()
  weir = await SupervisedWeir.start({ env: { WEIR_NATS_PORT: String(port) } }) // the producer finds it again
  await weir.ready()
  publisher = await connect({ ...weir.natsAs('publisher'), maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  js = jetstream(publisher, { timeout: 1_000 })
}, generousMs)

afterAll(async () => {
  await publisher?.close()
  await weir?.stop()
}, generousMs)

const attributes = { specversion: '1.0', source: '/any-subject' }
const may = '2026-05-01T00:00:00Z'
const catalog = {
  meters: [{ meter: 'calls', event_type: 'call', aggregation: 'count' }],
  plans: [
    {
      plan: 'pro',
      version: 1,
      currency: 'USD',
      billing_period: 'month',
      prices: [{ price: 'calls', kind: 'usage', meter: 'calls', model: 'per_unit', unit_amount: '2' }],
    },
  ],
}

/** The customer as it is, where NATS takes it so, and else escaped. */
const rawTail = (customer: string) => (customer.includes(' ') ? customerToken(customer) : customer)

/** Repeats the same bytes until the broker says that it has them, as a producer should. */
async function publish(natsSubject: string, event: object): Promise<void> {
  for (;;) {
    try {
      await js.publish(natsSubject, JSON.stringify({ ...attributes, ...event }))
      return
    } catch {
      await sleep(20)
    }
  }
}

async function rows(query: string): Promise<Record<string, unknown>[]> {
  const clickhouse = openClickHouse(weir.clickhouse)
  try {
    return await (await clickhouse.query({ query, format: 'JSONEachRow' })).json()
  } finally {
    await clickhouse.close()
  }
}

test(
  'whatever a subject calls a customer, each event counts once, also when Weir and its broker are killed',
  async () => {
    const response = await fetch(`${weir.url}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${weir.instance?.api_key}` },
      body: JSON.stringify({
        ...attributes,
        id: 'catalog',
        type: 'weir.catalog.published',
        data: { catalog },
      }),
    })
    expect(response.status).toBe(202)
    for (const [index, customer] of customers.entries()) {
      const data = {
        subscription_id: `s${index}`,
        customer_id: customer,
        sequence: 1,
        plan: 'pro',
        effective_from: may,
      }
      const id = `created ${customer}`
      await publish(`changes.${rawTail(customer)}`, {
        id,
        type: 'weir.subscription.created',
        subject: customer,
        data,
      })
    }
    const sent = Promise.all(
      customers.map(async customer => {
        for (let n = 0; n < eventsOfEach; n += 1) {
          const tail = n % 3 === 0 ? customerToken(customer) : rawTail(customer)
          await publish(`usage.${tail}`, {
            id: `${customer} ${n}`,
            type: 'call',
            subject: customer,
            time: may,
            data: {},
          })
          await sleep(20)
        }
      }),
    )
    for (const victim of ['weir', 'nats-server', 'weir'] as const) {
      await sleep(300)
      weir.kill(victim)
    }
    await sent
    await weir.ready()
    const report = await settled(weir)
    expect(report.checks.filter(check => !check.ok)).toEqual([])
    const dead = await rows('SELECT code, detail FROM dead_letters')
    expect(dead).toEqual([])
    const rated = await rows(
      `SELECT customer_id, toInt32(sum(event_count)) AS events, toInt32(uniqExact(event_id)) AS ids, toString(sum(amount)) AS amount
        FROM rated_usage GROUP BY customer_id`,
    )
    const expected = customers.map(customer_id => {
      return { customer_id, events: eventsOfEach, ids: eventsOfEach, amount: String(2 * eventsOfEach) }
    })
    const byCustomer = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
    expect(rated.sort(byCustomer)).toEqual(expected.sort(byCustomer))
  },
  generousMs,
)
