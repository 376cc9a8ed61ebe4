// A reading gives every message of the feed once and in order, whichever of them are in the recent commits.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { type BatchMessage, publishBatch } from '../broker/atomic-batch.js'
import type { BrokerConnection } from '../broker/connect-broker.js'
import { RecentCommits } from '../ledger/recent-commits.js'
import { SharedMemory } from '../memory/shared-memory.js'
import { connectTo } from '../testing/engine-harness.js'
import { defaultDeliverLimits } from './deliver-limits.js'
import { type ReadMessage, readFeed } from './read-feed.js'
import { matcherOf, readLedger } from './read-ledger.js'

let storeDir: string
let server: NatsServer
let connection: BrokerConnection
let js: JetStreamClient
let jsm: JetStreamManager
let made = 0

beforeAll(async () => {
  storeDir = await mkdtemp(join(tmpdir(), 'weir-recent-'))
  server = await startNatsServer({ storeDir })
  connection = await connectTo(server.login())
  js = jetstream(connection.nc)
  jsm = await jetstreamManager(connection.nc)
})

afterAll(async () => {
  await connection?.nc.close()
  await server?.stop()
  await rm(storeDir, { recursive: true, force: true })
})

const mib = 1 << 20

/** A stream of its own, commits into it, and a reading of its rows. */
class Ledger {
  readonly recent: RecentCommits
  readonly read: ReadMessage[] = []
  readonly #stop = new AbortController()
  readonly #name: string
  readonly #prefix: string
  #published = 0
  #reading: Promise<void> | undefined

  constructor(recent: RecentCommits) {
    made += 1
    this.recent = recent
    this.#name = `LEDGER${made}`
    this.#prefix = `t${made}`
  }

  async make(): Promise<this> {
    await jsm.streams.add({ name: this.#name, subjects: [`${this.#prefix}.>`], allow_atomic: true })
    return this
  }

  begin(fromSequence = 1): void {
    const source = { js, jsm, stream: this.#name, filterSubjects: [`${this.#prefix}.*.rows`] }
    const { signal } = this.#stop
    const read = async () => {
      for await (const message of readLedger(source, this.recent, fromSequence, defaultDeliverLimits, signal))
        this.read.push({ ...message, bytes: Uint8Array.from(message.bytes) })
    }
    this.#reading = read()
  }

  /** A commit of a state message and of so many rows; `told`: whether the recent commits hear of it. */
  async commit(rows: number, told = true, rowBytes = 10): Promise<() => void> {
    const messages: BatchMessage[] = [
      { natsSubject: `${this.#prefix}.0.state`, bytes: Buffer.from('state') },
      ...Array.from({ length: rows }, () => {
        this.#published += 1
        return {
          natsSubject: `${this.#prefix}.0.rows`,
          bytes: Buffer.from(String(this.#published).padEnd(rowBytes)),
        }
      }),
    ]
    const { state } = await jsm.streams.info(this.#name, { subjects_filter: `${this.#prefix}.0.state` })
    const last = state.subjects === undefined ? 0 : await this.#lastState()
    const outcome = await publishBatch(connection.bulk, messages, { lastSubjectSequence: last }, 5_000)
    if (outcome.kind !== 'stored') throw new Error(JSON.stringify(outcome))
    const tell = () => this.recent.add(outcome.seq - outcome.count + 1, messages)
    if (told) tell()
    return tell
  }

  async #lastState(): Promise<number> {
    const query = { last_by_subj: `${this.#prefix}.0.state` }
    return (await jsm.streams.getMessage(this.#name, query))?.seq ?? 0
  }

  /** Waits until as much was read as was published, and holds the one against the other. */
  async expectAllRead(): Promise<void> {
    while (this.read.length < this.#published) await new Promise(resolve => setTimeout(resolve, 5))
    const texts = this.read.map(({ bytes }) => Buffer.from(bytes).toString().trimEnd())
    expect(texts).toEqual(Array.from({ length: this.#published }, (_, i) => String(i + 1)))
    const sequences = this.read.map(({ sequence }) => sequence)
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#reading
  }
}

test('what was stored before the reading began comes from the stream, what is stored later from memory', async () => {
  const ledger = await new Ledger(new RecentCommits(new SharedMemory(), mib)).make()
  await ledger.commit(3)
  await ledger.commit(2)
  expect(ledger.recent.count).toBe(0) // nobody read
  ledger.begin()
  await ledger.expectAllRead()
  for (let commit = 0; commit < 5; commit += 1) await ledger.commit(commit)
  await ledger.expectAllRead()
  await ledger.stop()
  expect(ledger.recent.count).toBe(0)
})

test('commits that are never added, or added out of turn, are read in their place', async () => {
  const ledger = await new Ledger(new RecentCommits(new SharedMemory(), mib)).make()
  ledger.begin()
  for (let round = 0; round < 4; round += 1) {
    await ledger.commit(3)
    const late = await ledger.commit(2, false)
    await ledger.commit(2)
    if (round % 2 === 0) late()
    await ledger.commit(1)
    if (round === 2) await ledger.expectAllRead()
  }
  await ledger.expectAllRead()
  await ledger.commit(2, false) // the last one, and nobody tells
  await ledger.expectAllRead()
  await ledger.commit(0, false) // a gap without a row
  await ledger.commit(2)
  await ledger.expectAllRead()
  await ledger.stop()
})

test('what no longer fits into memory is read from the stream', async () => {
  const ledger = await new Ledger(new RecentCommits(new SharedMemory(), 200_000)).make()
  ledger.begin()
  for (let commit = 0; commit < 12; commit += 1) await ledger.commit(4, true, 20_000)
  await ledger.expectAllRead()
  expect(ledger.recent.count * 20_000).toBeLessThan(300_000)
  await ledger.stop()
})

test('a reading that begins in the middle of a commit skips what lies before', async () => {
  const ledger = await new Ledger(new RecentCommits(new SharedMemory(), mib)).make()
  const leave = ledger.recent.open()
  await ledger.commit(5)
  ledger.begin(4)
  while (ledger.read.length < 3) await new Promise(resolve => setTimeout(resolve, 5))
  expect(ledger.read.map(({ sequence }) => sequence)).toEqual([4, 5, 6])
  leave()
  await ledger.stop()
})

test('filters with stars match token by token', () => {
  const matches = matcherOf(['ledger.*.rated_usage', 'ledger.*.charges'])
  expect(matches('ledger.3.rated_usage')).toBe(true)
  expect(matches('ledger.12.charges')).toBe(true)
  expect(matches('ledger.3.delta')).toBe(false)
  expect(matches('ledger.3.rated_usage.more')).toBe(false)
})

test('messages that are larger than a pull are read in their turn', async () => {
  const stream = { name: 'LARGE', subjects: ['large.>'] }
  await jsm.streams.add(stream)
  const sizes = [10, 5_000, 10, 10, 9_000, 7_000, 10]
  for (const size of sizes) await js.publish('large.one', new Uint8Array(size))
  const source = { js, jsm, stream: stream.name, filterSubjects: stream.subjects }
  const limits = { ...defaultDeliverLimits, pullBytes: 2_000 }
  const read: number[] = []
  for await (const { bytes } of readFeed(source, 1, limits, AbortSignal.timeout(10_000)))
    if (read.push(bytes.length) === sizes.length) break
  expect(read).toEqual(sizes)
})
