// The benchmarks of growth at a small size: that they run, and that their checks hold.

import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { BenchOptions } from '../measure/context.js'
import { growth } from './growth.js'
import { writeIdentity } from './identities.js'
import { soak } from './soak.js'

const options: BenchOptions = {
  events: 20_000,
  customers: 100,
  seed: 7,
  natsServer: process.env['WEIR_NATS_SERVER'],
  log: pino({ level: 'silent' }),
  progress: { step: () => ({ advance() {}, done() {} }), notice() {} },
}

test('identities made from a counter are all different', () => {
  const made = new Set<string>()
  const identity = new Uint32Array(4)
  for (let n = 0; n < 50_000; n += 1) {
    writeIdentity(n * 85_899, identity)
    made.add(identity.join())
  }
  expect(made.size).toBe(50_000)
})

test('growth tells its ten steps, and a restarted partition knows what it has seen', async () => {
  const report = await growth(options)
  expect(report).toMatchObject({ conservation: 'ok', differences: [], events: 20_000 })
  expect(report.steps).toHaveLength(10)
  expect(report.steps.at(-1)!.ids).toBe(20_000)
  expect(report.restart[0]).toMatchObject({ ids: 20_000, partitions: 2, segments: 2 })
  expect(report.restart[0]!.identity_bytes).toBeGreaterThanOrEqual(20_000 * 26)
})

test('a soak ends in the independent sum', async () => {
  const report = await soak({ ...options, events: 10_000 })
  expect(report).toMatchObject({ conservation: 'ok', differences: [], events: 10_000 })
  expect(report.memory.map(one => one.process)).toEqual(['weir', 'nats-server', 'clickhouse'])
  expect(report.memory.every(one => one.peak_rss_mb > 1)).toBe(true)
})
