// What late events, retractions and changes do to levels after the segments that follow were billed: the difference of each
// is billed, and rows add up to it. What a level is under ever other terms is in the golden cases of `simulate`.

import { expect, test } from 'vitest'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { nsOf } from '../../../schemas/time.js'
import { change, created, TestBench, type TestEvent, usage } from '../../testing/core-fixture.js'
import { PartitionCore } from '../core.js'

const jan = (day: number) => `2026-01-${String(day).padStart(2, '0')}T00:00:00Z`
const at = (unitAmount: string, model: TestEvent = { model: 'per_unit', unit_amount: unitAmount }) => ({
  price_overrides: [{ price: 'store', kind: 'usage', meter: 'stored', ...model }],
})
const stored = (time: string, gb: unknown, more: TestEvent = {}) =>
  usage(time, 0, { type: 'store', data: { gb, ...more } })

/** 31 GB from 1 January at 1, from 16 January on at 2; January and February billed. */
function billed(more: readonly TestEvent[] = []): TestBench {
  const bench = new TestBench()
  bench.send([created(at('1')), stored(jan(1), 31), ...more, change('amended', 2, jan(16), at('2'))])
  bench.answer()
  run(bench, 'run_1', Date.UTC(2026, 1, 1))
  run(bench, 'run_2', Date.UTC(2026, 2, 1))
  return bench
}

function run(bench: TestBench, billingRunId: string, cutoffMs: number): void {
  bench.answer()
  bench.send([], Date.UTC(2026, 2, 10), [{ billingRunId, cutoffNs: nsOf(cutoffMs) }])
}

/** What a run billed for the price, by start, and whether as an adjustment; the rows add up to all that was billed. */
function linesOf(bench: TestBench, billingRunId: string): string[] {
  const usageOf = bench.charges.filter(one => one.price === 'store')
  const total = usageOf.reduce((sum, one) => sum + one.amount, 0n)
  expect(bench.sum()).toBe(formatScaled(total))
  return usageOf
    .filter(one => one.billingRunId === billingRunId)
    .map(one => `${one.kind} ${formatScaled(one.amount)}`)
}

/** The credit and the rebill of each segment. */
function adjustmentsOf(bench: TestBench, billingRunId: string): string[] {
  const amounts = linesOf(bench, billingRunId).map(line => line.replace('adjustment ', ''))
  return amounts.flatMap((credit, index) => (index % 2 === 0 ? [`${credit} ${amounts[index + 1]}`] : []))
}

test('segments after a change of price are billed at the level before it', () => {
  const bench = billed()
  expect(linesOf(bench, 'run_1')).toEqual(['usage 15', 'usage 32'])
  expect(linesOf(bench, 'run_2')).toEqual(['usage 62'])
})

test('a late event before a change of price adjusts every billed segment after it, those without an event too', () => {
  const bench = billed()
  bench.send([stored(jan(6), 31)])
  run(bench, 'run_3', Date.UTC(2026, 2, 1))
  expect(adjustmentsOf(bench, 'run_3')).toEqual(['-15 25', '-32 64', '-62 124'])
})

test('a retraction of what came before a change of price adjusts every billed segment after it', () => {
  const late = stored(jan(6), 31)
  const bench = billed([late])
  expect(linesOf(bench, 'run_2')).toEqual(['usage 124'])
  const data = { event_source: late['source'], event_id: late['id'] }
  bench.send([usage(jan(20), 0, { type: 'weir.usage.retracted', data })])
  run(bench, 'run_3', Date.UTC(2026, 2, 1))
  expect(adjustmentsOf(bench, 'run_3')).toEqual(['-25 15', '-64 32', '-124 62'])
})

test('a change of price model learnt late is billed at the levels of its cells', () => {
  const bench = billed([stored(jan(1), 62, { zone: 'b' })])
  expect(linesOf(bench, 'run_2')).toEqual(['usage 186'])
  const cells = [{ when: { zone: 'b' }, unit_amount: '10' }]
  bench.send([change('amended', 3, jan(16), at('', { model: 'matrix', cells, default_unit_amount: '1' }))])
  run(bench, 'run_3', Date.UTC(2026, 2, 1))
  // From 93 x 2 x 16/31 = 96 to (62 x 10 + 31) x 16/31 = 336; February from 186 to 651.
  expect(adjustmentsOf(bench, 'run_3')).toEqual(['-96 336', '-186 651'])
})

test('levels are part of what a restarted core knows', () => {
  const bench = billed()
  const deltas = [bench.send([stored(jan(7), 31)]).delta]
  const snapshot = billed().core.snapshot()
  const restored = PartitionCore.restore(bench.config, snapshot, [], bench.tap())
  const again = PartitionCore.restore(bench.config, snapshot, deltas, bench.tap())
  bench.core = restored
  expect(bench.owed('2026-03-10T00:00:00Z')['store 2026-03-01']).toBe('62')
  bench.core = again
  expect(bench.owed('2026-03-10T00:00:00Z')['store 2026-03-01']).toBe('124')
})
