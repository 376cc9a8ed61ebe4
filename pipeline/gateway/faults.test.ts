// The gateway with a broker that is killed and with clients that misbehave; a canary shows that this test can
// fail.

import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { type JetStreamClient, type JetStreamPublishOptions, jetstream } from '@nats-io/jetstream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { partitionOf } from '../../schemas/identifiers.js'
import {
  type Broker,
  post,
  type Served,
  serve,
  startBroker,
  storedMessages,
  usage,
} from '../testing/gateway-fixture.js'
import type { Receipt } from './event-publisher.js'
import type { Pressure } from './events.js'

const partitions = 4
let broker: Broker
let served: Served
let pressure: Pressure = { kind: 'ok' }
let stopped: ReadonlyMap<number, string> = new Map()

const limits = {
  bodyTimeoutMs: 400,
  maxInFlightRequests: 8,
  maxInFlightBytes: 20_000_000,
  publishAttemptMs: 500,
  publishDeadlineMs: 1_500,
}

beforeAll(async () => {
  broker = await startBroker(partitions)
  served = await serve(broker, partitions, {
    limits,
    pressure: () => pressure,
    stoppedPartitions: () => stopped,
  })
})

afterAll(async () => {
  await served?.gateway.close()
  await broker?.close()
})

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  return (await response.json()) as { code: string; detail?: string; receipts?: Receipt[]; accepted?: number }
}

interface Posted {
  readonly ids: readonly string[]
  readonly receipts: readonly Receipt[]
}

/**
 * Posts from four producers while the broker is killed three times; returns the acknowledged events and the
 * refusals.
 */
async function postWhileKilled(url: string, prefix: string) {
  const acknowledged: Posted[] = []
  const refusedCodes = new Set<string>()
  let posting = true
  const producer = async (name: string) => {
    for (let round = 0; posting; round += 1) {
      const ids = Array.from({ length: 50 }, (_, index) => `${prefix}${name}-${round}-${index}`)
      const response = await post(
        `${url}/v1/events`,
        ids.map((id, index) => usage(id, `c${index}`)),
      )
      if (response.status !== 202) refusedCodes.add((await problemOf(response)).code)
      else acknowledged.push({ ids, receipts: ((await response.json()) as Posted).receipts })
    }
  }
  const producers = ['a', 'b', 'c', 'd'].map(producer)
  for (let killed = 0; killed < 3; killed += 1) {
    await new Promise(resolve => setTimeout(resolve, 300))
    await broker.kill()
    // The last outage lasts until the publish deadline has passed and producers get a 503.
    await new Promise(resolve => setTimeout(resolve, killed === 2 ? 2_500 : 100))
    await broker.restart()
  }
  await new Promise(resolve => setTimeout(resolve, 1_000))
  posting = false
  await Promise.all(producers)
  return { acknowledged, refusedCodes }
}

/**
 * The acknowledged events that are not stored, and those that are stored elsewhere than their receipts say.
 */
async function missing(acknowledged: readonly Posted[]) {
  const stored = new Set<unknown>()
  const idsBySequence = new Map<number, Set<unknown>>()
  for (const { seq, events } of await storedMessages(broker, 'METERING')) {
    idsBySequence.set(seq, new Set(events.map(event => event['id'])))
    for (const event of events) stored.add(event['id'])
  }
  const lost = acknowledged.flatMap(({ ids }) => ids.filter(id => !stored.has(id)))
  const misplaced = acknowledged.flatMap(({ ids, receipts }) => {
    const places = receipts.map(receipt => idsBySequence.get(receipt.stream_sequence))
    return ids.filter(id => stored.has(id) && !places.some(place => place?.has(id)))
  })
  return { lost, misplaced }
}

test('nothing that was acknowledged is missing after the broker was killed while posting', async () => {
  const { acknowledged, refusedCodes } = await postWhileKilled(served.url, '')
  expect(acknowledged.length).toBeGreaterThan(10)
  expect(await missing(acknowledged)).toEqual({ lost: [], misplaced: [] })
  for (const code of refusedCodes) expect(['broker_unavailable', 'outcome_unknown']).toContain(code)
  expect(refusedCodes.size).toBeGreaterThan(0)
})

test('canary: a gateway that acknowledges before the broker does is found out', async () => {
  const js = jetstream(broker.nc)
  const hasty: JetStreamClient = Object.create(js, {
    publish: {
      value: async (natsSubject: string, bytes: Uint8Array, options?: Partial<JetStreamPublishOptions>) => {
        void js.publish(natsSubject, bytes, options).catch(() => {})
        return { stream: 'METERING', seq: 1, duplicate: false }
      },
    },
  })
  const own = await serve(broker, partitions, { limits, js: hasty })
  const { acknowledged } = await postWhileKilled(own.url, 'hasty-')
  expect((await missing(acknowledged)).lost.length).toBeGreaterThan(0)
  await own.gateway.close()
})

/** Whether all threads of a process stand still, which is so some time after it was sent SIGSTOP. */
function stoppedThreads(pid: number): boolean {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.every(id => / \(.*\) T /.test(readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8')))
}

test('a publish without an answer is told as one that may be stored, as indeed it is', async () => {
  const { pid } = broker.server
  // The gateway has found the broker again that the test before has killed.
  const before = async () => (await post(`${served.url}/v1/events`, [usage('before')])).status
  await expect.poll(before, { timeout: 30_000, interval: 50 }).toBe(202)
  process.kill(pid, 'SIGSTOP')
  await expect.poll(() => stoppedThreads(pid), { timeout: 30_000, interval: 5 }).toBe(true)
  const events = [usage('frozen-1', 'acme'), usage('frozen-2', 'acme'), { id: 'no event' }]
  const response = await post(`${served.url}/v1/events`, events)
  process.kill(pid, 'SIGCONT')
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2'])
  const problem = await problemOf(response)
  expect(problem).toMatchObject({ code: 'outcome_unknown', accepted: 0, maybe_stored: 2, receipts: [] })
  expect(problem.detail).toContain('2 may be')
  expect(problem.detail).toContain('with the same ids')
  expect((await post(`${served.url}/v1/events`, events)).status).toBe(202)
  const stored = (await storedMessages(broker, 'METERING')).flatMap(message => message.events)
  expect(stored.filter(event => event['id'] === 'frozen-1').length).toBeGreaterThan(1)
})

test('a publish that was never sent is told as not stored', async () => {
  await broker.kill()
  const response = await post(`${served.url}/v1/events`, [usage('unsent')])
  await broker.restart()
  const problem = await problemOf(response)
  expect(problem).toMatchObject({ code: 'broker_unavailable', accepted: 0, maybe_stored: 0 })
  const stored = (await storedMessages(broker, 'METERING')).flatMap(message => message.events)
  expect(stored.filter(event => event['id'] === 'unsent')).toEqual([])
})

test('a large event that comes while the broker is away waits for it and is taken', async () => {
  await broker.kill()
  const answer = post(`${served.url}/v1/events`, [usage('away', 'acme', { text: 'x'.repeat(6_500_000) })])
  await broker.restart()
  expect((await answer).status).toBe(202)
})

test('many requests at once share messages, and their receipts add up to what lies there', async () => {
  const before = (await broker.jsm.streams.info('METERING')).state.last_seq
  const bodies = Array.from({ length: 8 }, (_, n) =>
    Array.from({ length: 5 }, (_, i) => usage(`s${n}-${i}`, 'one')),
  )
  const answers = await Promise.all(bodies.map(body => post(`${served.url}/v1/events`, body)))
  const receipts = (await Promise.all(answers.map(answer => answer.json()))).flatMap(
    answer => (answer as { receipts: Receipt[] }).receipts,
  )
  const counts = new Map<number, number>()
  for (const { stream_sequence, count } of receipts)
    counts.set(stream_sequence, (counts.get(stream_sequence) ?? 0) + count)
  const stored = (await storedMessages(broker, 'METERING')).filter(({ seq }) => seq > before)
  expect(new Map(stored.map(({ seq, events }) => [seq, events.length]))).toEqual(counts)
  expect(stored.length).toBeLessThan(8)
})

test('a 503 names what landed, when one stream takes its part and another does not', async () => {
  await broker.jsm.streams.update('METERING', { max_msg_size: 200_000 })
  const large = usage('p1', 'acme', { text: 'x'.repeat(250_000) })
  const rate = { base: 'EUR', quote: 'USD', rate: '1', effective_from: '2026-01-01T00:00:00Z' }
  const catalog = { ...usage('p2'), type: 'weir.fx_rate.published', data: rate }
  const response = await post(`${served.url}/v1/events`, [large, catalog])
  expect(response.status).toBe(503)
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
  const problem = await problemOf(response)
  expect(problem).toMatchObject({ code: 'broker_unavailable', accepted: 1 })
  expect(problem.receipts).toMatchObject([{ stream: 'CATALOG', partition: null, count: 1 }])
  await broker.jsm.streams.update('METERING', { max_msg_size: -1 })
  expect((await post(`${served.url}/v1/events`, [large, catalog])).status).toBe(202)
})

test('a slow pipeline is 429 and a stopped one 503, each with Retry-After', async () => {
  pressure = { kind: 'slow', retryAfterSeconds: 6.2 }
  const slow = await post(`${served.url}/v1/events`, [usage('q')])
  expect([slow.status, slow.headers.get('retry-after')]).toEqual([429, '7'])
  pressure = { kind: 'stopped', retryAfterSeconds: 30, detail: 'The disk is full.' }
  const stopped = await post(`${served.url}/v1/events`, [usage('q')])
  expect([stopped.status, stopped.headers.get('retry-after')]).toEqual([503, '30'])
  expect(await problemOf(stopped)).toMatchObject({ code: 'pipeline_stopped', detail: 'The disk is full.' })
  pressure = { kind: 'ok' }
  expect((await post(`${served.url}/v1/events`, [usage('q')])).status).toBe(202)
})

test('one partition that has stopped refuses its customers alone, by name, and takes everybody else', async () => {
  const ids = Array.from({ length: 200 }, (_, i) => `cus_${i}`)
  const there = ids.find(id => partitionOf(id, partitions) === 1)!
  const elsewhere = ids.find(id => partitionOf(id, partitions) !== 1)!
  stopped = new Map([[1, 'It was purged.']])
  try {
    const alone = await post(`${served.url}/v1/events`, [usage('a', there), usage('b', there)])
    expect([alone.status, alone.headers.get('retry-after')]).toEqual([503, '30'])
    const problem = await problemOf(alone)
    expect(problem).toMatchObject({ code: 'partition_stopped', accepted: 0 })
    expect(String(problem.detail)).toContain('Partition 1')
    const mixed = await post(`${served.url}/v1/events`, [usage('c', there), usage('d', elsewhere)])
    expect(mixed.status).toBe(202)
    expect(await mixed.json()).toMatchObject({
      accepted: 1,
      rejected: [{ index: 0, id: 'c', code: 'partition_stopped' }],
    })
    const all = await post(`${served.url}/api/v1/events`, [usage('e', there), usage('f', elsewhere)])
    expect(all.status).toBe(503)
    expect((await post(`${served.url}/v1/events`, [usage('g', elsewhere)])).status).toBe(202)
  } finally {
    stopped = new Map()
  }
  expect((await post(`${served.url}/v1/events`, [usage('a', there)])).status).toBe(202)
})

/** Sends the headers of a request, with a content length, and no body. */
async function halfRequest(promised: number, url = served.url): Promise<Socket> {
  const socket = connectSocket(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(
    `POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${promised}\r\n\r\n[`,
  )
  return socket
}

async function answerOf(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  await once(socket, 'close')
  return text
}

async function inFlight(): Promise<string | undefined> {
  return /weir_gateway_requests_in_flight (\d+)/.exec(await served.registry.metrics())?.[1]
}

test('a body that does not come is ended with 408, and its room is given back', async () => {
  const answer = await answerOf(await halfRequest(1_000))
  expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  expect(answer).toContain('application/problem+json')
  expect(await inFlight()).toBe('0')
})

test('too many bodies at once are 429; a client that leaves gives its room back', async () => {
  const own = await serve(broker, partitions, { limits: { ...limits, bodyTimeoutMs: 30_000 } })
  const metrics = () => own.registry.metrics()
  const inFlightOf = async (what: string) =>
    new RegExp(`weir_gateway_${what}_in_flight (\\d+)`).exec(await metrics())?.[1]
  const sockets = await Promise.all([1, 2].map(() => halfRequest(8_000_000, own.url)))
  for (const socket of sockets) socket.write(' '.repeat(7_000_000))
  await expect.poll(() => inFlightOf('bytes'), { timeout: 10_000 }).toBe('14000002')
  const full = await post(`${own.url}/v1/events`, [usage('f', 'acme', { text: 'x'.repeat(6_500_000) })])
  expect(full.status).toBe(429)
  expect((await problemOf(full)).code).toBe('too_much_in_flight')
  expect((await post(`${own.url}/v1/events`, [usage('f')])).status).toBe(202)
  for (const socket of sockets) socket.destroy()
  await expect.poll(() => inFlightOf('requests')).toBe('0')
  expect(await metrics()).toMatch(/weir_gateway_clients_gone_total 2/)
  await own.gateway.close()
})

test('what is no HTTP is answered with a problem', async () => {
  const socket = connectSocket(Number(new URL(served.url).port), '127.0.0.1')
  socket.write('NONSENSE\r\n\r\n')
  expect(await answerOf(socket)).toMatch(/^HTTP\/1\.1 400 [\s\S]*application\/problem\+json/)
})

test('drain finishes what is at work and refuses what is new', async () => {
  const own = await serve(broker, partitions, { limits })
  const events = Array.from({ length: 10_000 }, (_, index) => usage(`d${index}`, `c${index}`))
  const working = post(`${own.url}/v1/events`, events)
  await expect
    .poll(async () => /requests_in_flight (\d+)/.exec(await own.registry.metrics())?.[1], { interval: 1 })
    .toBe('1')
  const drained = own.gateway.drain()
  const late = await post(`${own.url}/v1/events`, [usage('late')])
  expect(late.status).toBe(503)
  expect((await problemOf(late)).code).toBe('draining')
  expect((await fetch(`${own.url}/readyz`)).status).toBe(503)
  expect((await fetch(`${own.url}/livez`)).status).toBe(200)
  await drained
  expect((await working).status).toBe(202)
  await own.gateway.close()
  await own.gateway.close()
  await expect(fetch(`${own.url}/livez`)).rejects.toThrow()
})
