// Retractions that come before their event: parked until it was seen, and never gone without a word.

import { expect, test } from 'vitest'
import { arrivalMs, created, TestBench, usage } from '../../testing/core-fixture.js'
import { PartitionCore } from '../core.js'

const dayMs = 86_400_000

function retraction(id: string, eventId: string, subject = 'cus_1') {
  const data = { event_source: 'api', event_id: eventId }
  return { specversion: '1.0', id, source: 'ops', type: 'weir.usage.retracted', subject, data }
}

test('it is parked and shown until its event comes, and then applied', () => {
  const bench = new TestBench()
  bench.send([created(), retraction('r1', 'late')])
  expect(bench.core.counters()).toMatchObject({ parked: 1, applied: 1 })
  expect(bench.core.notices()).toMatchObject([{ source: 'ops', id: 'r1', code: 'retraction_waits' }])
  bench.send([usage('2026-01-05T00:00:00Z', 2, { id: 'late' })])
  expect(bench.core.counters()).toMatchObject({ parked: 0, applied: 2, rated: 1 })
  expect(bench.core.notices()).toEqual([])
  expect(bench.sum()).toBe('0')
})

test('an event that was seen counts, whatever became of it: unmetered, refused, or parked', () => {
  const bench = new TestBench()
  const seen = [
    usage('2026-01-05T00:00:00Z', 'much', { id: 'bad' }),
    usage('2026-01-05T00:00:00Z', 1, { id: 'unmetered', type: 'other' }),
    usage('2026-01-05T00:00:00Z', 1, { id: 'parked', subject: 'cus_9' }),
  ]
  const ids = ['bad', 'unmetered', 'parked']
  const retractions = ids.map(id => retraction(`r-${id}`, id, id === 'parked' ? 'cus_9' : 'cus_1'))
  bench.send(retractions)
  expect(bench.core.counters()).toMatchObject({ parked: 3, applied: 0 })
  bench.send(seen)
  const before = bench.core.counters()
  expect(before).toMatchObject({ parked: 0, applied: 3 })
  const after = new TestBench()
  after.send(seen)
  after.send(retractions)
  expect(after.core.counters()).toEqual(before)
})

test('two that wait for one event are both applied by it', () => {
  const bench = new TestBench()
  bench.send([created(), retraction('r1', 'late')])
  bench.send([retraction('r2', 'late')])
  expect(bench.core.counters()).toMatchObject({ parked: 2 })
  bench.send([usage('2026-01-05T00:00:00Z', 2, { id: 'late' })])
  expect(bench.core.counters()).toMatchObject({ parked: 0, applied: 3 })
})

test('one that waited in vain is a dead letter, and can be sent again', () => {
  const bench = new TestBench({ dedupeHorizonMs: 35 * dayMs })
  bench.send([retraction('r1', 'never')])
  bench.send([], arrivalMs + 36 * dayMs)
  expect(bench.core.counters()).toMatchObject({ parked: 1, dead_lettered: 0 })
  bench.send([], arrivalMs + 36 * dayMs + 1)
  expect(bench.core.counters()).toMatchObject({ parked: 0, dead_lettered: 1 })
  expect(bench.deadLetters).toMatchObject([{ eventId: 'r1', code: 'unknown_event' }])
  bench.send([retraction('r1', 'never')], arrivalMs + 36 * dayMs + 2)
  expect(bench.core.counters()).toMatchObject({ parked: 1, duplicate: 0 })
})

test('a core that is restored still waits', () => {
  const bench = new TestBench()
  bench.send([created(), retraction('r1', 'late')])
  bench.core = PartitionCore.restore(bench.config, bench.core.snapshot(), [], bench.tap())
  expect(bench.core.notices()).toMatchObject([{ id: 'r1' }])
  bench.send([usage('2026-01-05T00:00:00Z', 2, { id: 'late' })])
  expect(bench.core.counters()).toMatchObject({ parked: 0, applied: 2 })
})
