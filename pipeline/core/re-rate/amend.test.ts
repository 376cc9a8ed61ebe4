// What an amendment does to an event that was rated, waits, was refused, or has not come.

import { expect, test } from 'vitest'
import { arrivalMs, created, TestBench, type TestEvent, usage } from '../../testing/core-fixture.js'
import { PartitionCore } from '../core.js'

const dayMs = 86_400_000

let counter = 0

function amendment(eventId: string, data: TestEvent, more: TestEvent = {}): TestEvent {
  counter += 1
  return {
    specversion: '1.0',
    id: `a${String(counter).padStart(3, '0')}`,
    source: 'ops',
    type: 'weir.usage.amended',
    subject: 'cus_1',
    time: '2026-01-19T00:00:00Z',
    data: { event_source: 'api', event_id: eventId, ...data },
    ...more,
  }
}

const whole = (tokens: unknown, time = '2026-01-06T00:00:00Z') => ({
  type: 'api.call',
  time,
  data: { tokens },
})

function run(...steps: readonly (readonly TestEvent[])[]): TestBench {
  const bench = new TestBench()
  for (const events of steps) {
    bench.send(events)
    bench.answer()
  }
  return bench
}

test('an event that was never seen is rated by an amendment that brings all of it', () => {
  const bench = run([created()], [amendment('e1', whole(4))])
  expect(bench.core.counters()).toMatchObject({ received: 2, applied: 2, rated: 0, parked: 0 })
  expect(bench.sum()).toBe('2')
  bench.send([usage('2026-01-05T00:00:00Z', 9, { id: 'e1' })])
  bench.answer()
  expect(bench.core.counters()).toMatchObject({ received: 3, applied: 2, rated: 1 })
  expect(bench.sum()).toBe('2')
})

test('an event that was refused for its content gives way to its amendment, and its dead letter is taken back', () => {
  const bench = run([created()], [usage('2026-01-05T00:00:00Z', 'much', { id: 'e1' })])
  expect(bench.core.counters()).toMatchObject({ dead_lettered: 1 })
  bench.send([amendment('e1', { data: { tokens: '2.5' } })])
  expect(bench.codes()).toEqual(['+invalid_value', '-invalid_value'])
  expect(bench.core.counters()).toMatchObject({ rated: 1, applied: 2, dead_lettered: 0 })
  expect(bench.sum()).toBe('1.25')
})

test('an amendment that leaves something out waits for its event', () => {
  const bench = run([created()], [amendment('e1', { data: { tokens: 4 } }, { id: 'early' })])
  expect(bench.core.counters()).toMatchObject({ parked: 1, applied: 1 })
  expect(bench.core.notices()).toMatchObject([{ source: 'ops', id: 'early', code: 'amendment_waits' }])
  bench.core = PartitionCore.restore(bench.config, bench.core.snapshot(), [], bench.tap())
  bench.send([usage('2026-01-05T00:00:00Z', 'much', { id: 'e1' })])
  expect(bench.core.counters()).toMatchObject({ parked: 0, applied: 2, rated: 1, dead_lettered: 0 })
  expect(bench.codes()).toEqual([])
  expect(bench.sum()).toBe('2')
})

test('of several amendments the latest by its time holds, over the event as it came', () => {
  const first = amendment('e1', { data: { tokens: 100 } }, { time: '2026-01-19T00:00:00Z' })
  const second = amendment('e1', { time: '2026-01-07T00:00:00Z' }, { time: '2026-01-19T00:00:01Z' })
  const event = usage('2026-01-05T00:00:00Z', 8, { id: 'e1' })
  for (const order of [
    [first, second, event],
    [event, second, first],
    [second, event, first],
  ]) {
    const bench = run([created()], ...order.map(one => [one]))
    expect(bench.core.counters()).toMatchObject({ rated: 1, applied: 3 })
    expect(bench.sum()).toBe('4')
    const net = bench.rated.filter(row => row.price !== '').reduce((sum, row) => sum + row.eventCount, 0)
    expect(net).toBe(1)
    expect(bench.rated.findLast(row => row.eventCount === 1)?.eventTimeNs).toBe(1_767_744_000_000_000_000n)
  }
})

test('an event moves to another customer of the partition, and back by a later amendment', () => {
  const other = created({ subscription_id: 'sub_2', customer_id: 'cus_2' })
  const event = usage('2026-01-05T00:00:00Z', 8, { id: 'e1' })
  const bench = run(
    [created(), { ...other, subject: 'cus_2' }],
    [event],
    [amendment('e1', { subject: 'cus_2' })],
  )
  const sums = () =>
    ['cus_1', 'cus_2'].map(id =>
      bench.rated.filter(row => row.customerId === id).reduce((sum, row) => sum + row.amount, 0n),
    )
  expect(sums()).toEqual([0n, 4_000_000_000_000n])
  bench.send([amendment('e1', { data: { tokens: 10 } })])
  bench.answer()
  expect(sums()).toEqual([5_000_000_000_000n, 0n])
  expect(bench.core.counters()).toMatchObject({ rated: 1, applied: 4 })
})

test('a retraction is final, whatever amendments come before or after it', () => {
  const retraction = { ...amendment('e1', {}), id: 'r1', type: 'weir.usage.retracted' }
  const event = usage('2026-01-05T00:00:00Z', 8, { id: 'e1' })
  const mended = amendment('e1', whole(3))
  for (const order of [
    [event, retraction, mended],
    [mended, retraction, event],
    [retraction, mended, event],
  ]) {
    const bench = run([created()], ...order.map(one => [one]))
    expect(bench.core.counters()).toMatchObject({ rated: 1, applied: 3, parked: 0, dead_lettered: 0 })
    expect(bench.sum()).toBe('0')
  }
})

test('a retraction of what an amendment told does not make the event one that has come, for amendments that need it', () => {
  const retraction = { ...amendment('e1', {}), id: 'r1', type: 'weir.usage.retracted' }
  const bench = run(
    [created()],
    [amendment('e1', whole(4))],
    [amendment('e1', { data: { tokens: 5 } })],
    [retraction],
  )
  bench.answer()
  expect(bench.core.counters()).toMatchObject({ received: 4, applied: 3, parked: 1 })
  expect(bench.sum()).toBe('0')
  bench.send([usage('2026-01-05T00:00:00Z', 9, { id: 'e1' })])
  bench.answer()
  expect(bench.core.counters()).toMatchObject({ received: 5, applied: 4, parked: 0, rated: 1 })
  expect(bench.sum()).toBe('0')
})

test('an event that was taken back as it came has come, for amendments that need it and for those that need nothing', () => {
  const retraction = { ...amendment('e1', {}), id: 'r1', type: 'weir.usage.retracted' }
  const event = usage('2026-01-05T00:00:00Z', 9, { id: 'e1' })
  for (const first of [[retraction], [event], [retraction, event]]) {
    const rest = first.includes(event) ? [] : [event]
    const taken = first.includes(retraction) ? [] : [retraction]
    const all = [first, rest, taken, [amendment('e1', whole(4))], [amendment('e1', { data: { tokens: 5 } })]]
    const bench = run([created()], ...all.filter(one => one.length > 0))
    bench.answer()
    expect(bench.core.counters()).toMatchObject({
      received: 5,
      applied: 4,
      rated: 1,
      parked: 0,
      dead_lettered: 0,
    })
    expect(bench.sum()).toBe('0')
  }
})

test('a withdrawn event counts for nothing until a later amendment brings it back', () => {
  const bench = run([created()], [amendment('e1', whole(4))], [amendment('e1', { withdrawn: true })])
  expect(bench.sum()).toBe('0')
  expect(bench.core.counters()).toMatchObject({ applied: 3, rated: 0 })
  bench.send([amendment('e1', whole(6))])
  bench.answer()
  expect(bench.sum()).toBe('3')
  expect(bench.core.counters()).toMatchObject({ received: 4, applied: 4 })
})

test('content that cannot be read makes the event a dead letter, and a later amendment frees it', () => {
  const bench = run(
    [created()],
    [usage('2026-01-05T00:00:00Z', 8, { id: 'e1' })],
    [amendment('e1', { data: { tokens: 'x' } })],
  )
  expect(bench.sum()).toBe('0')
  expect(bench.codes()).toEqual(['+invalid_value'])
  expect(bench.core.counters()).toMatchObject({ rated: 0, dead_lettered: 1, applied: 2 })
  bench.send([amendment('e1', { data: { tokens: 2 } })])
  expect(bench.codes()).toEqual(['+invalid_value', '-invalid_value'])
  expect(bench.sum()).toBe('1')
})

test('an event that no meter wanted is mended by an amendment that brings all of it, and by no other', () => {
  const unmetered = usage('2026-01-05T00:00:00Z', 8, { id: 'e1', type: 'api.kall' })
  const part = amendment('e1', { time: '2026-01-06T00:00:00Z' })
  for (const order of [
    [unmetered, part],
    [part, unmetered],
  ]) {
    const bench = run([created()], ...order.map(one => [one]))
    expect(bench.codes()).toEqual(['+event_not_kept'])
    bench.send([amendment('e1', whole(6))])
    bench.answer()
    expect(bench.core.counters()).toMatchObject({ unmetered: 1, applied: 2, dead_lettered: 1, parked: 0 })
    expect(bench.sum()).toBe('3')
  }
})

test('an amended time is not ahead of the arrival of its amendment', () => {
  const bench = new TestBench({ futureToleranceMs: 5 * 60_000 })
  bench.send([created(), amendment('e1', whole(4, '2026-01-20T00:05:00.000000001Z'))])
  expect(bench.codes()).toEqual(['+event_time_in_future'])
  expect(bench.core.counters()).toMatchObject({ dead_lettered: 1, applied: 1 })
})

test('an amendment with a personal field in the clear is refused, whether or not it tells the type', () => {
  const personalFields = [{ eventType: 'api.call', path: ['who'], kind: 'sealed' as const }]
  for (const type of [{}, { type: 'api.call' }]) {
    const bench = new TestBench({ personalFields })
    bench.send([amendment('e1', { ...type, data: { tokens: 1, who: 'Ann' } })])
    expect(bench.deadLetters).toMatchObject([{ code: 'personal_data_in_clear', payload: '' }])
  }
})

test('an amendment whose event never came is a dead letter after the horizon, and the map is empty again', () => {
  const bench = new TestBench({ dedupeHorizonMs: 35 * dayMs })
  bench.send([amendment('never', { data: { tokens: 1 } }, { id: 'a', time: undefined })])
  bench.send([], arrivalMs + 36 * dayMs + 1)
  expect(bench.core.counters()).toMatchObject({ parked: 0, dead_lettered: 1 })
  expect(bench.codes()).toEqual(['+unknown_event'])
  bench.send(
    [amendment('never', { data: { tokens: 1 } }, { id: 'a', time: undefined })],
    arrivalMs + 36 * dayMs + 2,
  )
  expect(bench.core.counters()).toMatchObject({ parked: 1, duplicate: 0 })
})

test('an event that was given up is rated by an amendment, and not again when it is sent again', () => {
  const bench = new TestBench({ parkedTtlMs: dayMs })
  const event = usage('2026-01-05T00:00:00Z', 8, { id: 'e1' })
  bench.send([event])
  bench.send([], arrivalMs + 2 * dayMs)
  bench.send([created()], arrivalMs + 2 * dayMs)
  expect(bench.codes()).toEqual(['+no_subscription'])
  bench.send([amendment('e1', whole(8))], arrivalMs + 2 * dayMs)
  bench.answer()
  expect(bench.sum()).toBe('4')
  bench.send([event], arrivalMs + 2 * dayMs)
  expect(bench.sum()).toBe('4')
  expect(bench.core.counters()).toMatchObject({ received: 4, rated: 1, applied: 2, dead_lettered: 1 })
})

test('a bad event keeps its identity until there is no room for its content', () => {
  const bench = new TestBench({ parkedBytes: 2_700 })
  const bad = ['e1', 'e2', 'e3', 'e4'].map(id => usage('2026-01-05T00:00:00Z', 'much', { id }))
  bench.send(bad)
  bench.send(bad)
  expect(bench.core.counters()).toMatchObject({ duplicate: 2, dead_lettered: 6 })
})
