// The deliver loop against a real broker and a sink that remembers what it was given.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import type { FeedRange, Sink, SinkOutcome } from '../../sinks/sink.js'
import { Deliverer } from './deliverer.js'
import type { DelivererOptions } from './deliverer-options.js'
import { decodeRecord } from './delivery-record.js'
import { gateOfFeed } from './flow-gate.js'
import { freeFeed, steeredGate } from './testing/flow-gates.js'

let storeDir: string
let server: NatsServer
let nc: NatsConnection
let js: JetStreamClient
let jsm: JetStreamManager
let kv: KV
let count = 0
let stream: string
const deliverers: Deliverer[] = []

beforeAll(async () => {
  storeDir = await mkdtemp(join(tmpdir(), 'weir-deliver-'))
  server = await startNatsServer({ storeDir })
  nc = await connect({ ...server.login() })
  js = jetstream(nc)
  jsm = await jetstreamManager(nc)
  kv = await new Kvm(js).create('weir_sinks', { allow_direct: false })
})

afterAll(async () => {
  await nc.close()
  await server.stop()
  await rm(storeDir, { recursive: true, force: true })
})

beforeEach(async () => {
  count += 1
  stream = `LEDGER${count}`
  await jsm.streams.add({ name: stream, subjects: [`l${count}.>`] })
})

afterEach(async () => {
  for (const deliverer of deliverers.splice(0)) await deliverer.abort()
})

/** Applies each token once, as a system of record with idempotency keys does, and remembers every attempt. */
class MemorySink implements Sink {
  readonly name = 'memory'
  readonly attempts: FeedRange[] = []
  readonly byToken = new Map<string, string[]>()
  /** What to answer instead of success; called before anything is kept. */
  before: (range: FeedRange) => Promise<SinkOutcome | undefined> | SinkOutcome | undefined = () => undefined
  after: (range: FeedRange) => SinkOutcome | undefined = () => undefined

  async apply(range: FeedRange): Promise<SinkOutcome> {
    this.attempts.push(range)
    const refusal = await this.before(range)
    if (refusal !== undefined) return refusal
    const texts = range.messages.map(message => Buffer.from(message.bytes).toString())
    const known = this.byToken.get(range.token)
    if (known !== undefined) expect(texts).toEqual(known)
    this.byToken.set(range.token, texts)
    return this.after(range) ?? { kind: 'ok', rows: texts.length }
  }

  texts(): string[] {
    return [...this.byToken.values()].flat()
  }
}

function deliver(sink: Sink, options: Partial<DelivererOptions> = {}): Deliverer {
  const deliverer = new Deliverer({
    gate: freeFeed,
    js,
    jsm,
    kv,
    stream,
    key: `memory${count}`,
    filterSubjects: [`l${count}.*.rows`],
    sink,
    ...options,
    limits: {
      paceMinMs: 0,
      paceMaxMs: 20,
      retryMinMs: 10,
      retryMaxMs: 50,
      leaseMs: 1_200,
      ...options.limits,
    },
  })
  deliverers.push(deliverer)
  deliverer.start()
  return deliverer
}

async function publish(from: number, until: number): Promise<string[]> {
  const texts = Array.from({ length: until - from }, (_, index) => `message ${from + index}`)
  for (const text of texts) {
    await js.publish(`l${count}.0.state`, 'not for the sink')
    await js.publish(`l${count}.0.rows`, text)
  }
  return texts
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 10))
}

const lastSequence = async (): Promise<number> => (await jsm.streams.info(stream)).state.last_seq
const recorded = async () => {
  const entry = await kv.get(`memory${count}`)
  return entry === null ? undefined : decodeRecord(entry.value)
}
const signal = new AbortController().signal

test('every message reaches the sink once, in order, cut by size, and the position is recorded', async () => {
  const sink = new MemorySink()
  const before = await publish(0, 250) // more than one pull of 100
  const deliverer = deliver(sink, { limits: { rangeMessages: 40 } })
  await deliverer.waitUntilDelivered(await lastSequence(), signal)
  const after = await publish(250, 260)
  await deliverer.waitUntilDelivered(await lastSequence(), signal)
  expect(sink.texts()).toEqual([...before, ...after])
  expect(Math.max(...sink.attempts.map(range => range.messages.length))).toBe(40)
  await deliverer.close()
  expect(await recorded()).toMatchObject({ position: await lastSequence(), intent: null, owner: '' })
})

test('a sequence behind which nothing is meant for the sink counts as delivered', async () => {
  const deliverer = deliver(new MemorySink())
  await publish(0, 3)
  for (let i = 0; i < 5; i += 1) await js.publish(`l${count}.0.delta`, 'not for the sink')
  await deliverer.waitUntilDelivered(await lastSequence(), signal)
  expect(deliverer.status().position).toBeLessThan(await lastSequence())
})

test('a crash between the sink and the position sends the same range again under the same token', async () => {
  const sink = new MemorySink()
  const texts = await publish(0, 30)
  let applied: (() => void) | undefined
  const appliedOnce = new Promise<void>(resolve => {
    applied = resolve
  })
  const failing: KV = Object.create(kv, {
    update: {
      value: async (key: string, data: Uint8Array, revision: number) => {
        if (sink.byToken.size > 0) {
          applied?.()
          throw new Error('killed before the position was written')
        }
        return kv.update(key, data, revision)
      },
    },
  })
  const first = deliver(sink, { kv: failing, limits: { rangeMessages: 10 } })
  await appliedOnce
  await first.abort()
  const intent = (await recorded())?.intent
  expect(intent?.token).toBe(sink.attempts[0]?.token)
  await publish(30, 31) // what arrived meanwhile must not slip into the range
  const second = deliver(sink, { limits: { rangeMessages: 7 } })
  await second.waitUntilDelivered(await lastSequence(), signal)
  expect(sink.attempts.filter(range => range.token === intent?.token).length).toBeGreaterThan(1)
  expect(sink.texts()).toEqual([...texts, 'message 30'])
})

test('a sink that fails after it has applied is tried again until it says yes', async () => {
  const sink = new MemorySink()
  let failures = 4
  sink.after = () => {
    failures -= 1
    return failures >= 0 ? { kind: 'retryable', code: 'connection', detail: 'reset' } : undefined
  }
  const texts = await publish(0, 5)
  const deliverer = deliver(sink)
  await until(() => deliverer.status().trouble?.code === 'connection')
  expect(deliverer.status().state).toBe('retrying')
  await deliverer.waitUntilDelivered(await lastSequence(), signal)
  expect(sink.attempts.length).toBe(5)
  expect(sink.texts()).toEqual(texts)
  expect(deliverer.status().trouble).toBeUndefined()
})

test('a refused range blocks its feed, says why, and goes on by itself once the cause is gone', async () => {
  const sink = new MemorySink()
  let mapped = false
  sink.before = () => (mapped ? undefined : { kind: 'rejected', code: 'no_account_mapping', detail: 'c1' })
  await publish(0, 2)
  const deliverer = deliver(sink)
  await until(() => deliverer.status().state === 'blocked')
  expect(deliverer.status().trouble).toMatchObject({ code: 'no_account_mapping', detail: 'c1' })
  mapped = true
  await deliverer.waitUntilDelivered(await lastSequence(), signal)
  expect(deliverer.status().state).toBe('running')
})

test('a sink that throws is a blocked feed, not a crash', async () => {
  const sink = new MemorySink()
  sink.before = () => {
    throw new Error('a bug')
  }
  await publish(0, 1)
  const deliverer = deliver(sink)
  await until(() => deliverer.status().state === 'blocked')
  expect(deliverer.status().trouble?.code).toBe('sink_bug')
})

test('a range under way when its feed is paused is finished, the next waits, also after a restart, and goes on from there', async () => {
  const sink = new MemorySink()
  const steered = steeredGate()
  const gate = gateOfFeed(steered, { key: 'memory', stream: 'LEDGER', filterSubjects: [] })
  const finish = new AbortController()
  sink.before = async () => {
    await until(() => finish.signal.aborted)
    return undefined
  }
  const first = deliver(sink, { gate, limits: { rangeMessages: 2 } })
  await publish(0, 2)
  await until(() => sink.attempts.length === 1)
  steered.steer({ feed: { code: 'paused', detail: 'by a test' } })
  finish.abort()
  await publish(2, 4)
  await until(() => first.status().state === 'paused')
  await first.close()
  expect(sink.texts()).toEqual(['message 0', 'message 1'])
  const second = deliver(sink, { gate, limits: { rangeMessages: 2 } })
  await until(() => second.status().state === 'paused')
  expect(second.status().hold).toEqual({ code: 'paused', detail: 'by a test' })
  expect(sink.attempts.length).toBe(1)
  steered.steer({ feed: undefined })
  await second.waitUntilDelivered(await lastSequence(), signal)
  expect(sink.texts()).toEqual(['message 0', 'message 1', 'message 2', 'message 3'])
})

test('of two deliverers one is fenced, and takes over when the other falls silent', async () => {
  const sink = new MemorySink()
  const texts = await publish(0, 20)
  const first = deliver(sink, { limits: { rangeMessages: 3 } })
  const second = deliver(sink, { limits: { rangeMessages: 4 } })
  texts.push(...(await publish(20, 60)))
  await second.waitUntilDelivered(await lastSequence(), signal)
  await until(() => [first, second].some(one => one.status().state === 'standby'))
  expect(sink.texts()).toEqual(texts)
  const standby = first.status().state === 'standby' ? first : second
  await (standby === first ? second : first).abort()
  texts.push(...(await publish(60, 70)))
  await standby.waitUntilDelivered(await lastSequence(), signal)
  expect(sink.texts()).toEqual(texts)
})

test('while one process delivers, another learns from the record how far it is', async () => {
  const owner = deliver(new MemorySink())
  await publish(0, 2)
  await owner.waitUntilDelivered(await lastSequence(), signal)
  const onlooker = new Deliverer({
    gate: freeFeed,
    js,
    jsm,
    kv,
    stream,
    key: `memory${count}`,
    filterSubjects: [`l${count}.*.rows`],
    sink: new MemorySink(),
  })
  await onlooker.waitUntilDelivered(await lastSequence(), signal)
  expect(owner.status().state).toBe('running')
})

test('a stream that was made anew, or lost messages that the sink has not seen, stops the feed', async () => {
  const first = deliver(new MemorySink())
  await publish(0, 3)
  await first.waitUntilDelivered(await lastSequence(), signal)
  await first.close()
  await publish(3, 6)
  await jsm.streams.purge(stream, { seq: (await lastSequence()) - 1 })
  const second = deliver(new MemorySink())
  await until(() => second.status().state === 'failed')
  expect(second.status().trouble?.code).toBe('stream_truncated')
  await second.close()
  await jsm.streams.delete(stream)
  await new Promise(resolve => setTimeout(resolve, 5))
  await jsm.streams.add({ name: stream, subjects: [`l${count}.>`] })
  const third = deliver(new MemorySink())
  await until(() => third.status().state === 'failed')
  expect(third.status().trouble?.code).toBe('stream_replaced')
})

test('drain delivers what is there and lets go; close does not wait for a sink that is down', async () => {
  const sink = new MemorySink()
  const texts = await publish(0, 150)
  const deliverer = deliver(sink, { limits: { rangeMessages: 10 } })
  await deliverer.drain(30_000)
  expect(sink.texts()).toEqual(texts)
  expect(await recorded()).toMatchObject({ owner: '', intent: null })
  const down = new MemorySink()
  down.before = () => ({ kind: 'retryable', code: 'connection', detail: 'refused' })
  await publish(150, 151)
  const stuck = deliver(down)
  await until(() => stuck.status().state === 'retrying')
  await stuck.close()
  expect((await recorded())?.intent).not.toBeNull()
})
