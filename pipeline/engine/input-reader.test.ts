// Reads an input from a real broker: in order, without a hole, within the limit of bytes.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { natsSubjects } from '../broker/topology.js'
import { type LimitOverrides, pipelineLimits } from '../config/limits.js'
import type { PartitionFailure } from '../ledger/failures.js'
import { type Broker, startBroker, until } from '../testing/engine-harness.js'
import { InputReader } from './input-reader.js'

let broker: Broker
const readers: InputReader[] = []

beforeAll(async () => {
  broker = await startBroker(8)
})

afterAll(async () => {
  for (const reader of readers) reader.stop()
  await broker?.stop()
})

interface Reading {
  readonly reader: InputReader
  readonly failures: PartitionFailure[]
  readonly interruptions: string[]
}

async function read(
  partition: number,
  limits: LimitOverrides['engine'] = {},
  fromSeq?: number,
): Promise<Reading> {
  const { nc, bulk, jsm } = broker
  const failures: PartitionFailure[] = []
  const interruptions: string[] = []
  const { created, state } = await jsm.streams.info('METERING')
  const reader = new InputReader({
    bulk,
    jsm,
    stream: 'METERING',
    filterSubjects: [natsSubjects.metering(partition)],
    created,
    fromSeq: fromSeq ?? state.first_seq,
    limits: pipelineLimits({ partitions: 8, maxPayload: nc.info!.max_payload }, { engine: limits }).engine,
    onMessage: () => undefined,
    onFailure: failure => failures.push(failure),
    onInterruption: detail => interruptions.push(detail),
  })
  readers.push(reader)
  return { reader, failures, interruptions }
}

async function send(partition: number, ...bodies: readonly Uint8Array[]): Promise<number[]> {
  const seqs: number[] = []
  for (const body of bodies) {
    const answer = await broker.nc.request(natsSubjects.gatewayMetering(partition), body, { timeout: 5_000 })
    seqs.push((answer.json() as { seq: number }).seq)
  }
  return seqs
}

async function takeCount({ reader }: Reading, count: number): Promise<{ seq: number; bytes: Uint8Array }[]> {
  const taken: { seq: number; bytes: Uint8Array }[] = []
  await until(() => {
    taken.push(...reader.take(1 << 20))
    return taken.length >= count
  })
  return taken
}

const text = (value: string) => Buffer.from(value)

test('only this partition, in order, with the time at which the broker stored it', async () => {
  const before = Date.now()
  const mine = await send(0, text('a'), text('b'))
  await send(1, text('x'))
  mine.push(...(await send(0, text('c'))))
  const reading = await read(0)
  const taken = await takeCount(reading, 3)
  expect(taken.map(({ seq }) => seq)).toEqual(mine)
  expect(taken.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['a', 'b', 'c'])
  const [first] = taken as unknown as { arrivedAtMs: number }[]
  expect(first!.arrivedAtMs).toBeGreaterThanOrEqual(before - 1_000)
  expect(first!.arrivedAtMs).toBeLessThanOrEqual(Date.now() + 1_000)
  expect(reading.reader.lag).toBe(0)
})

test('a message larger than a pull comes through, and what follows it too', async () => {
  const large = randomBytes(3 << 20)
  const limits = { pullBytes: 100_000, prefetchBytes: 16 << 20 }
  await send(2, text('before'), large, text('after'), large, large)
  const reading = await read(2, limits)
  const taken = await takeCount(reading, 5)
  expect(taken.map(({ bytes }) => bytes.length)).toEqual([6, large.length, 5, large.length, large.length])
  expect(Buffer.from(taken[1]!.bytes).equals(large)).toBe(true)
  expect(reading.interruptions).toEqual([])
})

test('no more is held than the budget and one message', async () => {
  const body = randomBytes(100_000)
  const engine = { pullBytes: 300_000, prefetchBytes: 16 << 20 }
  await send(3, ...Array.from({ length: 250 }, () => body))
  const reading = await read(3, engine)
  await until(() => reading.reader.bytes > 15_000_000)
  await sleep(200)
  expect(reading.reader.bytes).toBeLessThanOrEqual((16 << 20) + body.length)
  expect(reading.reader.lag).toBe(250)
  expect(await takeCount(reading, 250)).toHaveLength(250)
})

test('a consumer that is deleted under way costs nothing', async () => {
  const sent = await send(4, text('1'), text('2'))
  const reading = await read(4)
  const taken = await takeCount(reading, 2)
  for await (const consumer of broker.jsm.consumers.list('METERING')) {
    const { filter_subject, filter_subjects = [filter_subject] } = consumer.config
    if (filter_subjects.includes(natsSubjects.metering(4))) {
      await broker.jsm.consumers.delete('METERING', consumer.name)
    }
  }
  sent.push(...(await send(4, text('3'))))
  taken.push(...(await takeCount(reading, 1)))
  expect(taken.map(({ seq }) => seq)).toEqual(sent)
  expect(reading.interruptions.length).toBeGreaterThan(0)
})

test('an idle reader knows up to where nothing is left for it', async () => {
  const [mine] = await send(5, text('mine'))
  const reading = await read(5)
  await takeCount(reading, 1)
  const [other] = await send(6, text('not mine'))
  expect(other).toBeGreaterThan(mine!)
  expect(await reading.reader.quietUpTo()).toBe(other)
  await send(5, text('more'))
  await until(() => reading.reader.count > 0)
  expect(await reading.reader.quietUpTo()).toBeUndefined()
})

test('a stream that no longer holds what is to be read next is refused', async () => {
  await send(7, text('1'), text('2'), text('3'))
  await broker.jsm.streams.purge('METERING')
  const reading = await read(7, {}, 1)
  await until(() => reading.failures.length > 0)
  expect(reading.failures[0]).toMatchObject({ code: 'input_purged' })
})
