// A running Weir with a source, over HTTP and the command line: what waits is an exception, discarded and opened again, freed
// by a new id; explain names the arrival, the law of arrivals holds, and a mended mapping is run again.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../bench/measure/supervised-weir.js'
import type { EventExplanation } from '../explain/explanation.js'
import { until } from '../testing/engine-harness.js'
import type { Difference } from './compare.js'
import { type FakeEvent, StripeFake } from './stripe/testing/stripe-fake.js'
import { event as stripeEvent, subscription } from './testing/stripe-samples.js'

const generousMs = 120_000
const secret = `whsec_${Buffer.alloc(32, 3).toString('base64')}`
const mapping = (amount: string, name: string) => `rules:
  - type: payment.succeeded
    event: weir.payment.succeeded
    data:
      payment_id: $.data.id
      customer_id: { from: $.data.customer, id: customer }
      currency: EUR
      amount: { from: $.data.${amount}, as: minor_units, currency: EUR }
  - type: customer.updated
    event: weir.customer.upserted
    data: { customer_id: { from: $.data.customer, id: customer }, name: $.data.${name} }
tests:
  - name: cents
    body: { type: payment.succeeded, data: { id: p, customer: c, cents: 5, gross: 6 } }
    identities: { customer: { c: acme } }
    expect: { events: [ { type: weir.payment.succeeded, subject: acme } ] }
`
const stripe = new StripeFake()
let folder: string
let weir: SupervisedWeir
let apiKey: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-whole-way-'))
  const config = join(folder, 'weir.yaml')
  await stripe.api.open()
  const ofStripe = `kind: stripe, secrets: [ { variable: HOOK } ], api_key: { variable: KEY }, api_url: "${stripe.api.url}"`
  await writeFile(
    config,
    `sources:
  - { name: billing, kind: standard, secrets: [ { variable: HOOK } ], mapping: map.yaml }
  - { name: stripe, ${ofStripe}, ids: { customer: theirs, plan: theirs, price: theirs } }
`,
  )
  await writeFile(join(folder, 'map.yaml'), mapping('cents', 'name'))
  weir = await SupervisedWeir.start({
    env: { WEIR_PARTITIONS: '1', WEIR_CONFIG: config, HOOK: secret, KEY: 'key' },
  })
  await weir.ready()
  apiKey = (await readFile(join(weir.dataDir, 'api-key'), 'utf8')).trim()
}, generousMs)

afterAll(async () => {
  await weir?.stop()
  await stripe.api.close()
  await rm(folder, { recursive: true, force: true })
}, generousMs)

async function send(id: string, type: string): Promise<number> {
  const data = {
    id: `pay_${id}`,
    customer: 'cus_new',
    cents: 100,
    gross: 119,
    name: 'Acme',
    title: 'Acme Inc',
  }
  const [body, at] = [JSON.stringify({ type, data }), new Date()]
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, body),
  }
  return (await fetch(`${weir.url}/v1/webhooks/billing`, { method: 'POST', headers, body })).status
}

async function ask<T>(path: string, body?: object): Promise<T> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const response = await fetch(`${weir.url}${path}`, { ...init, headers })
  const text = await response.text()
  expect(response.status, text).toBeLessThan(300)
  return JSON.parse(text) as T
}

interface Listed {
  readonly exceptions: readonly {
    readonly exception_id: string
    readonly code: string
    readonly owner: string
  }[]
}
const waiting = async () => (await ask<Listed>('/v1/exceptions?kind=waiting_arrival')).exceptions
const states = async () =>
  (await ask<{ sources: { states: Record<string, number> }[] }>('/v1/sources')).sources[0]?.states

test(
  'what waits is an exception with an owner; discarded it is not tried again; opened again it is freed by the id',
  async () => {
    expect(await send('msg_1', 'payment.succeeded')).toBe(200)
    await until(async () => (await waiting()).length === 1)
    const [found] = await waiting()
    expect(found).toMatchObject({ code: 'unknown_identity', owner: 'revops' })
    const answer = { filter: { id: found!.exception_id }, reason: 'a test' }
    await ask('/v1/exceptions/discard', answer)
    expect(await waiting()).toEqual([])
    const data = { customer_id: 'acme', external_ids: { billing: 'cus_new' } }
    const event = {
      specversion: '1.0',
      source: 'crm',
      id: 'c1',
      type: 'weir.customer.upserted',
      subject: 'acme',
    }
    await ask('/v1/events', { ...event, data })
    expect(await send('msg_2', 'customer.updated')).toBe(200)
    await until(async () => (await states())?.['mapped'] === 1)
    expect(await states()).toEqual({ mapped: 1, waiting: 1 })
    await ask('/v1/exceptions/undo', answer)
    await until(async () => (await states())?.['mapped'] === 2)
    expect(await waiting()).toEqual([])
    const told = { object: 'customer', ours: 'acme', system: 'billing', theirs: 'cus_new' }
    expect(await ask('/v1/identities?theirs=cus_new')).toMatchObject({
      identities: [{ ...told, from: 'event' }],
    })
    const move = ['identities', 'set', 'billing', 'cus_new', 'bolt', '--reason', 'a test']
    expect((await weir.run(...move)).stderr).toContain('identity_taken')
    expect((await weir.run(...move, '--instead-of', 'acme')).code).toBe(0)
    const after = encodeURIComponent(
      (await ask<Page>('/v1/identities?theirs=cus_new&limit=1')).next_after ?? '',
    )
    const second = await ask<Page>(`/v1/identities?theirs=cus_new&limit=1&after=${after}`)
    expect(second.identities).toMatchObject([{ ...told, from: 'event' }])
    const removed = await weir.run('identities', 'remove', 'billing', 'cus_new', '--reason', 'a test')
    expect(removed.stdout).toBe('cus_new of billing was the customer bolt, and is set no more.\n')
  },
  generousMs,
)

test(
  'explain names the arrival, the law of arrivals holds, and a mended mapping is run again: dry first, then for good',
  async () => {
    const path = '/v1/events?source=weir:standard:billing&id=msg_1'
    const isTold = async () =>
      (await fetch(`${weir.url}${path}`, { headers: { authorization: `Bearer ${apiKey}` } })).status === 200
    await until(isTold)
    const told = await ask<EventExplanation>(path)
    expect(told.arrival).toMatchObject({ source: 'billing', arrival_id: 'msg_1' })
    expect(told.stations[0]?.reason).toContain('arrival msg_1 of the source billing')
    await writeFile(join(folder, 'map.yaml'), mapping('gross', 'title'))
    expect(await rerun()).toMatchObject({ changed: 1, not_correctable: 1, same: 0 })
    expect(await rerun('--yes')).toMatchObject({ changed: 1, not_correctable: 1, refused: 0 })
    expect(await rerun()).toMatchObject({ changed: 0, not_correctable: 1, same: 1 })
    const one = await ask<{ events: { id: string }[] }>('/v1/sources/billing/arrivals/msg_2')
    expect(one.events.map(({ id }) => id.replace(/\d+$/, 'n'))).toEqual(['msg_n', 'msg_2~n'])
    const report = await ask<Report>('/v1/reconciliation')
    expect(report.checks.filter(({ ok, state }) => !ok && state !== 'not_checked')).toEqual([])
    expect(report.arrivals).toEqual([{ source: 'billing', state: 'mapped', arrivals: 2 }])
    expect(report.checks.find(({ check }) => check === 'arrivals')?.compared).toBe(2)
    const tested = await weir.run('sources', 'test', join(folder, 'map.yaml'))
    expect([tested.code, tested.stdout]).toEqual([0, 'ok    cents\n'])
  },
  generousMs,
)

test(
  'after an outage what a source could not deliver is fetched once, and its objects are compared with ours by field and value',
  async () => {
    const now = Math.floor(Date.now() / 1_000)
    const price = { price: 'price_seats', kind: 'recurring', amount: '20', per: 'unit', timing: 'in_advance' }
    const plan = { plan: 'prod_pro', version: 1, currency: 'EUR', billing_period: 'month', prices: [price] }
    const type = 'weir.catalog.published'
    const data = { catalog: { plans: [plan] } }
    await ask('/v1/events', { specversion: '1.0', source: 'us', id: 'plans', type, subject: 'catalog', data })
    const customer = { id: 'cus_1', object: 'customer', name: 'Acme' }
    const endless = (seats: number) => ({ ...subscription(seats), cancel_at_period_end: false })
    const missed = (id: string, of: FakeEvent['type'], object: object, created: number): FakeEvent => {
      stripe.undelivered.add(id)
      return { ...stripeEvent(of, object as Record<string, unknown>, created), id, created, type: of }
    }
    stripe.events = [
      missed('evt_c', 'customer.created', customer, now - 90_000),
      missed('evt_s', 'customer.subscription.created', endless(5), now - 80_000),
    ]
    stripe.objects.set('customers/cus_1', customer).set('subscriptions/sub_1', endless(5))
    stripe.api.nowMs = Date.now()
    expect(await job('catch-up')).toMatchObject({
      job: { state: 'done', counts: { stored: 2, duplicates: 0 } },
    })
    stripe.api.refuseNext([429, 1])
    expect(await job('catch-up')).toMatchObject({
      job: { state: 'done', counts: { stored: 0, duplicates: 2 } },
    })
    await until(async () => (await job('compare')).differences?.length === 0)
    stripe.objects.set('subscriptions/sub_1', endless(7))
    const common = { object: 'subscription', id: 'sub_1', our_id: 'sub_1' }
    const seats = { what: 'different', field: 'quantities.price_seats', theirs: '7', ours: '5' }
    expect((await job('compare')).differences).toEqual([{ ...common, ...seats }])
    const long = await job('catch-up', '--from', '2026-01-01T00:00:00Z')
    expect(long.job).toMatchObject({
      state: 'done',
      request: { objects_because: expect.stringContaining('keeps') },
    })
    await until(async () => (await job('compare')).differences?.length === 0)
    stripe.objects.delete('subscriptions/sub_1')
    stripe.objects.set('subscriptions/sub_2', { ...endless(1), id: 'sub_2' })
    expect((await job('compare')).differences).toMatchObject([
      { what: 'missing', id: 'sub_2' },
      { what: 'extra', our_id: 'sub_1' },
    ])
  },
  generousMs,
)

async function job(act: string, ...more: string[]) {
  const { stdout } = await weir.run('sources', act, 'stripe', '--json', ...more)
  return JSON.parse(stdout) as { job: object; differences?: readonly Difference[] }
}

interface Page {
  readonly identities: readonly unknown[]
  readonly next_after: string | null
}

interface Report {
  readonly checks: readonly {
    readonly check: string
    readonly ok: boolean
    readonly state: string
    readonly compared: number
  }[]
  readonly arrivals: unknown
}

async function rerun(...more: string[]): Promise<Record<string, number>> {
  const stretch = ['--from', '2026-01-01T00:00:00Z', '--until', '2199-01-01T00:00:00Z', '--reason', 'gross']
  const { code, stdout, stderr } = await weir.run(
    'sources',
    'rerun',
    'billing',
    ...stretch,
    ...more,
    '--json',
  )
  expect([code, stderr]).toEqual([0, ''])
  return (JSON.parse(stdout) as { job: { counts: Record<string, number> } }).job.counts
}
