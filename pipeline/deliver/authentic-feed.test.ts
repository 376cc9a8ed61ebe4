// A feed of LEDGER gives its sink every message that a commit names, once, and no others.

import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { zeroDispositions } from '../../schemas/event/dispositions.js'
import type { FeedRange, Sink, SinkOutcome } from '../../sinks/sink.js'
import { pipelineLimits } from '../config/limits.js'
import { type Claim, claimPartition } from '../engine/claim.js'
import { buildCommit, type LedgerAccess, publishCommit } from '../ledger/commit.js'
import { RecentCommits } from '../ledger/recent-commits.js'
import { SharedMemory } from '../memory/shared-memory.js'
import { type Broker, startBroker, until } from '../testing/engine-harness.js'
import { Deliverer } from './deliverer.js'
import type { ForeignMessage } from './ledger-commits.js'
import { freeFeed } from './testing/flow-gates.js'

let broker: Broker
let js: JetStreamClient
let kv: KV
const controller = new AbortController()
const deliverers: Deliverer[] = []
let writer: Writer
let sink: TextSink
let foreign: ForeignMessage[] = []

beforeAll(async () => {
  broker = await startBroker(4)
  js = jetstream(broker.nc)
})

beforeEach(async () => {
  // A ledger of its own for each test: everything that an earlier one left is gone, the record of it included.
  await broker.stop()
  broker = await startBroker(4)
  js = jetstream(broker.nc)
  kv = await new Kvm(js).open('weir_sinks')
  writer = new Writer(await claimPartition(access(), 1, 'me'))
  sink = new TextSink()
  foreign = []
})

afterEach(async () => {
  for (const deliverer of deliverers.splice(0)) await deliverer.abort()
})

afterAll(async () => {
  controller.abort(new Error('over'))
  await broker?.stop()
})

function access(): LedgerAccess {
  const { nc, bulk, jsm } = broker
  const limits = pipelineLimits({ partitions: 4, maxPayload: nc.info!.max_payload }).engine
  return {
    nc,
    bulk,
    jsm,
    recent: new RecentCommits(new SharedMemory()),
    limits,
    signal: controller.signal,
    onRetry: () => undefined,
  }
}

class Writer {
  #claim: Claim
  #commit: number

  constructor(claim: Claim) {
    this.#claim = claim
    this.#commit = claim.checkpoint.commit
  }

  /** One commit with these texts as its rows; returns the sequence of the last. */
  async commit(...rows: string[]): Promise<number> {
    this.#commit += 1
    const { checkpoint, key, seq } = this.#claim
    const outputs = rows.map(row => ({ table: 'rated_usage', bytes: Buffer.from(row) }))
    const step = { ...checkpoint, commit: this.#commit, counters: zeroDispositions() }
    const commit = buildCommit(step, Buffer.from('d'), outputs, access().limits, { key, follows: seq })
    const committed = await publishCommit(access(), commit, seq)
    this.#claim = { ...this.#claim, seq: committed.stateSeq }
    return committed.lastSeq
  }
}

class TextSink implements Sink {
  readonly name = 'texts'
  readonly texts: string[] = []
  fails = false

  async apply({ messages }: FeedRange): Promise<SinkOutcome> {
    if (this.fails) return { kind: 'retryable', code: 'down', detail: 'down' }
    for (const { bytes } of messages) this.texts.push(Buffer.from(bytes).toString())
    return { kind: 'ok', rows: messages.length }
  }
}

function start(recent?: RecentCommits): Deliverer {
  const deliverer = new Deliverer({
    gate: freeFeed,
    js,
    jsm: broker.jsm,
    stream: 'LEDGER',
    filterSubjects: ['ledger.*.rated_usage'],
    kv,
    key: 'texts',
    sink,
    authenticates: true,
    onForeign: message => foreign.push(message),
    limits: { paceMinMs: 0, paceMaxMs: 5, rangeMessages: 2, retryMinMs: 10, retryMaxMs: 50, leaseMs: 2_000 },
    ...(recent === undefined ? {} : { recent }),
  })
  deliverers.push(deliverer)
  deliverer.start()
  return deliverer
}

const soon = () => AbortSignal.timeout(20_000)

async function failure(deliverer: Deliverer): Promise<string | undefined> {
  await until(() => deliverer.status().state === 'failed')
  return deliverer.status().trouble?.code
}

test('foreign rows, old messages sent again and forged checkpoints are passed over, counted and not delivered', async () => {
  const deliverer = start()
  await writer.commit('a', 'b')
  await js.publish('ledger.1.rated_usage', 'forged')
  const stored = await broker.jsm.streams.getMessage('LEDGER', { last_by_subj: 'ledger.1.state' })
  await js.publish('ledger.1.state', stored!.data) // the newest, sent again
  await js.publish('ledger.1.rated_usage', 'a') // and what it names
  await js.publish('ledger.1.state', '{"format":2,"commit":99}')
  await js.publish('ledger.2.state', stored!.data) // of another partition
  await js.publish('ledger.3.rated_usage', 'of a partition that has no commit')
  await writer.commit('c')
  const { seq } = await js.publish('ledger.1.rated_usage', 'forged at the end')
  await deliverer.waitUntilDelivered(seq, soon())
  expect(sink.texts).toEqual(['a', 'b', 'c'])
  expect(foreign.map(message => message.natsSubject)).toEqual([
    'ledger.1.rated_usage',
    'ledger.1.state',
    'ledger.1.rated_usage',
    'ledger.1.state',
    'ledger.2.state',
    'ledger.3.rated_usage',
    'ledger.1.rated_usage',
  ])
})

test('a feed that was stopped in the middle of a commit goes on there, and an intent is the same again', async () => {
  const first = start()
  const inSink: string[] = []
  sink.apply = async ({ messages }) => {
    if (inSink.length >= 2) return { kind: 'retryable', code: 'down', detail: 'down' }
    for (const { bytes } of messages) inSink.push(Buffer.from(bytes).toString())
    return { kind: 'ok', rows: 0 }
  }
  await js.publish('ledger.1.rated_usage', 'x')
  const last = await writer.commit('a', 'b', 'c', 'd', 'e')
  await until(() => first.status().state === 'retrying')
  await first.abort()
  sink = new TextSink()
  await start().waitUntilDelivered(last, soon())
  expect([...inSink, ...sink.texts]).toEqual(['a', 'b', 'c', 'd', 'e'])
})

test('rows of a commit that are gone stop the feed before the commit after it', async () => {
  const deliverer = start()
  await deliverer.waitUntilDelivered(await writer.commit('a'), soon())
  await deliverer.close()
  const lost = await writer.commit('lost', 'kept')
  await writer.commit('c')
  await broker.jsm.streams.update('LEDGER', { deny_delete: false }).catch(() => undefined)
  await broker.jsm.streams.purge('LEDGER', { filter: 'ledger.1.rated_usage', seq: lost })
  const again = start()
  expect(await failure(again)).toBe('ledger_incomplete')
  expect(sink.texts).not.toContain('c')
})

test('a lost checkpoint stops the feed: what it named cannot be told from forgery', async () => {
  const deliverer = start()
  await deliverer.waitUntilDelivered(await writer.commit('a'), soon())
  await deliverer.close()
  await writer.commit('b')
  const at = await writer.commit('c')
  await broker.jsm.streams.purge('LEDGER', { filter: 'ledger.1.state', seq: at - 1 })
  expect(await failure(start())).toMatch(/ledger_(rolled_back|incomplete)/)
  expect(sink.texts).toEqual(['a'])
})

test('a ledger that no longer holds what was delivered stops the feed', async () => {
  const deliverer = start()
  await deliverer.waitUntilDelivered(await writer.commit('a'), soon())
  await deliverer.close()
  await broker.jsm.streams.purge('LEDGER')
  expect(await failure(start())).toBe('ledger_rolled_back')
})

test('from the recent commits of this process the same is delivered, foreign messages between', async () => {
  const deliverer = start(new RecentCommits(new SharedMemory(), 1 << 20))
  await until(() => deliverer.status().state === 'running')
  await writer.commit('a')
  await js.publish('ledger.1.rated_usage', 'forged')
  const last = await writer.commit('b')
  await deliverer.waitUntilDelivered(last, soon())
  expect(sink.texts).toEqual(['a', 'b'])
})
