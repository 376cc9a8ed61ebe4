// When producers and partitions have to wait, and when they go on.

import type { JetStreamManager } from '@nats-io/jetstream'
import { afterEach, expect, test } from 'vitest'
import { Backlog } from '../broker/backlog.js'
import type { EngineStatus } from '../engine/engine.js'
import { PressureGauge, stoppedPartitions } from './pressure.js'

const limits = { maxPendingMessages: 50, maxPendingBytes: 10_000, maxLedgerBytes: 100_000 }
const empty = { first_seq: 1, last_seq: 0, bytes: 0 }
const world = {
  metering: empty,
  ledger: empty,
  position: 0,
  lag: [0, 0],
  failed: [false, false],
  isDown: false,
}
let gauge: PressureGauge | undefined
const troubles: unknown[] = []

afterEach(() => gauge?.close())

async function reading(change: Partial<typeof world>) {
  Object.assign(world, change)
  gauge ??= new PressureGauge({
    jsm: {
      streams: { info: async (name: string) => ({ state: stateOf(name) }) },
    } as unknown as JetStreamManager,
    limits,
    ledgerPosition: async () => world.position,
    onTrouble: error => troubles.push(error),
    everyMs: 3_600_000,
  })
  gauge.observe(() => world.lag.map(engine))
  gauge.close()
  await gauge.start()
  return { ...gauge.reading, pressure: gauge.pressure() }
}

function stateOf(name: string) {
  if (world.isDown) throw new Error('no broker')
  return name === 'METERING' ? world.metering : world.ledger
}

function engine(metering: number, partition: number) {
  const failure = { code: 'input_purged', detail: 'It was purged.' }
  const state = world.failed[partition] ? { state: 'failed', failure } : { state: 'running' }
  return { partition, lag: { metering, lifecycle: 0, catalog: 0 }, ...state } as EngineStatus
}

test('LEDGER at its limit holds processing back, METERING at its limit slows producers, each until four fifths', async () => {
  expect(await reading({})).toMatchObject({
    holdsBack: false,
    slowsProducers: false,
    pressure: { kind: 'ok' },
  })
  const full = { first_seq: 1, last_seq: 100, bytes: 100_000 }
  expect(await reading({ ledger: full })).toMatchObject({ ledgerBytes: 100_000, holdsBack: true })
  expect((await reading({})).pressure).toEqual({ kind: 'ok' }) // what is accepted still has room in METERING
  const metering = { first_seq: 1, last_seq: 20, bytes: 10_000 }
  const both = await reading({ metering, lag: [12, 8] })
  expect(both).toMatchObject({ pendingBytes: 10_000, slowsProducers: true })
  expect(both.pressure).toEqual({ kind: 'slow', retryAfterSeconds: 10 })
  expect(await reading({ position: 15 })).toMatchObject({ ledgerBytes: 85_000, holdsBack: true })
  expect(await reading({ position: 25 })).toMatchObject({ ledgerBytes: 75_000, holdsBack: false })
  expect((await reading({ lag: [9, 8] })).pressure).toEqual({ kind: 'slow', retryAfterSeconds: 2 })
  expect((await reading({ lag: [7, 8] })).pressure).toEqual({ kind: 'ok' })
})

test('many small messages of one partition slow producers too', async () => {
  expect(await reading({ lag: [0, 50] })).toMatchObject({ slowsProducers: true })
  expect(await reading({ lag: [0, 0] })).toMatchObject({ slowsProducers: false })
})

test('a broker that does not answer leaves the last reading in force', async () => {
  await reading({ lag: [0, 60] })
  expect(await reading({ isDown: true, lag: [0, 0] })).toMatchObject({ slowsProducers: true })
  expect(troubles).toEqual([new Error('no broker')])
  expect(await reading({ isDown: false })).toMatchObject({ slowsProducers: false })
})

test('only when every partition has stopped everything is refused; one alone neither refuses nor slows others', async () => {
  const { pressure } = await reading({ failed: [true, true] })
  const detail = 'Every partition has stopped. Partition 0: It was purged.'
  expect(pressure).toMatchObject({ kind: 'stopped', detail })
  expect((await reading({ failed: [true, false], lag: [60, 0] })).pressure).toEqual({ kind: 'ok' })
  expect([...stoppedPartitions(world.lag.map(engine))]).toEqual([[0, 'It was purged.']])
  await reading({ failed: [false, false], lag: [0, 0] })
})

test('bytes behind a position are told apart by when they came', () => {
  const backlog = new Backlog()
  expect(backlog.bytesBehind(0)).toBe(0)
  backlog.read({ firstSeq: 1, lastSeq: 100, bytes: 1_000 })
  backlog.read({ firstSeq: 1, lastSeq: 110, bytes: 101_000 })
  expect(backlog.bytesBehind(110)).toBe(0)
  expect(backlog.bytesBehind(105)).toBe(50_000)
  expect(backlog.bytesBehind(50)).toBe(100_500)
  expect(backlog.bytesBehind(-5)).toBeGreaterThanOrEqual(101_000)
})

test('a purge makes the backlog begin anew, and readings are bounded', () => {
  const backlog = new Backlog()
  for (let n = 1; n <= 5_000; n += 1) backlog.read({ firstSeq: 1, lastSeq: n * 10, bytes: n * 1_000 })
  expect(backlog.bytesBehind(49_000)).toBe(100_000)
  expect(backlog.bytesBehind(1_000)).toBe(4_900_000)
  backlog.read({ firstSeq: 40_001, lastSeq: 50_000, bytes: 1_000_000 })
  expect(backlog.bytesBehind(49_000)).toBe(100_000)
  expect(backlog.bytesBehind(40_000)).toBe(1_000_000)
})
