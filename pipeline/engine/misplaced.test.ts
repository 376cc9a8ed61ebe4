// Reads an input whose messages belong elsewhere by their subject, from a real broker: they are in their partition before
// anything after them is handed out.

import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { customerToken, fnv1a32, partitionOf } from '../../schemas/identifiers.js'
import type { ReadMessage } from '../broker/pull-protocol.js'
import { natsSubjects } from '../broker/topology.js'
import { pipelineLimits } from '../config/limits.js'
import { type Broker, startBroker, until } from '../testing/engine-harness.js'
import { InputReader } from './input-reader.js'

const partitions = 8
let broker: Broker
let js: JetStreamClient
const readers: InputReader[] = []

beforeAll(async () => {
  broker = await startBroker(partitions)
  js = jetstream(broker.nc)
})

afterAll(async () => {
  for (const reader of readers) reader.stop()
  await broker?.stop()
})

async function read(partition: number, fromSeq: number) {
  const { nc, bulk, jsm } = broker
  const { created } = await jsm.streams.info('METERING')
  const interruptions: string[] = []
  const reader = new InputReader({
    bulk,
    jsm,
    stream: 'METERING',
    filterSubjects: [natsSubjects.metering(partition)],
    created,
    fromSeq,
    limits: pipelineLimits({ partitions, maxPayload: nc.info!.max_payload }).engine,
    misplaced: { nc, js, partitions, stream: 'METERING' },
    onMessage: () => undefined,
    onFailure: () => undefined,
    onInterruption: detail => interruptions.push(detail),
  })
  readers.push(reader)
  const taken: ReadMessage[] = []
  const take = async (count: number) => {
    await until(() => {
      taken.push(...reader.take(1 << 20))
      return taken.length >= count
    })
    return taken.map(
      ({ bytes, isElsewhere }) => `${Buffer.from(bytes)}${isElsewhere === true ? ' (elsewhere)' : ''}`,
    )
  }
  return { reader, interruptions, taken, take }
}

/** A customer whose id the broker puts into another partition than its token, and a plain one that belongs there. */
function misplacedCustomer(at: number) {
  for (let n = at; ; n += 1) {
    const customer = `org:${n}`
    const here = fnv1a32(customer) % partitions
    const there = partitionOf(customer, partitions)
    if (here !== there) return { customer, here, there, neighbour: customerOf(here) }
  }
}

function customerOf(partition: number): string {
  for (let n = 0; ; n += 1) if (partitionOf(`cus_${n}`, partitions) === partition) return `cus_${n}`
}

async function placed(partition: number): Promise<number> {
  const subject = natsSubjects.placed('metering', partition)
  const { state } = await broker.jsm.streams.info('METERING', { subjects_filter: subject })
  return state.subjects?.[subject] ?? 0
}

test('a message of another partition is there, with its time of arrival, before it counts as read here', async () => {
  const { customer, here, there, neighbour } = misplacedCustomer(0)
  const first = await js.publish(`usage.${neighbour}`, 'before')
  const { seq } = await js.publish(`usage.${customer}`, 'moved')
  await js.publish(`usage.${customerToken(customer)}`, 'escaped')
  await js.publish(`usage.${neighbour}`, 'after')
  const stored = await broker.jsm.streams.getMessage('METERING', { seq })
  expect(stored!.subject).toBe(`metering.${here}.${customer}`)
  await sleep(20)
  const source = await read(here, first.seq)
  expect(await source.take(3)).toEqual(['before', 'moved (elsewhere)', 'after'])
  const target = await read(there, first.seq)
  expect((await target.take(2)).sort()).toEqual(['escaped', 'moved'])
  const moved = target.taken.find(({ bytes }) => Buffer.from(bytes).toString() === 'moved')
  expect(moved!.arrivedAtMs).toBe(stored!.time.getTime())
})

test('one that is read again, because the process ended before the commit, is placed once', async () => {
  const { customer, here, there } = misplacedCustomer(100)
  const before = await placed(there)
  const { seq } = await js.publish(`usage.${customer}`, 'again')
  for (const turn of [1, 2]) {
    const source = await read(here, seq)
    expect(await source.take(1), `turn ${turn}`).toEqual(['again (elsewhere)'])
    source.reader.stop()
  }
  expect(await placed(there)).toBe(before + 1)
})

test('while the broker takes no more, nothing behind the message is handed out, and nothing is lost', async () => {
  const { customer, here, there, neighbour } = misplacedCustomer(200)
  const before = await placed(there)
  const { seq } = await js.publish(`usage.${customer}`, 'stays')
  await js.publish(`usage.${neighbour}`, 'behind')
  await broker.jsm.streams.update('METERING', {
    max_bytes: (await broker.jsm.streams.info('METERING')).state.bytes,
  })
  const source = await read(here, seq)
  await until(() => source.interruptions.length > 0)
  expect(source.interruptions[0]).toContain('maximum bytes exceeded')
  expect(source.reader.take(1 << 20)).toEqual([])
  expect(source.reader.lag).toBe(2)
  expect(await source.reader.quietUpTo()).toBeUndefined()
  await broker.jsm.streams.update('METERING', { max_bytes: -1 })
  expect(await source.take(2)).toEqual(['stays (elsewhere)', 'behind'])
  expect(await placed(there)).toBe(before + 1)
})

test('one that is too large to be placed stays, for a dead letter', async () => {
  const { customer, here } = misplacedCustomer(300)
  const { seq } = await js.publish(`usage.${customer}`, new Uint8Array(broker.nc.info!.max_payload - 10))
  const { seq: next } = await js.publish(`usage.${customer}`, 'x'.repeat(100))
  await broker.jsm.streams.update('METERING', { max_msg_size: 50 })
  for (const from of [seq, next]) {
    const source = await read(here, from)
    await until(() => source.reader.count > 0)
    expect(source.reader.take(1)[0]).not.toHaveProperty('isElsewhere')
  }
  await broker.jsm.streams.update('METERING', { max_msg_size: -1 })
})

test('no producer can name a time of arrival', async () => {
  const forged = headers()
  forged.set('Weir-Arrived-At', '1')
  const customer = customerOf(3)
  const { seq } = await js.publish(`usage.${customer}`, 'now', { headers: forged })
  const source = await read(3, seq)
  await source.take(1)
  expect(source.taken[0]!.arrivedAtMs).toBeGreaterThan(1)
})
