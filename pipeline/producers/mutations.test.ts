// Damaged requests of each system's clients: no bug, nothing taken without a key, and exactly what was answered as taken is on
// disk. WEIR_MUTATIONS sets how many of each.

import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { validateEvent } from '../../schemas/event/cloud-event.js'
import { createApiKey, keyBucket, revokeApiKey } from '../gateway/api-keys.js'
import { eventTaker } from '../gateway/event-taker.js'
import { openIntake } from '../gateway/gateway.js'
import { KeyRing } from '../gateway/key-ring.js'
import type { ApiRoute } from '../gateway/route.js'
import { Acts } from '../testing/acts.js'
import { until } from '../testing/engine-harness.js'
import {
  type Broker,
  type Served,
  serve,
  silent,
  startBroker,
  storedMessages,
} from '../testing/gateway-fixture.js'
import { producerRoutes } from './feature.js'
import { producersSettings } from './settings.js'

const count = Number(process.env['WEIR_MUTATIONS'] ?? 25)
const generousMs = 600_000
let broker: Broker
let served: Served
let ring: KeyRing
let token: string
let accesses: (readonly [string, ApiRoute['access']])[] = []
let keys: KV
/** Events that answers told as taken. */
let taken = 0

beforeAll(async () => {
  broker = await startBroker(2)
  const { nc } = broker
  keys = await new Kvm(nc).open(keyBucket)
  token = (await createApiKey(keys, { name: 'client', scopes: ['ingest:usage'] })).token
  ring = await KeyRing.open(keys, silent)
  const [audit, registry] = [new Acts(), new Registry()]
  const pressure = () => ({ kind: 'ok' }) as const
  const intake = openIntake({ nc, js: jetstream(nc), partitions: 2, audit, registry, pressure })
  const routes = producerRoutes({
    events: eventTaker(intake),
    settings: producersSettings.schema(z).parse({}),
    identities: { ours: async asked => asked.map(() => undefined), ever: async asked => asked.map(() => []) },
    takenUnder: async () => [],
    caughtUp: async () => true,
    owners: async ids => ids.map(() => undefined),
    customersOf: async () => [],
    keys,
    audit,
  })
  accesses = routes.map(({ path, access }) => [path, access])
  served = await serve(broker, 2, { keys: ring, intake, routes, registry })
}, generousMs)

afterAll(async () => {
  ring?.close()
  await served?.gateway.close()
  await broker?.close()
})

test('no route of a producer is open: each asks for the scope of what it takes, and for no other', () => {
  expect(accesses.length).toBeGreaterThan(9)
  for (const [path, access] of accesses) {
    const scope = path.includes('adjustment') ? 'ingest:lifecycle' : 'ingest:usage'
    expect([path, access]).toEqual([path, { kind: 'scope', anyOf: [scope], basic: true }])
  }
})

interface Dialect {
  readonly path: string
  readonly form?: true
  readonly body: string
  /** How many events an answer says are taken. */
  readonly takenOf: (sent: string, status: number, answer: Record<string, unknown>) => number
}

const properties = { tokens: 1, nested: { list: [1, '2', null, 0.1] }, ключ: '✓' }
const list = (text: string, member?: string): readonly unknown[] => {
  const value = JSON.parse(text) as Record<string, unknown[]> & unknown[]
  return member === undefined ? value : value[member]!
}
const all = (member?: string) => (sent: string, status: number) =>
  status === 200 ? list(sent, member).length : 0
const one = (_: string, status: number) => (status === 200 ? 1 : 0)

const timestamp = '2025-06-15T10:00:00Z'
const orb = (key: string) => ({
  idempotency_key: key,
  event_name: 'e',
  external_customer_id: 'a',
  timestamp,
  properties,
})
const metronome = (id: string) => ({
  transaction_id: id,
  event_type: 'e',
  customer_id: 'a',
  timestamp,
  properties,
})
const lago = (id: string) => ({
  transaction_id: id,
  code: 'e',
  external_subscription_id: 's',
  timestamp: 1750000000.123,
  properties,
})
const stripe = (identifier: string) => ({
  event_name: 'e',
  identifier,
  payload: { stripe_customer_id: 'a', value: '1' },
  timestamp,
})
const notFailed = (sent: string, status: number, { validation_failed: failed }: Record<string, unknown>) => {
  if (status === 200) return list(sent, 'events').length
  if (!Array.isArray(failed) || JSON.stringify(failed).includes('none was taken')) return 0
  return list(sent, 'events').length - failed.length
}

const dialects: Readonly<Record<string, Dialect>> = {
  'Stripe, a form': {
    path: '/v1/billing/meter_events',
    form: true,
    body: 'event_name=e&identifier=i&payload[stripe_customer_id]=a&payload[value]=1%C3%A9&timestamp=1750000000',
    takenOf: one,
  },
  'Stripe, JSON': { path: '/v2/billing/meter_events', body: JSON.stringify(stripe('i')), takenOf: one },
  'Stripe, the stream': {
    path: '/v2/billing/meter_event_stream',
    body: JSON.stringify({ events: [stripe('i'), stripe('j')] }),
    takenOf: all('events'),
  },
  Orb: {
    path: '/producers/orb/v1/ingest',
    body: JSON.stringify({ events: [orb('i'), orb('j'), orb('k')] }),
    takenOf: notFailed,
  },
  Metronome: {
    path: '/v1/ingest',
    body: JSON.stringify([metronome('i'), metronome('j')]),
    takenOf: (sent, status, answer) =>
      sent.trimStart().startsWith('[') ? all()(sent, status) : notFailed(sent, status, answer),
  },
  'Lago, one': { path: '/api/v1/events', body: JSON.stringify({ event: lago('i') }), takenOf: one },
  'Lago, many': {
    path: '/api/v1/events/batch',
    body: JSON.stringify({ events: [lago('i'), lago('j')] }),
    takenOf: all('events'),
  },
}

const pieces = fc.constantFrom(
  ...[
    '{}',
    '[]',
    'null',
    '1e999',
    '-0',
    '"',
    '\\u0000',
    '\\ud800',
    '%00',
    '%ff',
    '&',
    '=',
    'payload[',
    ']',
    '__proto__',
    'weir.x',
  ],
  ...[
    '9'.repeat(400),
    '[['.repeat(300),
    'x'.repeat(300),
    '2200-01-01T00:00:00Z',
    '"timestamp":0,',
    '{"events":',
    'constructor',
  ],
)

interface Mutation {
  readonly at: number
  readonly cut: number
  readonly put: string
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(60)),
  put: fc.oneof(fc.constant(''), pieces, fc.string({ unit: 'binary', maxLength: 4 })),
})

/** A JSON value in the place of another. */
function withValue(body: string, pick: number, value: unknown): string {
  const places = [...body.matchAll(/:("[^"]*"|[\d.]+)/g)]
  const place = places[pick % Math.max(1, places.length)]
  if (place === undefined) return body
  return `${body.slice(0, place.index + 1)}${JSON.stringify(value)}${body.slice(place.index + place[0].length)}`
}

function mutated({ body, form }: Dialect): fc.Arbitrary<string> {
  const bytes = fc.array(mutation, { maxLength: 3 }).map(steps =>
    steps.reduce((text, { at, cut, put }) => {
      const from = Math.floor(at * text.length)
      return text.slice(0, from) + put + text.slice(from + cut)
    }, body),
  )
  if (form === true) return bytes
  const values = fc
    .tuple(fc.nat(), fc.jsonValue({ maxDepth: 2 }))
    .map(([pick, value]) => withValue(body, pick, value))
  return fc.oneof(bytes, values)
}

test.each(Object.entries(dialects))(
  '%s: damaged requests are refused in words or taken, and none without a key',
  async (_name, dialect) => {
    const url = `${served.url}${dialect.path}`
    const type = dialect.form === true ? 'application/x-www-form-urlencoded' : 'application/json'
    const arbitrary = fc.tuple(
      mutated(dialect),
      fc.nat(19).map(n => n === 0),
    )
    const samples = fc.sample(arbitrary, { numRuns: count, seed: 14 })
    for (const [body, isStranger] of samples) {
      const bearer = isStranger ? `${token.slice(0, -1)}x` : token
      const headers = { 'content-type': type, authorization: `Bearer ${bearer}` }
      const answer = await fetch(url, { method: 'POST', headers, body })
      const text = await answer.text()
      const allowed = isStranger ? [401] : [200, 204, 400, 413, 422]
      expect(allowed, `${answer.status} ${text} for ${body}`).toContain(answer.status)
      // CloudEvents of OpenMeter share a path; none of these is one.
      expect(answer.status, body).not.toBe(204)
      taken += dialect.takenOf(body, answer.status, JSON.parse(text) as Record<string, unknown>)
    }
  },
  generousMs,
)

test('the token of a session begins no other session, and ends when its key does', async () => {
  const { keyId, token: own } = await createApiKey(keys, { name: 'other', scopes: ['ingest:usage'] })
  const post = (path: string, bearer: string) =>
    fetch(`${served.url}/v2/billing/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: '{"events":[]}',
    })
  const session = (await (await post('meter_event_session', own)).json()) as { authentication_token: string }
  const inSession = (path: string) => post(path, session.authentication_token)
  expect((await inSession('meter_event_session')).status).toBe(403)
  expect((await inSession('meter_event_stream')).status).toBe(400) // it has no events
  await revokeApiKey(keys, keyId)
  await until(async () => (await inSession('meter_event_stream')).status === 401)
})

test(
  'all that was answered as taken is on disk as valid usage, and nothing else is',
  async () => {
    expect(taken).toBeGreaterThan(count)
    const stored = (await storedMessages(broker, 'METERING')).flatMap(({ events }) => events)
    expect(stored.length).toBe(taken)
    for (const event of stored) {
      expect(validateEvent(event, Date.now()).kind).toBe('ok')
      expect(event['type']).not.toMatch(/^weir\./)
    }
  },
  generousMs,
)
