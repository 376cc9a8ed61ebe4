// What a key may do, scope by scope, over HTTP.

import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApiKey, ensureFirstKey, keyBucket, listApiKeys } from '../gateway/api-keys.js'
import { KeyRing } from '../gateway/key-ring.js'
import type { Scope } from '../gateway/scopes.js'
import { reconciliationRoute } from '../reconcile/routes.js'
import { Acts } from '../testing/acts.js'
import {
  type Broker,
  post,
  type Served,
  serve,
  silent,
  startBroker,
  storedMessages,
  usage,
} from '../testing/gateway-fixture.js'
import { keyRoutes } from './key-routes.js'

let broker: Broker
let kv: KV
let ring: KeyRing
let served: Served
let nowMs = Date.now()
let admin: string
const acts = new Acts()

beforeAll(async () => {
  broker = await startBroker(2)
  kv = await new Kvm(broker.nc).open(keyBucket)
  ring = await KeyRing.open(kv, silent, () => nowMs)
  served = await serve(broker, 2, {
    keys: ring,
    routes: [reconciliationRoute(async () => ({ ok: true })), ...keyRoutes(kv, acts, () => nowMs)],
    audit: acts,
  })
  admin = (await ensureFirstKey(kv))!.token
})

afterAll(async () => {
  await served?.gateway.close()
  ring?.close()
  await broker?.close()
})

interface KeyBody {
  key_id: string
  token: string
  status: string
  scopes: string[]
  expires_at: string | null
  code: string
}

async function ask(method: string, path: string, token: string, body?: unknown) {
  const response = await fetch(`${served.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as KeyBody & { keys: KeyBody[] } }
}

async function keyWith(...scopes: Scope[]): Promise<string> {
  return (await createApiKey(kv, { name: scopes.join(), scopes })).token
}

async function send(token: string, events: unknown, path = '/v1/events') {
  const response = await post(`${served.url}${path}`, events, { authorization: `Bearer ${token}` })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}

const catalog = {
  specversion: '1.0',
  id: 'cheap',
  source: 'thief',
  type: 'weir.catalog.published',
  data: { catalog: { meters: [], plans: [] } },
}
const change = {
  specversion: '1.0',
  id: 'free',
  source: 'thief',
  type: 'weir.subscription.cancelled',
  subject: 'acme',
  data: { subscription_id: 's', customer_id: 'acme', sequence: 9, effective_from: '2026-01-01T00:00:00Z' },
}
const rate = {
  specversion: '1.0',
  id: 'fx',
  source: 'thief',
  type: 'weir.fx_rate.published',
  data: { base: 'EUR', quote: 'USD', rate: '1', effective_from: '2026-01-01T00:00:00Z' },
}

test('a key that may send usage can neither change subscriptions nor set prices', async () => {
  const token = await keyWith('ingest:usage')
  const answer = await send(token, [usage('ok'), catalog, change, rate])
  expect(answer.status).toBe(202)
  expect(answer.body).toMatchObject({
    accepted: 1,
    rejected: [
      { index: 1, id: 'cheap', code: 'insufficient_scope', pointer: '/type' },
      { index: 2, id: 'free', code: 'insufficient_scope' },
      { index: 3, id: 'fx', code: 'insufficient_scope' },
    ],
  })
  expect(await storedMessages(broker, 'CATALOG')).toEqual([])
  expect(await storedMessages(broker, 'LIFECYCLE')).toEqual([])
})

test.each([
  ['ingest:lifecycle', change, [usage('u'), catalog]],
  ['ingest:catalog', rate, [usage('u'), change]],
] as const)('%s opens its own stream and no other', async (scope, own, others) => {
  const token = await keyWith(scope)
  const answer = await send(token, [own, ...others])
  expect(answer.body).toMatchObject({ accepted: 1 })
  expect(answer.body['rejected']).toMatchObject(others.map(() => ({ code: 'insufficient_scope' })))
})

test('where all events or none are taken, one without its scope is none', async () => {
  const token = await keyWith('ingest:usage')
  const before = (await storedMessages(broker, 'METERING')).length
  const answer = await send(token, [usage('all'), change], '/api/v1/events')
  expect(answer.status).toBe(400)
  expect(answer.body['errors']).toMatchObject([{ code: 'insufficient_scope' }])
  expect((await storedMessages(broker, 'METERING')).length).toBe(before)
})

test('keys of every scope but admin cannot see or make keys, and read alone cannot send', async () => {
  for (const scope of ['ingest:usage', 'ingest:lifecycle', 'ingest:catalog', 'read', 'billing'] as const) {
    const token = await keyWith(scope)
    expect((await ask('GET', '/v1/keys', token)).status, scope).toBe(403)
    expect((await ask('POST', '/v1/keys', token, { name: 'x', scopes: ['admin'] })).status, scope).toBe(403)
  }
  const read = await keyWith('read')
  expect((await send(read, [usage('r')])).status).toBe(403)
  expect((await ask('GET', '/v1/reconciliation', read)).status).toBe(200)
  expect((await ask('GET', '/v1/reconciliation', await keyWith('billing'))).status).toBe(403)
})

test('a key is made, works, is listed without its secret, and is revoked', async () => {
  const made = await ask('POST', '/v1/keys', admin, { name: 'meter', scopes: ['ingest:usage'] })
  expect(made).toMatchObject({ status: 201, body: { status: 'active', expires_at: null } })
  expect((await send(made.body.token, [usage('made')])).status).toBe(202)
  const listed = await ask('GET', '/v1/keys', admin)
  expect(listed.body.keys.map(key => key.key_id)).toContain(made.body.key_id)
  expect(JSON.stringify(listed.body)).not.toContain(made.body.token.slice(-64))
  expect(JSON.stringify(listed.body)).not.toContain('sha256')
  const revoked = await ask('DELETE', `/v1/keys/${made.body.key_id}`, admin)
  expect(revoked).toMatchObject({ status: 200, body: { status: 'revoked' } })
  await expect.poll(async () => (await send(made.body.token, [usage('late')])).status).toBe(401)
  expect((await ask('DELETE', '/v1/keys/ffffffffffff', admin)).status).toBe(404)
})

test('an expired key is refused from its instant on, and told so in the list', async () => {
  const expires = new Date(nowMs + 60_000).toISOString()
  const made = await ask('POST', '/v1/keys', admin, {
    name: 'short',
    scopes: ['ingest:usage'],
    expires_at: expires,
  })
  expect((await send(made.body.token, [usage('before')])).status).toBe(202)
  nowMs += 60_000
  expect((await send(made.body.token, [usage('after')])).status).toBe(401)
  const { keys } = (await ask('GET', '/v1/keys', admin)).body
  expect(keys.find(key => key.key_id === made.body.key_id)!.status).toBe('expired')
})

test('a rotated key goes on for the overlap, then only the new one works', async () => {
  const old = await ask('POST', '/v1/keys', admin, { name: 'turn', scopes: ['ingest:usage', 'read'] })
  const next = await ask('POST', `/v1/keys/${old.body.key_id}/rotate`, admin, { overlap_seconds: 60 })
  expect(next).toMatchObject({ status: 201, body: { name: 'turn', scopes: ['ingest:usage', 'read'] } })
  expect((await send(old.body.token, [usage('a')])).status).toBe(202)
  expect((await send(next.body.token, [usage('b')])).status).toBe(202)
  await expect
    .poll(async () => {
      const keys = (await ask('GET', '/v1/keys', admin)).body.keys
      return keys.find(key => key.key_id === old.body.key_id)!.expires_at
    })
    .not.toBeNull()
  nowMs += 60_001
  await expect.poll(async () => (await send(old.body.token, [usage('c')])).status).toBe(401)
  expect((await send(next.body.token, [usage('d')])).status).toBe(202)
  expect((await ask('POST', `/v1/keys/${old.body.key_id}/rotate`, admin, {})).body.code).toBe(
    'key_not_in_force',
  )
})

test('bad requests for keys are refused with a pointer; the last admin key cannot be revoked', async () => {
  const bad = [
    { scopes: ['read'] },
    { name: 'x', scopes: [] },
    { name: 'x', scopes: ['root'] },
    { name: 'x', scopes: ['read'], expires_at: 'tomorrow' },
    { name: 'x', scopes: ['read'], expires_at: '2020-01-01T00:00:00Z' },
    { name: 'x', scopes: ['read'], expire_at: null },
  ]
  for (const body of bad) {
    const answer = await ask('POST', '/v1/keys', admin, body)
    expect(answer, JSON.stringify(body)).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  }
  const admins = (await listApiKeys(kv)).filter(
    key => key.scopes.includes('admin') && key.revoked_at === null,
  )
  expect(admins).toHaveLength(1)
  expect(await ask('DELETE', `/v1/keys/${admins[0]!.key_id}`, admin)).toMatchObject({
    status: 409,
    body: { code: 'last_admin_key' },
  })
})
