// A stamped time, however the event is read: it is no part of the content, and the event is known for ever.

import { expect, test } from 'vitest'
import { change, created, TestBench, type TestEvent, usage } from '../testing/core-fixture.js'

const dayMs = 86_400_000
const firstMs = Date.UTC(2026, 0, 20)
const limits = { dedupeHorizonMs: 35 * dayMs, futureToleranceMs: 300_000 }

/** The event as a sender stamps it when it sends it. */
const stampedAt = (event: TestEvent, ms: number, mark: unknown): TestEvent => ({
  ...event,
  time: new Date(ms).toISOString(),
  weirstampedtime: mark,
})

const beside: readonly [string, unknown, readonly TestEvent[]][] = [
  ['scanned', true, []],
  ['parsed', 'true', []],
  ['parsed beside a change', true, [change('suspended', 1, '2030-01-01T00:00:00Z')]],
]

test.each(beside)('sent again long after the horizon it is a duplicate: %s', (_, mark, others) => {
  const bench = new TestBench(limits)
  bench.send([created()])
  const event = usage('', 5)
  bench.send([stampedAt(event, firstMs, mark), ...others], firstMs)
  const before = bench.core.counters()
  const againMs = firstMs + 100 * dayMs
  bench.send([stampedAt(event, againMs, mark)], againMs)
  expect(bench.core.counters()).toMatchObject({ rated: 1, duplicate: before.duplicate + 1 })
  bench.send([stampedAt({ ...event, subject: 'cus_2' }, againMs, mark)], againMs)
  expect(bench.codes().slice(-1)).toEqual(['+conflicting_duplicate'])
})

test('a stamped time obeys the rules of every other: too far ahead it is refused', () => {
  const bench = new TestBench(limits)
  bench.send([created()])
  bench.send([stampedAt(usage('', 5), firstMs + 300_001, true)], firstMs)
  expect(bench.codes()).toEqual(['+event_time_in_future'])
})
