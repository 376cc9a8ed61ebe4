// An event that ought to be another partition's customer's: it leaves its partition, and counts in the other once.

import { expect, test } from 'vitest'
import { customerToken, partitionOf } from '../../../schemas/identifiers.js'
import { created, TestBench, type TestEvent, usage } from '../../testing/core-fixture.js'
import { type Handover, PartitionCore } from '../core.js'

const customers = ['cus_1', 'cus_2', 'cus_3', 'cus_4', 'cus_5'].map(customerToken)
const here = partitionOf('cus_1', 2)
const other = customers.find(id => partitionOf(id, 2) !== here)!

let counter = 0

function amendment(data: TestEvent, type = 'weir.usage.amended'): TestEvent {
  counter += 1
  const time = `2026-01-19T00:00:${String(counter).padStart(2, '0')}Z`
  const named = { event_source: 'api', event_id: 'e1' }
  return {
    specversion: '1.0',
    id: `h${counter}`,
    source: 'ops',
    type,
    subject: 'cus_1',
    time,
    data: { ...named, ...data },
  }
}

class TwoPartitions {
  readonly at = [0, 1].map(partition => new TestBench({}, { partition, partitions: 2 }))
  readonly published: Handover[] = []

  /** What is handed over is published twice, as after a crash, and then confirmed. */
  send(partition: number, events: readonly TestEvent[]): void {
    const bench = this.at[partition]!
    bench.send(events)
    bench.answer()
    const open = bench.core.openHandovers()
    bench.core = PartitionCore.restore(bench.config, bench.core.snapshot(), [], bench.tap())
    expect(bench.core.openHandovers()).toEqual(open)
    bench.handedOver(open.map(one => one.key))
    expect(bench.core.openHandovers()).toEqual([])
    this.published.push(...open)
    for (const { partition: to, event } of [...open, ...open]) this.send(to, [JSON.parse(event)])
  }

  owed(): string[] {
    return [here, 1 - here].map(partition => this.at[partition]!.sum())
  }

  counts() {
    return [here, 1 - here].map(partition => {
      const { rated, applied, dead_lettered, parked } = this.at[partition]!.core.counters()
      return { rated, applied, dead_lettered, parked }
    })
  }
}

function subscribed(): TwoPartitions {
  const both = new TwoPartitions()
  both.send(here, [created()])
  const theirs = created({ customer_id: other, subscription_id: 'sub_2' })
  both.send(1 - here, [{ ...theirs, subject: other }])
  return both
}

const event = usage('2026-01-05T00:00:00Z', '8.25', { id: 'e1' })

test('an event moves to a customer of another partition, whether it came before its amendment or after', () => {
  const moved = amendment({ subject: other })
  for (const order of [
    [event, moved],
    [moved, event],
  ]) {
    const both = subscribed()
    for (const one of order) both.send(here, [one])
    expect(both.owed()).toEqual(['0', '4.125'])
    expect(both.counts()).toEqual([
      { rated: 1, applied: 2, dead_lettered: 0, parked: 0 },
      { rated: 0, applied: 2, dead_lettered: 0, parked: 0 },
    ])
  }
})

test('a later amendment changes it there, moves it back, or moves it there again', () => {
  const both = subscribed()
  both.send(here, [event])
  both.send(here, [amendment({ subject: other })])
  both.send(here, [amendment({ subject: other, data: { tokens: 2 } })])
  expect(both.owed()).toEqual(['0', '1'])
  both.send(here, [amendment({ data: { tokens: 6 } })])
  expect(both.owed()).toEqual(['3', '0'])
  both.send(here, [amendment({ subject: other })])
  expect(both.owed()).toEqual(['0', '4.125'])
})

test('a retraction in the first partition takes it back from the other', () => {
  const both = subscribed()
  both.send(here, [event])
  both.send(here, [amendment({ subject: other })])
  both.send(here, [amendment({}, 'weir.usage.retracted')])
  expect(both.owed()).toEqual(['0', '0'])
  expect(both.counts()[0]).toEqual({ rated: 1, applied: 3, dead_lettered: 0, parked: 0 })
})

test('what cannot be read is not handed over: it is a dead letter where it came', () => {
  const both = subscribed()
  both.send(here, [{ ...event, data: { tokens: 'much' } }])
  both.send(here, [amendment({ subject: other })])
  expect(both.published).toEqual([])
  expect(both.counts()[0]).toMatchObject({ rated: 0, dead_lettered: 1 })
  both.send(here, [amendment({ subject: other, data: { tokens: 4 } })])
  expect(both.owed()).toEqual(['0', '2'])
  expect(both.at[here]!.codes()).toEqual([
    '+invalid_value',
    '-invalid_value',
    '+invalid_value',
    '-invalid_value',
  ])
})
