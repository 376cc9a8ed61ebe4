// Source and id identify an event for ever: an event sent again is a duplicate or refused, never counted.

import { describe, expect, test } from 'vitest'
import { PartitionCore } from '../core/core.js'
import { arrivalMs, created, TestBench, type TestEvent, usage } from '../testing/core-fixture.js'

const dayMs = 86_400_000
const horizonMs = 35 * dayMs

const limits = { dedupeHorizonMs: horizonMs, futureToleranceMs: 300_000 }

function bench(): TestBench {
  const made = new TestBench(limits)
  made.send([created()])
  return made
}

function untimed(tokens: number, more: TestEvent = {}): TestEvent {
  const { time: _, ...event } = usage('2026-01-20T00:00:00Z', tokens, more)
  return event
}

/** The same event, so that either way of reading takes it: plainly written, or with an escape. */
const ways: [string, TestEvent][] = [
  ['plain', { id: 'plain' }],
  ['general', { id: 'with "escapes" \u00e9' }],
]

describe.each(ways)('read the %s way', (_, more) => {
  test('an event without a time is a duplicate after any time', () => {
    const all = bench()
    const event = untimed(10, more)
    all.send([event])
    const before = all.sum()
    for (const days of [1, 34, 36, 37, 40, 100, 1_000, 20_000]) all.send([event], arrivalMs + days * dayMs)
    expect(all.sum()).toBe(before)
    expect(all.core.counters()).toMatchObject({ rated: 1, duplicate: 8 })
  })

  test('with other content, or a time of its own, it is in conflict after any time', () => {
    const all = bench()
    all.send([untimed(10, more)])
    const late = arrivalMs + 400 * dayMs
    all.send([untimed(11, more)], late)
    all.send([usage(new Date(late).toISOString(), 10, more)], late)
    expect(all.core.counters()).toMatchObject({ rated: 1, conflicting: 2 })
  })

  test('it is known by a state that was restored from deltas, or from a snapshot', () => {
    const all = new TestBench(limits)
    const event = untimed(10, more)
    const sent = [[created()], [event]].map(events => all.send(events).delta)
    const late = arrivalMs + 400 * dayMs
    for (const snapshot of [all.core.snapshot(), undefined]) {
      const deltas = snapshot === undefined ? sent : []
      all.core = PartitionCore.restore(all.config, snapshot, deltas, all.tap())
      const before = all.core.counters().duplicate
      all.send([event], late)
      expect(all.core.counters().duplicate).toBe(before + 1)
    }
  })

  test('an event with a time that comes again without one is in conflict', () => {
    const all = bench()
    all.send([usage(new Date(arrivalMs).toISOString(), 10, more)])
    for (const days of [0, 1, 36]) all.send([untimed(10, more)], arrivalMs + days * dayMs)
    expect(all.core.counters()).toMatchObject({ rated: 1, conflicting: 3 })
  })

  test('an event with a time is a duplicate within the horizon and refused after it', () => {
    const all = bench()
    const event = usage(new Date(arrivalMs + 299_000).toISOString(), 10, more)
    all.send([event])
    for (const days of [1, 35, 36, 400]) all.send([event], arrivalMs + days * dayMs)
    expect(all.core.counters()).toMatchObject({ rated: 1, duplicate: 2, dead_lettered: 2 })
    expect(all.codes()).toEqual(['+older_than_dedupe_horizon', '+older_than_dedupe_horizon'])
  })
})

test('a payment without a time is taken once', () => {
  const all = bench()
  const payment = {
    specversion: '1.0',
    id: 'pay',
    source: 'psp',
    type: 'weir.payment.succeeded',
    subject: 'cus_1',
    data: { payment_id: 'p', customer_id: 'cus_1', currency: 'USD', amount: '5' },
  }
  all.send([payment])
  all.send([payment], arrivalMs + 400 * dayMs)
  expect(all.core.counters()).toMatchObject({ duplicate: 1 })
})
