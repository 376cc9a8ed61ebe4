// API keys over HTTP: creating, requiring, rotating and revoking them.

import { request } from 'node:http'
import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reconciliationRoute } from '../reconcile/routes.js'
import {
  type Broker,
  post,
  type Served,
  serve,
  silent,
  startBroker,
  usage,
} from '../testing/gateway-fixture.js'
import {
  createApiKey,
  ensureFirstKey,
  keyBucket,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
} from './api-keys.js'
import { KeyRing } from './key-ring.js'

let broker: Broker
let kv: KV
let ring: KeyRing
let served: Served

beforeAll(async () => {
  broker = await startBroker(2)
  kv = await new Kvm(broker.nc).open(keyBucket)
  ring = await KeyRing.open(kv, silent)
  served = await serve(broker, 2, { keys: ring, routes: [reconciliationRoute(async () => ({ ok: true }))] })
})

afterAll(async () => {
  await served?.gateway.close()
  ring?.close()
  await broker?.close()
})

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const ingestWith = async (headers: Record<string, string>) => {
  const response = await post(`${served.url}/v1/events`, [usage('k')], headers)
  await response.body?.cancel()
  return response
}
const readWith = (headers: Record<string, string>) => fetch(`${served.url}/v1/reconciliation`, { headers })

async function eventually(claim: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await claim())) {
    if (Date.now() > deadline) throw new Error('it did not come true')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

test('the first key is made once and has all scopes; the secret is nowhere in the bucket', async () => {
  const first = (await ensureFirstKey(kv))!
  expect(first.token).toMatch(/^weir_[0-9a-f]{12}_[0-9a-f]{64}$/)
  expect(await ensureFirstKey(kv)).toBeUndefined()
  const stored = (await kv.get(first.keyId))!.string()
  expect(stored).not.toContain(first.token.slice(-64))
  expect((await ingestWith(bearer(first.token))).status).toBe(202)
  expect((await readWith(bearer(first.token))).status).toBe(200)
})

test('without a key, or with a wrong one, the answer is 401 with a challenge', async () => {
  const { token } = await createApiKey(kv, { name: 'a', scopes: ['ingest:usage'] })
  const other = token.slice(0, -1) + (token.endsWith('0') ? '1' : '0')
  const absent = `weir_${'0'.repeat(12)}_${'0'.repeat(64)}`
  const wrong = [
    bearer(other),
    bearer(absent),
    bearer('x'),
    bearer(`${token}0`),
    { authorization: 'Basic eDp5' },
  ]
  for (const headers of [{}, ...wrong]) {
    const response = await ingestWith(headers as Record<string, string>)
    expect(response.status, JSON.stringify(headers)).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer realm="weir"/)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  }
})

test('a scope does not open what another one guards', async () => {
  const ingest = await createApiKey(kv, { name: 'i', scopes: ['ingest:usage'] })
  const read = await createApiKey(kv, { name: 'r', scopes: ['read'] })
  const admin = await createApiKey(kv, { name: 'a', scopes: ['admin'] })
  expect((await ingestWith(bearer(ingest.token))).status).toBe(202)
  expect((await readWith(bearer(ingest.token))).status).toBe(403)
  expect((await ingestWith(bearer(read.token))).status).toBe(403)
  expect((await readWith(bearer(read.token))).status).toBe(200)
  expect((await ingestWith(bearer(admin.token))).status).toBe(202)
  const refused = await readWith(bearer(ingest.token))
  expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope", scope="read"')
})

test('keys are rotated without a gap: both work until the old one is revoked', async () => {
  const old = await createApiKey(kv, { name: 'old', scopes: ['ingest:usage'] })
  const fresh = await createApiKey(kv, { name: 'fresh', scopes: ['ingest:usage'] })
  for (const { token } of [old, fresh]) expect((await ingestWith(bearer(token))).status).toBe(202)
  expect(await revokeApiKey(kv, old.keyId)).toMatchObject({ kind: 'ok' })
  expect(await revokeApiKey(kv, old.keyId)).toMatchObject({ kind: 'ok' })
  expect(await revokeApiKey(kv, '000000000000')).toEqual({ kind: 'not_found' })
  expect(await revokeApiKey(kv, '../../x')).toEqual({ kind: 'not_found' })
  await eventually(async () => (await ingestWith(bearer(old.token))).status === 401)
  expect((await ingestWith(bearer(fresh.token))).status).toBe(202)
  const listed = await listApiKeys(kv)
  expect(listed.find(key => key.key_id === old.keyId)!.revoked_at).not.toBeNull()
  expect(listed.find(key => key.key_id === fresh.keyId)!.revoked_at).toBeNull()
})

test('a key that is rotated and revoked by several requests at one moment ends revoked, and no new key outlives it unseen', async () => {
  const { keyId } = await createApiKey(kv, { name: 'contested', scopes: ['read'] })
  const rotations = [1, 2, 3].map(() => rotateApiKey(kv, keyId, { overlapMs: 60_000 }))
  const revocations = [1, 2, 3].map(() => revokeApiKey(kv, keyId))
  for (const revoked of await Promise.all(revocations)) expect(revoked.kind).toBe('ok')
  const handedOut = (await Promise.all(rotations)).flatMap(one =>
    one.kind === 'ok' ? [one.created.keyId] : [],
  )
  const named = (await listApiKeys(kv)).filter(({ name }) => name === 'contested')
  expect(named.find(key => key.key_id === keyId)!.revoked_at).not.toBeNull()
  const working = named.filter(key => key.revoked_at === null).map(key => key.key_id)
  expect(working.sort()).toEqual(handedOut.sort())
})

test('probes need no key; metrics need one unless they are asked for on this machine', async () => {
  const { token } = await createApiKey(kv, { name: 'm', scopes: ['read'] })
  const viaProxy = { 'x-forwarded-for': '203.0.113.9' }
  const get = async (path: string, headers: Record<string, string>) =>
    (await fetch(`${served.url}${path}`, { headers })).status
  expect(await get('/livez', viaProxy)).toBe(200)
  expect(await get('/readyz', viaProxy)).toBe(200)
  expect(await get('/openapi.json', viaProxy)).toBe(200)
  for (const path of ['/metrics', '/version']) {
    expect(await get(path, {})).toBe(200)
    expect(await get(path, viaProxy)).toBe(401)
    expect(await get(path, { ...viaProxy, ...bearer(token) })).toBe(200)
  }
  const checksOf = async (headers: Record<string, string>) =>
    ((await (await fetch(`${served.url}/readyz`, { headers })).json()) as { checks?: unknown }).checks
  expect(await checksOf(viaProxy)).toBeUndefined()
  expect(await checksOf({})).toBeDefined()
  expect(await checksOf({ ...viaProxy, ...bearer(token) })).toBeDefined()
})

/** Uses `node:http`, because `fetch` does not send a Host or an Origin of the caller's choice. */
function statusOf(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(`${served.url}${path}`, { headers }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    asked.on('error', reject).end()
  })
}

test('a web page in a browser on this machine is no neighbour, whatever name points here', async () => {
  const pages = [
    { host: 'evil.example' },
    { host: 'evil.example:80' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
  ] as unknown as Record<string, string>[]
  for (const headers of pages) {
    expect([headers, await statusOf('/metrics', headers)]).toEqual([headers, 401])
    expect([headers, await statusOf('/livez', headers)]).toEqual([headers, 200])
  }
  expect(await statusOf('/metrics', { host: 'localhost:8080', origin: 'http://127.0.0.1:3000' })).toBe(200)
})

test('after the broker was killed, keys still verify, and later revocations still arrive', async () => {
  const key = await createApiKey(kv, { name: 'k', scopes: ['ingest:usage'] })
  expect(await ring.verify(key.token)).toBeDefined()
  await broker.kill()
  expect(await ring.verify(key.token)).toBeDefined()
  await broker.restart()
  await eventually(async () => {
    try {
      return (await revokeApiKey(kv, key.keyId)).kind === 'ok'
    } catch {
      return false
    }
  })
  await eventually(async () => (await ring.verify(key.token)) === undefined)
})

test('while the broker is away a key that is not in memory is 503, not 401; probes are answered all the same', async () => {
  const known = await createApiKey(kv, { name: 'known', scopes: ['read'] })
  expect(await ring.verify(known.token)).toBeDefined()
  const made = `weir_${'1'.repeat(12)}_${'1'.repeat(64)}`
  await broker.kill()
  for (let call = 0; call < 2; call += 1) {
    const response = await readWith(bearer(made))
    expect(response.status).toBe(503)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await response.json()).toMatchObject({ code: 'broker_unavailable' })
  }
  expect((await readWith(bearer(known.token))).status).toBe(200)
  const wrongSecret = known.token.slice(0, -1) + (known.token.endsWith('0') ? '1' : '0')
  expect((await readWith(bearer(wrongSecret))).status).toBe(401)
  expect((await readWith(bearer('x'))).status).toBe(401)
  const viaProxy = { 'x-forwarded-for': '203.0.113.9', ...bearer(made) }
  expect((await fetch(`${served.url}/livez`, { headers: viaProxy })).status).toBe(200)
  await broker.restart()
  await eventually(async () => (await readWith(bearer(made))).status === 401)
  const fresh = await createApiKey(kv, { name: 'fresh', scopes: ['read'] })
  expect((await readWith(bearer(fresh.token))).status).toBe(200)
})
