// A purge removes nothing that is needed: partitions and feeds continue after it, and nothing is counted
// twice.

import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { FeedRange, Sink, SinkOutcome } from '../../sinks/sink.js'
import { ensureTopology, natsSubjects } from '../broker/topology.js'
import type { WeirConfig } from '../config/config.js'
import { Deliverer } from '../deliver/deliverer.js'
import { freeFeed } from '../deliver/testing/flow-gates.js'
import { feedsOf } from '../feature/feature.js'
import { features } from '../features.js'
import { readCheckpoint } from '../ledger/checkpoint.js'
import {
  type Broker,
  type EngineUnderTest,
  makeEngine,
  publish,
  readLedger,
  startBroker,
  until,
} from '../testing/engine-harness.js'
import { forgetBucket, type RetentionReport, retain } from './retention.js'

const feeds = feedsOf(features, {
  sections: { connections: [], sources: [], erp: {} },
} as Partial<WeirConfig> as WeirConfig)
const partitions = [0, 1, 2, 3]
let broker: Broker
let js: JetStreamClient
let sinks: KV
let engines: EngineUnderTest[] = []
let deliverers: Deliverer[] = []
const rows = new Map<string, number>()
let sent = 0

beforeEach(async () => {
  broker = await startBroker(4)
  js = jetstream(broker.nc)
  sinks = await new Kvm(js).open('weir_sinks')
  rows.clear()
  sent = 0
})

afterEach(async () => {
  await stop()
  await broker.stop()
})

async function stop(): Promise<void> {
  await Promise.all(deliverers.splice(0).map(one => one.close()))
  await Promise.all(engines.splice(0).map(({ engine }) => engine.drain()))
}

class Rows implements Sink {
  readonly name = 'rows'

  async apply({ messages }: FeedRange): Promise<SinkOutcome> {
    for (const { bytes } of messages) {
      const body = JSON.parse(Buffer.from(bytes).toString()) as { rows?: { id: string }[] }
      for (const { id } of body.rows ?? []) rows.set(id, (rows.get(id) ?? 0) + 1)
    }
    return { kind: 'ok', rows: 0 }
  }
}

async function start(): Promise<void> {
  engines = []
  for (const partition of partitions) {
    const made = await makeEngine(broker, partition, {
      takeOver: true,
      engine: { snapshotCommits: 2, tickMs: 200, idleCheckpointSequences: 1, lingerMs: 5 },
    })
    engines.push(made)
    await made.engine.start()
  }
  const limits = { paceMinMs: 0, paceMaxMs: 5, leaseMs: 1_000 }
  const shared = { js, jsm: broker.jsm, stream: 'LEDGER', kv: sinks, authenticates: true, limits }
  deliverers = [
    new Deliverer({
      gate: freeFeed,
      ...shared,
      key: 'clickhouse',
      filterSubjects: ['ledger.*.rated_usage'],
      sink: new Rows(),
    }),
    new Deliverer({
      gate: freeFeed,
      ...shared,
      key: 'billing',
      filterSubjects: ['ledger.*.event_dispositions'],
      sink: new Rows(),
    }),
    new Deliverer({
      gate: freeFeed,
      ...shared,
      key: 'identities',
      filterSubjects: ['ledger.*.customers', 'ledger.*.event_dispositions'],
      sink: new Rows(),
    }),
    new Deliverer({
      gate: freeFeed,
      ...shared,
      key: 'gates',
      filterSubjects: ['ledger.*.customer_statuses', 'ledger.*.event_dispositions'],
      sink: new Rows(),
    }),
    new Deliverer({
      gate: freeFeed,
      ...shared,
      key: 'taxes',
      filterSubjects: ['ledger.*.tax_transactions', 'ledger.*.event_dispositions'],
      sink: new Rows(),
    }),
  ]
  for (const deliverer of deliverers) deliverer.start()
}

async function work(rounds: number, to = partitions): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    for (const partition of to) {
      await publish(broker.nc, natsSubjects.gatewayMetering(partition), [{ id: `e${sent}`, value: 1 }])
      sent += 1
    }
    await allReceived()
  }
}

async function allReceived(): Promise<void> {
  const received = () =>
    engines.reduce((sum, { engine }) => sum + (engine.status().counters?.received ?? 0), 0)
  await until(() => received() === sent)
}

async function delivered(): Promise<void> {
  const { state } = await broker.jsm.streams.info('LEDGER')
  const signal = AbortSignal.timeout(20_000)
  await Promise.all(deliverers.map(one => one.waitUntilDelivered(state.last_seq, signal)))
}

function retention(apply: boolean, keepDays = 0): Promise<RetentionReport> {
  return retain({ jsm: broker.jsm, sinks, feeds, keepDays, nowMs: Date.now() + 1_000, apply })
}

const ofStream = (report: RetentionReport, name: string) =>
  report.streams.find(({ stream }) => stream === name)!

test('after a purge partitions restore, feeds go on, and every event counts once', async () => {
  await start()
  await work(6)
  await until(async () => {
    await work(1)
    const stored = await Promise.all(partitions.map(p => readCheckpoint(broker.jsm, p)))
    return stored.every(one => (one?.checkpoint.snapshot?.commit ?? 0) > 2)
  })
  await delivered()
  await work(1)
  await delivered()
  // The partitions may still write; what a stream has lost is told by its first message and by gaps.
  const lost = async () => {
    const { first_seq: first, last_seq: last, messages } = (await broker.jsm.streams.info('LEDGER')).state
    return { first, gaps: last - first + 1 - messages }
  }
  const before = await lost()
  const dry = await retention(false)
  expect(await lost()).toEqual(before)
  expect(ofStream(dry, 'LEDGER').safe.every(({ purged }) => purged === null)).toBe(true)
  const report = await retention(true)
  for (const { purged } of ofStream(report, 'LEDGER').safe) expect(purged).toBeGreaterThan(0)
  expect(ofStream(report, 'METERING').safe[0]!.purged).toBeGreaterThan(0)
  await work(2) // what runs goes on
  await stop()
  await start()
  await work(2)
  await delivered()
  await retention(true)
  await stop()
  await start()
  await work(1)
  await delivered()
  expect(engines.flatMap(({ failures }) => failures)).toEqual([])
  expect(deliverers.map(one => one.status().state)).toEqual(deliverers.map(() => 'running'))
  expect(rows.size).toBe(sent)
  expect(Math.max(...rows.values())).toBe(1)
})

test('what a sink has not taken, a partition without a snapshot needs, or is young stays', async () => {
  await start()
  await work(8)
  await delivered()
  for (const { purged } of ofStream(await retention(true, 35), 'LEDGER').safe) expect(purged).toBeNull()
  await sinks.delete('billing')
  const lost = await retention(true)
  for (const { before, held_by } of ofStream(lost, 'LEDGER').safe) {
    expect(before).toBe(1)
    expect(held_by).toMatch(/billing|snapshot/)
  }
  const newest = await readLedger(broker, 1, 'state')
  expect((await readCheckpoint(broker.jsm, 1))!.seq).toBe(newest.at(-1)!.seq)
})

test('an input that one partition has not processed is kept for all of them', async () => {
  await start()
  await work(3)
  await engines[2]!.engine.drain()
  const { METERING } = (await readCheckpoint(broker.jsm, 2))!.checkpoint.positions
  await publish(broker.nc, natsSubjects.gatewayMetering(2), [{ id: 'waits', value: 1 }])
  const [safe] = ofStream(await retention(true), 'METERING').safe
  expect(safe!.before).toBeLessThanOrEqual(METERING.seq + 1)
  await stop()
  await start()
  sent += 1
  await allReceived()
  expect(engines.flatMap(({ failures }) => failures)).toEqual([])
})

test('a stream that an older version did not make is left out, and the others are told', async () => {
  await broker.jsm.streams.delete('UNPLACED')
  const report = await retention(false)
  expect(ofStream(report, 'UNPLACED')).toBeUndefined()
  expect(ofStream(report, 'METERING').safe).toHaveLength(1)
})

test('a bucket that was lost is made again only after it was given up', async () => {
  await broker.jsm.streams.delete('KV_weir_runs')
  await expect(ensureTopology(broker.nc, { partitions: 4 })).rejects.toMatchObject({ code: 'bucket_missing' })
  expect(await forgetBucket(broker.nc, broker.jsm, 'weir_keys')).toBe(false) // it is there
  expect(await forgetBucket(broker.nc, broker.jsm, 'other')).toBe(false)
  expect(await forgetBucket(broker.nc, broker.jsm, 'weir_runs')).toBe(true)
  await ensureTopology(broker.nc, { partitions: 4 })
  expect(await broker.jsm.streams.info('KV_weir_runs')).toBeDefined()
})
