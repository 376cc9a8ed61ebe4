// An event that ought to be another partition's customer's: it leaves its partition, and counts in the other once.

import { expect, test } from 'vitest'
import { parseCatalogValue } from '../../../schemas/catalog/catalog-parser.js'
import { customerToken, partitionOf } from '../../../schemas/identifiers.js'
import { created, TestBench, type TestEvent, testCatalog, usage } from '../../testing/core-fixture.js'
import { type Handover, PartitionCore } from '../core.js'
import { unlimitedCoreLimits } from '../ports/core-limits.js'
import { PartitionState } from '../state/partition-state.js'

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
  readonly at: readonly TestBench[]
  readonly published: Handover[] = []

  constructor(meter?: object) {
    this.at = [0, 1].map(partition => {
      const bench = new TestBench({}, { partition, partitions: 2 })
      if (meter !== undefined) bench.core = new PartitionCore(bench.config, bench.tap(), stateWith(meter))
      return bench
    })
  }

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

/** The catalog with another meter in the place of `tokens`. */
function stateWith(meter: object): PartitionState {
  const meters = testCatalog.meters.map(one => (one.meter === 'tokens' ? { ...meter, meter: 'tokens' } : one))
  const parsed = parseCatalogValue({ ...testCatalog, meters })
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  const state = new PartitionState(unlimitedCoreLimits.dedupeHorizonMs)
  state.catalog = parsed.catalog
  return state
}

function subscribed(meter?: object): TwoPartitions {
  const both = new TwoPartitions(meter)
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

const derived: readonly (readonly [string, object, string])[] = [
  ['an expression', { aggregation: 'sum', expression: 'max(a, 1) * b / 4' }, '2.5'],
  [
    'a conversion by event',
    { aggregation: 'sum', value: 'a', convert: { divide_by: '3', round: 'up', places: 1 } },
    '0.7',
  ],
  ['a converted sum', { aggregation: 'sum', value: 'a', convert: { divide_by: '4' } }, '0.5'],
  ['several fields', { aggregation: 'unique_count', value: ['a', 'b'] }, '0.5'],
  [
    'who is present',
    { aggregation: 'unique_count', value: 'a', operation: 'done' },
    '0.435483870968', // 27 of 31 days
  ],
  [
    'filters of which one value passes another',
    { aggregation: 'sum', value: 'b', filters: { a: { gte: 2, lt: 5, not: [3] } } },
    '2.5',
  ],
  ['a peak of each day', { aggregation: 'sum', value: 'b', window: 'day', window_aggregation: 'max' }, '2.5'],
]

test.each(derived)(
  'what a meter of %s read moves along, also of an event that was rated',
  (_, meter, owed) => {
    for (const isRatedFirst of [true, false]) {
      const both = subscribed({ event_type: 'api.call', dimensions: ['model'], ...meter })
      const read = { ...event, data: { a: 4, b: 5, done: 'add', model: 'small' } }
      const moved = amendment({ subject: other })
      for (const one of isRatedFirst ? [read, moved] : [moved, read]) both.send(here, [one])
      expect(both.owed()).toEqual(['0', owed])
      expect(both.counts()[1]).toMatchObject({ applied: 2, dead_lettered: 0, parked: 0 })
      both.send(here, [amendment({ time: '2026-01-06T00:00:00Z' })])
      expect(both.owed()[1]).toBe('0')
    }
  },
)

test('a stranger who tells readings is refused', () => {
  const both = subscribed()
  both.send(here, [event])
  const readings = [{ meter: 'tokens', quantity: '1', text: '1', dimensions: [] }]
  both.send(here, [amendment({ data: { tokens: 9 }, readings })])
  expect(both.at[here]!.codes()).toEqual(['+invalid_data'])
  expect(both.owed()).toEqual(['4.125', '0'])
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
