// The real core in worker threads: started, killed, restored.

import { readFileSync } from 'node:fs'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { partitionOf } from '../../schemas/identifiers.js'
import { packageRoot } from '../../schemas/package-root.js'
import { natsSubjects } from '../broker/topology.js'
import { limitsOfConfig } from '../config/limits.js'
import { defaultCoreLimits } from '../core/ports/core-limits.js'
import { SharedMemory } from '../memory/shared-memory.js'
import {
  type Broker,
  type EngineUnderTest,
  makeEngine,
  readLedger,
  startBroker,
  until,
} from '../testing/engine-harness.js'
import { WorkerPool } from './pool.js'
import { owned, packMessages, unpackMessages } from './protocol.js'

let broker: Broker
let pool: WorkerPool

beforeAll(async () => {
  broker = await startBroker(4)
  pool = new WorkerPool({ workers: 2, memory: new SharedMemory() })
})

afterAll(async () => {
  await pool?.abort()
  await broker?.stop()
})

const source = '/test'
const nowMs = Date.now()
const time = (agoMs: number) => new Date(nowMs - agoMs).toISOString()

function event(id: string, type: string, subject: string, data: unknown, agoMs = 0): string {
  return JSON.stringify({ specversion: '1.0', id, source, type, subject, time: time(agoMs), data })
}

async function publishLines(natsSubject: string, lines: readonly string[]): Promise<void> {
  await broker.nc.request(natsSubject, lines.join('\n'), { timeout: 5_000 })
}

/** Catalog, one customer of partition 3 (`cus_…`), and so many calls. */
async function publishWorld(customer: string, calls: number): Promise<void> {
  const catalog = parse(readFileSync(new URL('pipeline/demo/catalog.yaml', packageRoot), 'utf8')) as unknown
  await publishLines(natsSubjects.catalog, [event('cat-1', 'weir.catalog.published', 'catalog', { catalog })])
  const created = {
    subscription_id: `sub_${customer}`,
    customer_id: customer,
    sequence: 1,
    plan: 'pro',
    effective_from: time(86_400_000),
    quantities: { seats: '2' },
  }
  await publishLines(natsSubjects.gatewayLifecycle(0), [
    event(`created-${customer}`, 'weir.subscription.created', customer, created),
  ])
  for (let at = 0; at < calls; at += 500) {
    const lines = Array.from({ length: Math.min(500, calls - at) }, (_, i) =>
      event(
        `${customer}-${at + i}`,
        'llm.request',
        customer,
        { input_tokens: 10, output_tokens: 3, model: 'm' },
        60_000,
      ),
    )
    await publishLines(natsSubjects.gatewayMetering(0), lines)
  }
}

async function ratedRows(): Promise<number> {
  let rows = 0
  for (const { bytes } of await readLedger(broker, 0, 'rated_usage')) rows += tableFromIPC(bytes).numRows
  return rows
}

async function runEngine(): Promise<EngineUnderTest> {
  const made = await makeEngine(broker, 0, { worker: pool.partition(0), partitions: 1, takeOver: true })
  await made.engine.start()
  return made
}

test('the real core in a worker thread: usage that was sent first is rated, survives a restart and a lost state', async () => {
  await publishWorld('cus_1', 2_000)
  const first = await runEngine()
  await until(() => (first.engine.status().counters?.received ?? 0) >= 2_002)
  expect(first.engine.status().counters).toMatchObject({ received: 2_002, rated: 2_000, applied: 2 })
  expect(await ratedRows()).toBe(4_000) // two meters
  await first.engine.drain()

  const second = await runEngine()
  await publishWorld('cus_1', 2_100)
  await until(() => (second.engine.status().counters?.received ?? 0) >= 4_104)
  expect(second.engine.status().counters).toMatchObject({ rated: 2_100, duplicate: 2_002 })
  expect(await ratedRows()).toBe(4_200)

  await pool.partition(0).close() // as if the thread had died
  await publishWorld('cus_1', 2_200)
  await until(() => (second.engine.status().counters?.received ?? 0) >= 6_306)
  expect(second.engine.status()).toMatchObject({ epoch: 3, counters: { rated: 2_200, duplicate: 4_104 } })
  expect(await ratedRows()).toBe(4_400)
  expect(second.interruptions.join()).toContain('is not open in this worker')
  await second.engine.drain()
})

test('a snapshot taken in the worker opens again as the same state', async () => {
  const worker = pool.partition(1)
  const config = { partition: 1, partitions: 2, limits: defaultCoreLimits }
  await worker.open({ config, snapshot: undefined, deltas: [] })
  const lines = ['customer-a', 'customer-b'].map(id =>
    event(id, 'llm.request', id, { input_tokens: 1 }, 1_000),
  )
  const message = { seq: 1, arrivedAtMs: nowMs, bytes: Buffer.from(lines.join('\n')) }
  const empty = packMessages([])
  const input = { nowMs, commit: 1, catalog: empty, lifecycle: empty, orders: [], history: [] }
  const output = await worker.process({
    ...input,
    catalog: packMessages([]),
    lifecycle: packMessages([]),
    metering: packMessages([message]),
  })
  expect(output.counters.received).toBe(2)
  const { state, dedupe } = await worker.snapshot()
  const entries = Buffer.concat(dedupe.pieces)
  await worker.load({ config, index: 0, entries, bytesInAll: entries.length })
  await worker.open({ config, snapshot: Buffer.concat(state), deltas: [], segments: 1 })
  const again = await worker.process({
    ...input,
    commit: 2,
    catalog: packMessages([]),
    lifecycle: packMessages([]),
    metering: packMessages([message]),
  })
  expect(again.counters).toMatchObject({
    received: 4,
    duplicate: output.counters.duplicate + 2 - output.counters.dead_lettered,
  })
  await worker.close()
  await expect(worker.snapshot()).rejects.toThrow('is not open')
})

test('packed messages come back as they were, each a view of one buffer', () => {
  const shared = Buffer.from('one,two,three')
  const messages = [
    { seq: 7, arrivedAtMs: 1, bytes: shared.subarray(0, 3) },
    { seq: 9, arrivedAtMs: 2, bytes: shared.subarray(4, 7), contentType: 'application/json' },
    { seq: 12, arrivedAtMs: 3, bytes: shared.subarray(8, 8) },
  ]
  const packed = packMessages(messages)
  const back = unpackMessages(packed)
  expect(back.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['one', 'two', ''])
  expect(back.map(({ seq }) => seq)).toEqual([7, 9, 12])
  expect(back.map(({ contentType }) => contentType)).toEqual([undefined, 'application/json', undefined])
  expect(new Set(back.map(({ bytes }) => bytes.buffer)).size).toBe(1)
  expect(unpackMessages(packMessages([]))).toEqual([])
})

test('bytes that share memory are copied before they are given away', () => {
  const pooled = Buffer.from('abc')
  expect(owned(pooled).buffer.byteLength).toBe(3)
  const alone = new Uint8Array([1, 2, 3])
  expect(owned(alone).buffer).toBe(alone.buffer)
})

test('an idle partition gives up what is parked when its time is over, usage and changes, without any input', async () => {
  const partition = 2
  const customer = idleCustomer(partition)
  const { engine, core } = limitsOfConfig(
    {
      partitions: 4,
      commit: { maxEvents: 100, lingerMs: 20 },
      dedupeHorizonDays: 35,
      parkedTtlDays: 1 / 86_400,
      parkedBytes: 1 << 28,
    },
    broker.nc.info!.max_payload,
  )
  const made = await makeEngine(broker, partition, {
    worker: pool.partition(partition),
    takeOver: true,
    engine,
    core,
  })
  await made.engine.start()
  await publishLines(natsSubjects.gatewayMetering(partition), [
    event('parked', 'api.request', customer, { calls: 1 }),
  ])
  const waits = {
    subscription_id: 'sub_idle',
    customer_id: customer,
    sequence: 2,
    effective_from: time(1_000),
  }
  await publishLines(natsSubjects.gatewayLifecycle(partition), [
    event('change', 'weir.subscription.suspended', customer, waits),
  ])
  const counters = () => made.engine.status().counters
  await until(() => (counters()?.received ?? 0) >= 2)
  await until(() => counters()?.parked === 0)
  expect(counters()?.dead_lettered).toBeGreaterThanOrEqual(1)
  const { commit } = made.engine.status()
  await new Promise(resolve => setTimeout(resolve, 500))
  expect(made.engine.status().commit).toBe(commit) // and then it is idle
  await made.engine.drain()
})

function idleCustomer(partition: number): string {
  for (let i = 0; ; i += 1) if (partitionOf(`idle_${i}`, 4) === partition) return `idle_${i}`
}
