// From the publisher to the ledger: the same events, sent over every transport while the broker is killed,
// are rated once.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { headers } from '@nats-io/transport-node'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { usageBatchType } from '../../schemas/event/media-types.js'
import { customerToken } from '../../schemas/identifiers.js'
import { packageRoot } from '../../schemas/package-root.js'
import { SharedMemory } from '../memory/shared-memory.js'
import { type EngineUnderTest, makeEngine, readLedger, until } from '../testing/engine-harness.js'
import { type Broker, post, type Served, serve, startBroker } from '../testing/gateway-fixture.js'
import { WorkerPool } from '../workers/pool.js'
import { type PublishedEvent, UsagePublisher, type UsagePublisherOptions } from './usage-publisher.js'

const partitions = 2
const customers = 12
let broker: Broker
let served: Served
let pool: WorkerPool
let engines: EngineUnderTest[]

beforeAll(async () => {
  broker = await startBroker(partitions)
  served = await serve(broker, partitions)
  pool = new WorkerPool({ workers: 1, memory: new SharedMemory() })
  engines = await Promise.all(
    Array.from({ length: partitions }, (_, p) =>
      makeEngine(broker, p, { worker: pool.partition(p), partitions, takeOver: true }),
    ),
  )
  await Promise.all(engines.map(({ engine }) => engine.start()))
})

afterAll(async () => {
  await Promise.all((engines ?? []).map(({ engine }) => engine.abort()))
  await pool?.abort()
  await served?.gateway.close()
  await broker?.close()
})

const nowMs = Date.now()
const time = (agoMs: number) => new Date(nowMs - agoMs).toISOString()

function calls(count: number): PublishedEvent[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `call-${i}`,
    type: 'llm.request',
    subject: `cus_${i % customers}`,
    time: time(1_000 + i),
    ...(i % 7 === 0 ? { correlationid: `req-${i}` } : {}),
    data: { input_tokens: i, output_tokens: 1, model: 'm', note: i % 5 === 0 ? 'ü' : 'u' },
  }))
}

const cloudEvent = (attributes: object) => ({ specversion: '1.0', source: '/calls', ...attributes })

async function openWorld(): Promise<void> {
  const catalog = parse(readFileSync(new URL('pipeline/demo/catalog.yaml', packageRoot), 'utf8')) as unknown
  const created = Array.from({ length: customers }, (_, i) =>
    cloudEvent({
      id: `created-${i}`,
      type: 'weir.subscription.created',
      subject: `cus_${i}`,
      data: {
        subscription_id: `sub_${i}`,
        customer_id: `cus_${i}`,
        sequence: 1,
        plan: 'pro',
        effective_from: time(86_400_000),
        quantities: { seats: '1' },
      },
    }),
  )
  const published = cloudEvent({ id: 'catalog', type: 'weir.catalog.published', data: { catalog } })
  const answer = await post(`${served.url}/v1/events`, [published, ...created])
  expect(await answer.json()).toMatchObject({ accepted: customers + 1, rejected: [] })
}

async function publishAll(options: Partial<UsagePublisherOptions>, events: readonly PublishedEvent[]) {
  const publisher = new UsagePublisher({
    to: { url: served.url },
    source: '/calls',
    ...options,
    limits: { batchEvents: 300, lingerMs: 2, retryMinMs: 10, retryMaxMs: 100, attemptMs: 1_000 },
  })
  await publisher.start()
  const results = []
  for (const event of events) {
    await publisher.room()
    results.push(publisher.publish(event))
    if (results.length % 200 === 0) await sleep(10)
  }
  for (const result of results) expect(await result).toEqual({ kind: 'landed' })
  return publisher.close()
}

function counted(name: 'received' | 'rated' | 'duplicate' | 'dead_lettered' | 'conflicting'): number {
  return engines.reduce((sum, { engine }) => sum + (engine.status().counters?.[name] ?? 0), 0)
}

test('JSON, Arrow by way of the gateway and Arrow by way of the broker are one: each event is rated once', async () => {
  await openWorld()
  const events = calls(3_000)
  const half = events.slice(0, 1_500).map(event => cloudEvent(event))
  expect((await post(`${served.url}/v1/events`, half)).status).toBe(202)
  const straight = publishAll({ to: { connection: broker.nc } }, events)
  await sleep(60)
  await broker.kill()
  await sleep(200)
  await broker.restart()
  await straight
  await publishAll({ compression: 'none' }, events)
  const least = half.length + events.length * 2
  const lifecycle = customers + 1
  await until(() => counted('received') >= least + lifecycle)
  expect(counted('rated')).toBe(events.length)
  expect([counted('dead_lettered'), counted('conflicting')]).toEqual([0, 0])
  expect(counted('duplicate')).toBe(counted('received') - lifecycle - events.length)
  expect(await ratedInputTokens()).toBe(events.reduce((sum, _, i) => sum + i, 0))
})

/** The sum of the ledger's rows of one meter. */
async function ratedInputTokens(): Promise<number> {
  let sum = 0
  for (let p = 0; p < partitions; p += 1) {
    for (const { bytes } of await readLedger(broker, p, 'rated_usage')) {
      const table = tableFromIPC(bytes)
      const meters = table.getChild('meter')!
      const quantities = table.getChild('quantity')!
      for (let row = 0; row < table.numRows; row += 1) {
        if (String(meters.get(row)) === 'tokens_in') sum += scaledOf(quantities.get(row)) / 1e12
      }
    }
  }
  return sum
}

/** A Decimal(38, 12) as apache-arrow shows it: four words, the lowest first. */
function scaledOf(words: Uint32Array): number {
  return Number((BigInt(words[1]!) << 32n) | BigInt(words[0]!))
}

test('a batch that is broken is one dead letter, and what comes after it is rated', async () => {
  const before = { rated: counted('rated'), dead: counted('dead_lettered') }
  const natsSubject = `usage.${customerToken('cus_1')}`
  const arrow = headers()
  arrow.set('Content-Type', usageBatchType)
  const zipped = headers()
  zipped.set('Content-Encoding', 'gzip')
  await broker.nc.request(natsSubject, 'no batch', { headers: arrow, timeout: 5_000 })
  await broker.nc.request(natsSubject, 'not zipped', { headers: zipped, timeout: 5_000 })
  const [call] = calls(1)
  await publishAll({ to: { connection: broker.nc } }, [{ ...call!, id: 'after', subject: 'cus_1' }])
  await until(() => counted('rated') === before.rated + 1)
  expect(counted('dead_lettered')).toBe(before.dead + 2)
})
