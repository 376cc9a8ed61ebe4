// The publisher against real servers that are killed: no event that it took is lost, whichever process dies.

import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { NatsLogin } from '../../deploy/embedded/nats-server.js'
import { partitionOf } from '../../schemas/identifiers.js'
import { builtTestFile } from '../testing/built-test-file.js'
import { type Broker, serve, startBroker, storedMessages } from '../testing/gateway-fixture.js'
import { type PublishedEvent, type PublishResult, UsagePublisher } from './usage-publisher.js'

const partitions = 4
/** A long time-out for busy machines; no outcome depends on it. */
vi.setConfig({ testTimeout: 300_000 })

let broker: Broker
let folder: string

beforeAll(async () => {
  broker = await startBroker(partitions)
  folder = await mkdtemp(join(tmpdir(), 'weir-publisher-'))
})

afterAll(async () => {
  await broker?.close()
  await rm(folder, { recursive: true, force: true })
})

const limits = { batchEvents: 1_000, lingerMs: 40, retryMinMs: 10, retryMaxMs: 200, attemptMs: 1_000 }

const event = (id: string, i: number): PublishedEvent => ({
  id,
  type: 'llm.request',
  subject: `customer-${i % 50}`,
  data: { tokens: i },
})

/** How often each id of this prefix is in the stream; checks that it is in the partition of its customer. */
async function stored(prefix: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const { natsSubject, events } of await storedMessages(broker, 'METERING')) {
    for (const { id, subject } of events) {
      if (!String(id).startsWith(prefix)) continue
      expect(natsSubject.split('.')[1]).toBe(String(partitionOf(String(subject), partitions)))
      counts.set(String(id), (counts.get(String(id)) ?? 0) + 1)
    }
  }
  return counts
}

/** Publishes while the broker is killed and started again, and returns the outcome of each event. */
async function publishWhileKilled(publisher: UsagePublisher, prefix: string) {
  const results = new Map<string, Promise<PublishResult>>()
  let publishing = true
  const producing = (async () => {
    for (let i = 0; publishing; i += 1) {
      await publisher.room()
      const id = `${prefix}${i}`
      results.set(id, publisher.publish(event(id, i)))
      if (i % 50 === 49) await sleep(2)
    }
  })()
  for (let killed = 0; killed < 3; killed += 1) {
    await sleep(300)
    await broker.kill()
    await sleep(killed === 1 ? 1_500 : 100)
    await broker.restart()
  }
  await sleep(500)
  publishing = false
  await producing
  return results
}

async function expectAllThere(results: Map<string, Promise<PublishResult>>, prefix: string): Promise<void> {
  for (const [id, result] of results) expect([id, await result]).toEqual([id, { kind: 'landed' }])
  const found = await stored(prefix)
  expect(results.size).toBeGreaterThan(1_000)
  expect([...results.keys()].filter(id => !found.has(id))).toEqual([])
  expect(found.size).toBe(results.size)
}

test('by way of the broker, killed three times while publishing, everything taken lands', async () => {
  const publisher = new UsagePublisher({ to: { connection: broker.nc }, source: 'nats-test', limits })
  await publisher.start()
  const results = await publishWhileKilled(publisher, 'n-')
  await publisher.flush()
  await expectAllThere(results, 'n-')
  expect(publisher.stats().retries).toBeGreaterThan(0)
  expect(await publisher.close()).toMatchObject({ bufferedEvents: 0, unsent: 0, trouble: undefined })
})

test('by way of the gateway, killed three times behind it, everything taken lands', async () => {
  const gatewayLimits = { publishAttemptMs: 300, publishDeadlineMs: 600, retryAfterSeconds: 0.1 }
  const served = await serve(broker, partitions, { limits: gatewayLimits })
  const publisher = new UsagePublisher({ to: { url: served.url }, source: 'http-test', limits })
  await publisher.start()
  const results = await publishWhileKilled(publisher, 'h-')
  await publisher.flush()
  await expectAllThere(results, 'h-')
  expect(publisher.stats().retries).toBeGreaterThan(0)
  await publisher.close()
  await served.gateway.close()
})

test('an account that may only publish to usage.<customer> reaches the same partitions', async () => {
  const publisher = new UsagePublisher({
    to: { connection: broker.nc, partitions: 'by_customer' },
    source: 'customer-test',
    limits,
  })
  await publisher.start()
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, i) => publisher.publish(event(`c-${i}`, i))),
  )
  expect(results.every(({ kind }) => kind === 'landed')).toBe(true)
  expect((await stored('c-')).size).toBe(100)
  await publisher.close()
})

interface Told {
  readonly leftBatches?: number
  readonly id?: string
  readonly kind?: PublishResult['kind']
}

class Producer {
  readonly told: Told[] = []
  readonly exited: Promise<void>
  readonly #child: ChildProcess

  constructor(login: NatsLogin, spool: string, prefix: string, count: number) {
    const file = fileURLToPath(builtTestFile('pipeline/testing/publisher-crash-child.js'))
    this.#child = fork(file, [spool, prefix, String(count)], {
      env: { WEIR_TEST_LOGIN: JSON.stringify(login) },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child.on('message', message => this.told.push(message as Told))
    this.exited = new Promise(resolve => this.#child.once('exit', () => resolve()))
  }

  get spooled(): string[] {
    return this.told.flatMap(({ id, kind }) => (id !== undefined && kind !== 'unsent' ? [id] : []))
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }
}

test('a producer that is killed again and again, also while the broker is away, loses nothing that its spool had', async () => {
  const spool = join(folder, 'crash')
  const acknowledged: string[] = []
  let left = 0
  for (let round = 0; round < 4; round += 1) {
    const away = round % 2 === 1
    const producer = new Producer(broker.server.login(), spool, `k-${round}`, 0)
    while (producer.spooled.length === 0) await sleep(10)
    if (away) await broker.kill()
    const before = producer.spooled.length
    while (producer.spooled.length < before + 200) await sleep(10)
    await sleep(round * 37)
    await producer.kill()
    acknowledged.push(...producer.spooled)
    left += producer.told[0]?.leftBatches ?? 0
    if (away) await broker.restart()
  }
  expect(left).toBeGreaterThan(0)
  expect((await readdir(spool)).some(name => name.endsWith('.batch'))).toBe(true)
  const last = new Producer(broker.server.login(), spool, 'k-last', 10)
  await last.exited
  const found = await stored('k-')
  expect(acknowledged.filter(id => !found.has(id))).toEqual([])
  expect(acknowledged.length).toBeGreaterThan(800)
  expect((await readdir(spool)).filter(name => name.endsWith('.batch'))).toEqual([])
})

test('canary: what a killed producer took without a spool is missed', async () => {
  const connection = await connect({ ...broker.server.login(), maxReconnectAttempts: -1 })
  const publisher = new UsagePublisher({
    to: { connection },
    source: 'canary',
    limits: { ...limits, lingerMs: 5_000 },
  })
  await publisher.start()
  const taken = Array.from({ length: 30 }, (_, i) => publisher.publish(event(`x-${i}`, i)))
  await publisher.abort() // as far as the broker is concerned, the process is gone
  await connection.close()
  expect((await Promise.all(taken)).every(({ kind }) => kind === 'unsent')).toBe(true)
  expect((await stored('x-')).size).toBe(0)
})
