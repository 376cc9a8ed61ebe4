// Empties UNPLACED on a real broker: every message in its partition once, with its bytes, headers and time of arrival.

import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { headers } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { partitionOf } from '../../schemas/identifiers.js'
import { nsOf } from '../../schemas/time.js'
import { BillingRuns } from '../billing/billing-runs.js'
import { placerName } from '../broker/durable-consumers.js'
import { placeMessage } from '../broker/place-message.js'
import { natsSubjects } from '../broker/topology.js'
import { freeGate } from '../deliver/testing/flow-gates.js'
import { Acts } from '../testing/acts.js'
import { type Broker, startBroker, until } from '../testing/engine-harness.js'
import { Placer, type PlacingTrouble } from './placer.js'

const partitions = 8
let broker: Broker
let js: JetStreamClient
let placers: Placer[] = []

beforeAll(async () => {
  broker = await startBroker(partitions)
  js = jetstream(broker.nc)
})

afterEach(async () => {
  for (const placer of placers) await placer.close()
  placers = []
})

afterAll(async () => {
  await broker?.stop()
})

function place(): { readonly placer: Placer; readonly troubles: PlacingTrouble[] } {
  const { nc, jsm } = broker
  const troubles: PlacingTrouble[] = []
  const placer = new Placer({ nc, js, jsm, partitions, onTrouble: trouble => troubles.push(trouble) })
  placers.push(placer)
  placer.start()
  return { placer, troubles }
}

const unplaced = async () => (await broker.jsm.streams.info('UNPLACED')).state.messages
const untilPlaced = () => until(async () => (await unplaced()) === 0)

/** The messages that were brought to a customer's partition. */
async function placedFor(customer: string, root: 'metering' | 'lifecycle' = 'metering') {
  const stream = root === 'metering' ? 'METERING' : 'LIFECYCLE'
  const subject = natsSubjects.placed(root, partitionOf(customer, partitions))
  const found = []
  for (let seq = 1; ; ) {
    const message = await broker.jsm.streams.getMessage(stream, { seq, next_by_subj: subject } as never)
    if (message === null) return found
    found.push(message)
    seq = message.seq + 1
  }
}

test('usage and changes come to the partition of the customer that the subject names', async () => {
  const customers = ['acme.eu', 'jane@acme.com', 'a.b.c.d', 'Zürich.Söhne', '=61.=62', '顧客.1']
  for (const customer of customers) {
    expect(await js.publish(`usage.${customer}`, `usage of ${customer}`)).toMatchObject({
      stream: 'UNPLACED',
    })
    await js.publish(`changes.${customer}`, `change of ${customer}`)
  }
  place()
  await untilPlaced()
  for (const customer of customers) {
    const named = customer === '=61.=62' ? 'a.b' : customer
    const texts = (await placedFor(named)).map(message => message.string())
    expect(texts).toContain(`usage of ${customer}`)
    const changes = (await placedFor(named, 'lifecycle')).map(message => message.string())
    expect(changes).toContain(`change of ${customer}`)
  }
})

test('headers stay, those for the broker do not, and the time of arrival is that of the first stream', async () => {
  const sent = headers()
  sent.append('Content-Type', 'application/json')
  sent.append('ce-id', 'e1')
  sent.append('x-twice', 'a')
  sent.append('x-twice', 'b')
  sent.append('Weir-Arrived-At', '1')
  const ack = await js.publish('usage.headers.io', '{}', { headers: sent, msgID: 'mine' })
  const stored = await broker.jsm.streams.getMessage('UNPLACED', { seq: ack.seq })
  await sleep(20)
  place()
  await untilPlaced()
  const [message] = (await placedFor('headers.io')).filter(one => one.header.get('ce-id') === 'e1')
  expect(message!.header.get('Content-Type')).toBe('application/json')
  expect(message!.header.values('x-twice')).toEqual(['a', 'b'])
  expect(message!.header.get('Nats-Msg-Id')).toBe(`weir:UNPLACED:${ack.seq}`)
  expect(message!.header.values('Weir-Arrived-At')).toEqual([String(stored!.time.getTime())])
})

test('a message that was placed and not let go, as by a crash between the two, is placed once', async () => {
  const ack = await js.publish('usage.crash.io', 'once')
  const to = { root: 'metering', partition: partitionOf('crash.io', partitions), stream: 'UNPLACED' } as const
  const message = {
    ...to,
    seq: ack.seq,
    arrivedAtMs: 1,
    headers: { names: () => [], values: () => [] },
    bytes: Buffer.from('once'),
  }
  expect(await placeMessage({ nc: broker.nc, js }, message)).toEqual({ kind: 'placed' })
  place()
  await untilPlaced()
  expect((await placedFor('crash.io')).filter(one => one.string() === 'once')).toHaveLength(1)
})

test('while the partitions’ stream is full the message waits and says why, and it is placed when there is room', async () => {
  const full = (await broker.jsm.streams.info('METERING')).state.bytes
  await broker.jsm.streams.update('METERING', { max_bytes: full })
  const { placer, troubles } = place()
  await js.publish('usage.waiting.io', 'waits')
  await until(() => troubles.length > 0)
  expect(troubles[0]!.detail).toContain('maximum bytes exceeded')
  await until(() => placer.status().messages === 1)
  expect(placer.status()).toMatchObject({
    messages: 1,
    trouble: { code: expect.stringContaining('jetstream_') },
  })
  expect(placer.status().waitingSinceMs).toBeDefined()
  await broker.jsm.streams.update('METERING', { max_bytes: -1 })
  await untilPlaced()
  await until(() => placer.status().trouble === undefined)
  expect((await placedFor('waiting.io')).filter(one => one.string() === 'waits')).toHaveLength(1)
})

test('a producer is told when UNPLACED is full, or a message too large to be placed', async () => {
  await broker.jsm.streams.update('UNPLACED', { max_bytes: 1_000 })
  await expect(js.publish('usage.full.io', 'x'.repeat(2_000))).rejects.toThrow('maximum bytes exceeded')
  await broker.jsm.streams.update('UNPLACED', { max_bytes: -1 })
  const largest = broker.nc.info!.max_payload
  await expect(js.publish('usage.large.io', new Uint8Array(largest - 100))).rejects.toThrow(
    'message size exceeds',
  )
  const nearly = new Uint8Array(largest - 256)
  expect(await js.publish('usage.large.io', nearly)).toMatchObject({ stream: 'UNPLACED' })
  place()
  await untilPlaced()
  expect((await placedFor('large.io')).some(({ data }) => data.length === nearly.length)).toBe(true)
})

test('two processes share the messages, and a consumer that is deleted is made again', async () => {
  place()
  place()
  for (let n = 0; n < 20; n += 1) await js.publish('usage.shared.io', `shared ${n}`)
  await broker.jsm.consumers.delete('UNPLACED', placerName)
  for (let n = 20; n < 40; n += 1) await js.publish('usage.shared.io', `shared ${n}`)
  await untilPlaced()
  const texts = (await placedFor('shared.io'))
    .map(one => one.string())
    .filter(text => text.startsWith('shared'))
  expect(texts.sort()).toEqual(Array.from({ length: 40 }, (_, n) => `shared ${n}`).sort())
})

test('a billing run waits for usage that is not in its partition yet, and is refused while it waits too long', async () => {
  const cutoffMs = Date.UTC(2026, 5, 1)
  const kv = await new Kvm(broker.nc).open('weir_runs')
  const common = { js, jsm: broker.jsm, runs: kv, partitions, audit: new Acts() }
  const runs = (answerWithinMs: number) =>
    new BillingRuns({
      gate: freeGate,
      ...common,
      nowMs: () => cutoffMs + 1,
      stoppedPartitions: () => new Map(),
      holds: { list: async () => [] },
      answerWithinMs,
    })
  await js.publish('usage.billed.io', 'usage')
  const request = { cutoffNs: nsOf(cutoffMs) }
  expect(await runs(50).create(request)).toMatchObject({ kind: 'refused', code: 'usage_not_placed' })
  const waiting = runs(30_000).create(request)
  place()
  expect(await waiting).toMatchObject({ kind: 'ok', value: { created: true } })
  expect(await unplaced()).toBe(0)
})
