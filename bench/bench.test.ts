// Every benchmark at a small size: that it runs, that its sums are right, and that a wrong one is found.

import { createHash } from 'node:crypto'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { aggregations } from '../schemas/catalog/aggregations.js'
import { compare } from './compare.js'
import { endToEnd } from './end-to-end.js'
import { latency } from './latency.js'
import type { BenchOptions } from './measure/context.js'
import type { BenchReport } from './measure/report.js'
import { peerPostgres } from './postgres/peer.js'
import { findPostgres } from './postgres/postgres-binary.js'
import { stage } from './stage/stage.js'
import { IndependentSum } from './workload/independent-sum.js'
import { eventsPerMessage, makeTraffic, type TrafficOptions } from './workload/traffic.js'

const options: BenchOptions = {
  events: 5_000,
  customers: 200,
  seed: 11,
  natsServer: process.env['WEIR_NATS_SERVER'],
  log: pino({ level: 'silent' }),
  progress: { step: () => ({ advance() {}, done() {} }), notice() {} },
}

const traffic: TrafficOptions = {
  seed: 11,
  events: 20_000,
  customers: 1_000,
  partitions: 4,
  nowMs: Date.UTC(2026, 2, 10),
}

function expectWhole(report: BenchReport): void {
  expect(report).toMatchObject({ events: 5_000, conservation: 'ok', differences: [], seed: 11 })
  expect(report.seconds).toBeGreaterThan(0)
  expect(report.events_per_second).toBeGreaterThan(0)
  expect(report.cpu_seconds).toBeGreaterThan(0)
  expect(report.peak_rss_bytes).toBeGreaterThan(1 << 20)
}

function digestOf(traffic: TrafficOptions): string {
  const { messages, expected } = makeTraffic(traffic)
  const hash = createHash('sha256').update(JSON.stringify(expected))
  for (const { partition, bytes } of messages) hash.update(`${partition} `).update(bytes)
  return hash.digest('hex')
}

describe('traffic', () => {
  test('the same seed gives the same messages, another seed others', () => {
    const digests = [traffic, traffic, { ...traffic, seed: 12 }].map(digestOf)
    expect(digests[1]).toBe(digests[0])
    expect(digests[2]).not.toBe(digests[0])
  })

  test('events are of the promised size, with the promised shares of duplicates and late ones', () => {
    const { messages, expected } = makeTraffic(traffic)
    const lines = messages.flatMap(({ bytes }) => Buffer.from(bytes).toString('utf8').trimEnd().split('\n'))
    const ids = new Set(lines.map(line => (JSON.parse(line) as { id: string }).id))
    expect(lines).toHaveLength(20_000)
    expect(ids.size).toBe(expected.unique)
    expect(expected).toMatchObject({ events: 20_000, duplicates: 40, late: 19, rows: 39_920 })
    expect(Math.max(...messages.map(message => message.events))).toBe(eventsPerMessage)
    expect(expected.bytes / expected.events).toBeGreaterThan(240)
    expect(expected.bytes / expected.events).toBeLessThan(280)
  })

  test('the independent sum agrees with prices worked by hand', () => {
    const sum = new IndependentSum()
    sum.add(0, Date.UTC(2026, 0, 5), 400, 100) // payg: 500 * 0.0000025 + 100 * 0.00001
    sum.add(0, Date.UTC(2026, 0, 9), 100, 0)
    sum.add(1, Date.UTC(2026, 0, 5), 10_001, 5_000) // growth: 0.028 + 0.0000025 + 0.10, and 0.07
    expect(sum.amount()).toBe(1_250_000_000n + 1_000_000_000n + 128_002_500_000n + 70_000_000_000n)
  })
})

test('end-to-end and floor run in turn, and their ratio is that of their speeds', async () => {
  const report = await compare(options, 1)
  expectWhole(report)
  const [round] = report.rounds
  expectWhole(round!.end_to_end)
  expectWhole(round!.floor)
  expect(report.ratio).toBeCloseTo(round!.end_to_end.events_per_second / round!.floor.events_per_second, 3)
  expect(report.cpu_ratio).toBeCloseTo(round!.floor.cpu_seconds / round!.end_to_end.cpu_seconds, 3)
})

test('canary: a sum that is off by 10^-12, or one row too many, fails the benchmark', async () => {
  const report = await endToEnd(options, {
    stallMs: 4_000,
    expect: expected => ({ ...expected, rows: expected.rows + 1, amount: `${expected.amount}1` }),
  })
  expect(report.conservation).toBe('violated')
  const found = report.differences.map(one => one.what)
  expect(found).toEqual(expect.arrayContaining(['count() of rated_usage', 'sum(amount) of rated_usage']))
})

test('stages are timed one by one, and the core gives the independent sum', async () => {
  const report = await stage(options, 2, { few: 20, many: 200, events: 400, chunk: 20 })
  expectWhole(report)
  const stages = [
    'core, steady state',
    'decode to columns',
    'dedupe on columns',
    'scan and normalize',
    'attach',
    'rate',
    'encode Arrow',
    'rating alone, per_unit',
    'rating alone, graduated',
  ]
  expect(report.stages.map(one => one.stage)).toEqual(expect.arrayContaining(stages))
  expect(report.stages.every(one => one.ns_per_event > 0)).toBe(true)
  expect(new Set(report.aggregations.map(one => one.aggregation)).size).toBe(aggregations.length)
  expect(report.aggregations.every(one => one.ratio > 0)).toBe(true)
})

test('latency is that of the markers, and their rows are in the sums', async () => {
  const report = await latency(options)
  expect(report).toMatchObject({ conservation: 'ok', differences: [] })
  expect(report.markers).toBeGreaterThan(0)
  expect(report.p50_ms).toBeLessThanOrEqual(report.p99_ms)
})

test('PostgreSQL comes to the same sum', async context => {
  const found = await findPostgres(() => undefined).catch(() => undefined)
  if (found === undefined) context.skip('no PostgreSQL here and none to be had')
  expectWhole(await peerPostgres(options))
})
