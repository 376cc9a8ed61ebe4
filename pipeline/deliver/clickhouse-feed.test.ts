// From the ledger to ClickHouse, with a real broker and a real ClickHouse that are both killed meanwhile.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { encodeRows } from '../../schemas/arrow/arrow-rows.js'
import { scaledOne } from '../../schemas/money/decimal.js'
import { type RatedUsageRow, ratedUsageTable } from '../../schemas/tables.js'
import { nsOf } from '../../schemas/time.js'
import { type ClickHouseConfig, openClickHouse } from '../../sinks/clickhouse/config.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import { ledgerSubjects } from '../../sinks/clickhouse/records.js'
import { ClickHouseSink } from '../../sinks/clickhouse/sink.js'
import { ClickHouseHistory } from '../clickhouse/clickhouse-history.js'
import { Deliverer } from './deliverer.js'
import type { DelivererOptions } from './deliverer-options.js'
import { listSetAside } from './refused-records.js'
import { freeFeed } from './testing/flow-gates.js'

let folder: string
let broker: NatsServer
let server: EmbeddedClickhouse
let nc: NatsConnection
let js: JetStreamClient
let jsm: JetStreamManager
let kv: KV
let config: ClickHouseConfig
let client: ClickHouseClient
const signal = new AbortController().signal
const running: (Deliverer | ClickHouseSink)[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-feed-'))
  broker = await startNatsServer({ storeDir: join(folder, 'nats') })
  await beginWithSchema(join(folder, 'clickhouse'))
  server = await startEmbeddedClickhouse({ dataDir: join(folder, 'clickhouse') })
  nc = await connect({ ...broker.login(), maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  js = jetstream(nc)
  jsm = await jetstreamManager(nc)
  kv = await new Kvm(js).create('weir_sinks')
  await jsm.streams.add({ name: 'LEDGER', subjects: ['ledger.>'] })
  config = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
})

afterEach(async () => {
  for (const one of running.splice(0)) await (one instanceof Deliverer ? one.abort() : one.close())
})

afterAll(async () => {
  await client.close()
  await nc.close()
  await server.stop()
  await broker.stop()
  await rm(folder, { recursive: true, force: true })
})

function start(options: Partial<DelivererOptions> = {}): Deliverer {
  const sink = new ClickHouseSink(config)
  const source = { js, jsm, stream: 'LEDGER', filterSubjects: ledgerSubjects }
  const limits = {
    paceMinMs: 0,
    paceMaxMs: 5,
    rangeMessages: 3,
    retryMinMs: 20,
    retryMaxMs: 100,
    leaseMs: 2_000,
  }
  const deliverer = new Deliverer({
    ...source,
    gate: freeFeed,
    kv,
    key: 'clickhouse',
    sink,
    ...options,
    limits,
  })
  running.push(deliverer, sink)
  deliverer.start()
  return deliverer
}

let events = 0
let total = 0n

function usage(over: Partial<RatedUsageRow> = {}): RatedUsageRow {
  events += 1
  const amount = over.amount ?? BigInt(events)
  total += amount
  const none = { pinnedSubscriptionId: '', correlationId: '', traceparent: '', entityId: '' }
  const at = { eventTimeNs: nsOf(Date.UTC(2026, 0, 1) + events), ingestedAtMs: 5, ratedAtMs: 6 }
  const terms = { plan: 'pro', planVersion: 1, price: 'tokens', meter: 'tokens', currency: 'USD' }
  return {
    eventSource: 'svc',
    eventId: `e${events}`,
    eventType: 'llm.request',
    ...at,
    customerId: 'c1',
    subscriptionId: 's1',
    subscriptionVersion: 1,
    ...terms,
    chargeId: 'ch1',
    periodFromNs: 0n,
    periodUntilNs: 1n,
    value: '1',
    quantity: scaledOne,
    amount,
    kind: 'usage',
    eventCount: 1,
    dimensions: new Map([['model', 'a']]),
    ...none,
    inputStream: 'METERING',
    inputSequence: events,
    partition: 0,
    ledgerSequence: 1,
    ...over,
  }
}

/** A commit's worth of messages; returns the last sequence. */
async function commit(rows: readonly RatedUsageRow[]): Promise<number> {
  await js.publish('ledger.0.state', '{}')
  await js.publish('ledger.0.rated_usage', encodeRows(ratedUsageTable, rows))
  return (await js.publish('ledger.0.sealed', 'lines')).seq
}

async function expectEachRowOnce(): Promise<void> {
  const query = `SELECT toInt32(count()) AS n, toInt32(uniqExact(event_id)) AS distinct,
    toString(sum(amount)) AS amount FROM rated_usage`
  const [row] = await (await client.query({ query, format: 'JSONEachRow' })).json<Record<string, unknown>>()
  const scale = (text: string) => BigInt(text.replace('.', ''))
  expect(row).toMatchObject({ n: events, distinct: events })
  expect(scale(Number(row?.['amount']).toFixed(12))).toBe(total)
}

test('a crash between the insert and the position leaves no row twice', async () => {
  let inserted: (() => void) | undefined
  const first = new Promise<void>(resolve => {
    inserted = resolve
  })
  const failing: KV = Object.create(kv, {
    update: {
      value: async (key: string, data: Uint8Array, revision: number) => {
        const [row] = await (
          await client.query({
            query: 'SELECT toInt32(count()) AS n FROM rated_usage',
            format: 'JSONEachRow',
          })
        ).json<{ n: number }>()
        if ((row?.n ?? 0) === 0) return kv.update(key, data, revision)
        inserted?.()
        throw new Error('killed before the position was written')
      },
    },
  })
  for (let i = 0; i < 5; i += 1) await commit([usage(), usage()])
  const dying = start({ kv: failing })
  await first
  await dying.abort()
  const last = await commit([usage()])
  await start().waitUntilDelivered(last, signal)
  await expectEachRowOnce()
})

test('ClickHouse killed in the middle of inserts and started again: every row once', async () => {
  const deliverer = start()
  let last = 0
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 30; i += 1)
      last = await commit([usage(), usage({ eventTimeNs: nsOf(Date.UTC(2026, i, 1)) })])
    process.kill(server.pid, 'SIGKILL')
    await server.exited
    last = await commit([usage()])
    while (deliverer.status().state !== 'retrying') await new Promise(resolve => setTimeout(resolve, 5))
    server = await startEmbeddedClickhouse({ dataDir: join(folder, 'clickhouse'), port: server.port })
  }
  await deliverer.waitUntilDelivered(last, signal)
  await expectEachRowOnce()
})

test('the broker killed and started again: the feed goes on where it was', async () => {
  const deliverer = start()
  await deliverer.waitUntilDelivered(await commit([usage()]), signal)
  process.kill(broker.pid, 'SIGKILL')
  await broker.exited
  broker = await startNatsServer({ storeDir: join(folder, 'nats'), port: broker.port })
  while ((await jsm.streams.info('LEDGER').catch(() => undefined)) === undefined);
  let last = 0
  for (let i = 0; i < 10; i += 1) last = await commit([usage()])
  await deliverer.waitUntilDelivered(last, signal)
  await expectEachRowOnce()
})

test('two processes that feed one ClickHouse leave no row twice', async () => {
  const [one, two] = [start(), start()]
  let last = 0
  for (let i = 0; i < 20; i += 1) last = await commit([usage()])
  await Promise.all([one.waitUntilDelivered(last, signal), two.waitUntilDelivered(last, signal)])
  await expectEachRowOnce()
})

test('history is the net of a customer’s rows, exact, from an instant on, once the sink is that far', async () => {
  const history = new ClickHouseHistory({ clickhouse: client, delivery: start(), maxParallel: 2 })
  const at = nsOf(Date.UTC(2026, 5, 1), 123_456)
  const of = { customerId: "c'2", chargeId: 'ch2', eventTimeNs: at, eventId: 'kept' }
  const tiny = usage({ ...of, amount: 123_456_789_012_345_678_901n, quantity: 10n ** 37n, value: '1e25' })
  const moved = usage({ ...of, eventId: 'moved', amount: 5n })
  const rows = [
    tiny,
    moved,
    { ...moved, eventCount: -1, amount: -5n, quantity: -moved.quantity, kind: 'correction' },
    { ...moved, chargeId: 'ch3', amount: 7n, kind: 'correction' },
    usage({
      ...of,
      eventId: 'cause',
      meter: 'tokens',
      chargeId: 'ch3',
      eventCount: 0,
      amount: 11n,
      quantity: 0n,
    }),
    usage({ ...of, eventId: 'too early', eventTimeNs: at - 1n }),
    usage({ ...of, eventId: 'elsewhere', customerId: 'c3' }),
  ]
  total += 2n
  const last = await commit(rows)
  const request = { requestId: 'r', customerId: "c'2", fromNs: at }
  const [answer, again] = await Promise.all([
    history.rowsOf(request, last, signal),
    history.rowsOf(request, last, signal),
  ])
  expect(again).toHaveLength(2)
  expect([...answer].sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
    {
      source: 'svc',
      id: 'kept',
      type: 'llm.request',
      timeNs: at,
      ingestedAtMs: 5,
      input: { stream: 'METERING', sequence: expect.any(Number) },
      pinnedSubscriptionId: '',
      correlationId: '',
      traceparent: '',
      meter: 'tokens',
      value: '1e25',
      dimensions: new Map([['model', 'a']]),
      quantity: 10n ** 37n,
      subscriptionId: 's1',
      price: 'tokens',
      chargeId: 'ch2',
      amount: 123_456_789_012_345_678_901n,
      count: 1,
    },
    expect.objectContaining({ id: 'moved', chargeId: 'ch3', amount: 7n, quantity: scaledOne }),
  ])
  await expect(history.rowsOf(request, last + 1_000, AbortSignal.timeout(10_000))).resolves.toHaveLength(2)
})

test('history waits for a sink that is behind', async () => {
  const delivery = start()
  await delivery.close()
  const history = new ClickHouseHistory({ clickhouse: client, delivery })
  const last = await commit([usage({ customerId: 'late' })])
  const request = { requestId: 'r', customerId: 'late', fromNs: 0n }
  await expect(history.rowsOf(request, last, AbortSignal.timeout(300))).rejects.toThrow()
  start()
  expect(await history.rowsOf(request, last, signal)).toHaveLength(1)
})

test('a feed whose position was lost does not begin again over rows that are there', async () => {
  const amnesiac = start({ key: 'clickhouse-renamed' })
  while (amnesiac.status().state !== 'failed') await new Promise(resolve => setTimeout(resolve, 5))
  expect(amnesiac.status().trouble?.code).toBe('position_lost')
})

test('a row that a column cannot hold is set aside alone, shown, and applied once it can be held', async () => {
  const limit = 'ALTER TABLE rated_usage ADD CONSTRAINT small CHECK subscription_version < 1000'
  await client.command({ query: limit })
  const rows = Array.from({ length: 9 }, (_, i) => usage(i === 4 ? { subscriptionVersion: 5_000 } : {}))
  const told: string[] = []
  const onRefused: DelivererOptions['onRefused'] = ({ records }) => told.push(...records.map(one => one.code))
  const first = start({ onRefused })
  const last = await commit(rows)
  await commit([usage()])
  await first.waitUntilDelivered(last, AbortSignal.timeout(60_000))
  const count = `SELECT toInt32(count()) AS n FROM rated_usage WHERE event_id IN ({ids: Array(String)})`
  const there = async (): Promise<number> => {
    const query_params = { ids: rows.map(row => row.eventId) }
    const result = await client.query({ query: count, format: 'JSONEachRow', query_params })
    return (await result.json<{ n: number }>())[0]!.n
  }
  expect(await there()).toBe(8)
  expect(first.status()).toMatchObject({ refused: 1, state: 'running' })
  expect(told).toEqual(['clickhouse_469'])
  const [aside] = await listSetAside(kv, 'clickhouse')
  expect(aside).toMatchObject({ feed: 'clickhouse', table: 'rated_usage', code: 'clickhouse_469' })
  expect(JSON.parse(aside!.content)).toMatchObject({ event_id: rows[4]!.eventId, customer_id: 'c1' })
  await first.close()

  // Until the reason is fixed the record stays set aside; afterwards the table has it once.
  const second = start()
  await second.waitUntilDelivered(last, AbortSignal.timeout(60_000))
  await vi.waitFor(() => expect(second.status()).toMatchObject({ refused: 1, state: 'running' }), 20_000)
  await second.close()
  await client.command({ query: 'ALTER TABLE rated_usage DROP CONSTRAINT small' })
  const third = start()
  await vi.waitFor(async () => expect(await there()).toBe(9), 20_000)
  await vi.waitFor(async () => expect(await listSetAside(kv)).toEqual([]), 20_000)
  expect(third.status().refused).toBe(0)
  expect(await there()).toBe(9)
})
