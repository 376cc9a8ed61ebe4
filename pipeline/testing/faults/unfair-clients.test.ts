// Clients that try to take the gateway from the others, one after another, beside a producer that must notice
// nothing.

import { type ClientRequest, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createApiKey, keyBucket } from '../../gateway/api-keys.js'
import { KeyRing } from '../../gateway/key-ring.js'
import { type Broker, post, type Served, serve, silent, startBroker, usage } from '../gateway-fixture.js'

let broker: Broker
let kv: KV
let ring: KeyRing
let served: Served
let honest: string
let greedy: string
const held: (ClientRequest | Socket)[] = []
const partitions = 2
const limits = { maxConnections: 200, bodyIdleMs: 4_000, headersTimeoutMs: 30_000 }

beforeAll(async () => {
  broker = await startBroker(partitions)
  kv = await new Kvm(broker.nc).open(keyBucket)
  ring = await KeyRing.open(kv, silent)
  served = await serve(broker, partitions, { keys: ring, limits })
  honest = (await createApiKey(kv, { name: 'honest', scopes: ['ingest:usage'] })).token
  greedy = (await createApiKey(kv, { name: 'greedy', scopes: ['ingest:usage'] })).token
})

afterEach(() => {
  for (const one of held.splice(0)) one.destroy()
})

afterAll(async () => {
  await served?.gateway.close()
  ring?.close()
  await broker?.close()
})

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
let sent = 0

/** One request of the honest producer: its status and how long it took. */
async function ask(): Promise<{ readonly status: number; readonly ms: number }> {
  const startedMs = performance.now()
  sent += 1
  const response = await post(`${served.url}/v1/events`, [usage(`honest-${sent}`)], bearer(honest))
  await response.text()
  return { status: response.status, ms: performance.now() - startedMs }
}

/** Statuses of the honest producer's requests, one after the other; their p99 goes to the report. */
async function askMany(count: number, during: string): Promise<number[]> {
  const asked: { status: number; ms: number }[] = []
  for (let i = 0; i < count; i += 1) asked.push(await ask())
  const sorted = asked.map(({ ms }) => ms).sort((a, b) => a - b)
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1]!
  process.stdout.write(`${during}: p99 of the other producer ${p99.toFixed(1)} ms\n`)
  return asked.map(({ status }) => status)
}

/** A request that announces a body, sends only its beginning, and then stops. Its answer, if one comes. */
function promise(token: string, length: number, beginning: string): Promise<number> {
  return new Promise(resolve => {
    const open = request(`${served.url}/v1/events`, {
      method: 'POST',
      headers: { ...bearer(token), 'content-type': 'application/json', 'content-length': length },
      agent: false,
    })
    held.push(open)
    open.on('response', response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    open.on('error', () => resolve(0))
    open.write(beginning)
  })
}

const soon = () => new Promise(resolve => setTimeout(resolve, 100))

test('connections that promise 8 MB and send one byte take no room, and are given up', async () => {
  const answers = Array.from({ length: 64 }, () => promise(greedy, 8_000_000, '['))
  await soon()
  expect(new Set(await askMany(50, '64 promises of 8 MB'))).toEqual(new Set([202]))
  expect(new Set(await Promise.all(answers))).toEqual(new Set([408]))
})

test('a key that holds its share of requests is told so; another key goes on', async () => {
  // 128 are its share. Once a further one is refused, the share is held; nothing else of this key may come before.
  const answers = Array.from({ length: 136 }, () => promise(greedy, 1_000, '['))
  expect(await Promise.race(answers)).toBe(429)
  const more = () => post(`${served.url}/v1/events`, [usage('more')], bearer(greedy))
  const refused = await more()
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ code: 'too_much_in_flight' })
  expect(refused.headers.get('retry-after')).not.toBeNull()
  expect((await ask()).status).toBe(202)
  await Promise.all(answers)
  expect((await more()).status).toBe(202)
})

test('megabytes of blank lines in a few hundred bytes are read at once', async () => {
  const bytes = gzipSync(Buffer.alloc(7_900_000, '\n'))
  const spaced = gzipSync(Buffer.alloc(7_900_000, ' \n'))
  const headers = { ...bearer(greedy), 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' }
  const hostile = Array.from({ length: 20 }, () => post(`${served.url}/v1/events`, bytes, headers))
  expect(new Set(await askMany(20, 'blank lines'))).toEqual(new Set([202]))
  for (const response of await Promise.all(hostile)) {
    // Bodies that are unpacked at one time may use the key's whole share; further requests must be repeated
    // later.
    expect([202, 429]).toContain(response.status)
    expect(await response.json()).toMatchObject(
      response.status === 202 ? { accepted: 0, rejected: [] } : { code: 'too_much_in_flight' },
    )
  }
  const refused = await post(`${served.url}/v1/events`, spaced, headers)
  expect(refused.status).toBe(413)
  expect(await refused.json()).toMatchObject({ code: 'too_many_events' })
})

test('callers take turns: who sends many large bodies does not make another wait for them all', async () => {
  const body = gzipSync(`[${'1,'.repeat(3_900_000)}1]`)
  const headers = { ...bearer(greedy), 'content-type': 'application/json', 'content-encoding': 'gzip' }
  let answered = 0
  const hostile = Array.from({ length: 14 }, async () => {
    const response = await post(`${served.url}/v1/events`, body, headers)
    answered += 1
    return (await response.json()) as { code: string }
  })
  await soon()
  await ask()
  const before = answered
  // A large body of one's own, which waits for its turn.
  const large = Array.from({ length: 2_000 }, (_, i) => usage(`large-${i}`))
  const own = await post(`${served.url}/v1/events`, large, bearer(honest))
  expect(own.status).toBe(202)
  expect(before).toBeLessThan(hostile.length)
  for (const problem of await Promise.all(hostile)) {
    expect(['too_many_events', 'too_much_in_flight']).toContain(problem.code)
  }
})

test('a flood of connections that ask for nothing shuts nobody out', async () => {
  const { port } = new URL(served.url)
  const sockets = Array.from({ length: limits.maxConnections * 2 }, () => connect(Number(port), '127.0.0.1'))
  held.push(...sockets)
  for (const socket of sockets) socket.on('error', () => {})
  await Promise.all(sockets.map(socket => new Promise(resolve => socket.once('connect', resolve))))
  for (const socket of sockets) socket.write('POST /v1/events HTTP/1.1\r\nhost: x\r\nx-slow: ')
  await soon()
  expect(new Set(await askMany(50, 'a flood of connections'))).toEqual(new Set([202]))
})
