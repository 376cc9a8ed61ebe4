// Each stream takes only its own event types: a sender of usage changes no subscription and sets no price.

import { expect, test } from 'vitest'
import { type EventStream, streamOf } from '../../schemas/event/event-stream.js'
import type { InputMessage } from '../core/decode/decode.js'
import { arrivalMs, created, TestBench, type TestEvent, testCatalog, usage } from '../testing/core-fixture.js'

const time = '2026-01-02T00:00:00Z'
const rate = { base: 'EUR', quote: 'USD', rate: '1.1', effective_from: time }

/** One event of each kind of ours, and how else its type can be written in JSON. */
const ours = (): TestEvent[] => [
  created(),
  usage(time, 1, { type: 'weir.usage.retracted', data: { event_source: 'api', event_id: 'x' } }),
  usage(time, 1, { type: 'weir.customer.upserted', data: { customer_id: 'cus_1', name: 'A' } }),
  usage(time, 1, { type: 'weir.catalog.published', data: { catalog: testCatalog } }),
  usage(time, 1, { type: 'weir.fx_rate.published', data: rate }),
  usage(time, 1, { type: 'weir.nothing' }),
]
const spellings: readonly ((text: string) => string)[] = [
  text => text,
  text => text.replace('"weir.', '"weir\\u002e'),
  text => text.replace('"weir.', '"\\u0077eir.'),
  text => text.replace('"type":', '"\\u0074ype":'),
  text => `[${text}]`,
]

function bench(partitions: number): TestBench {
  return new TestBench({}, { oneSource: false, partitions })
}

function process(on: TestBench, stream: EventStream, text: string): void {
  const message: InputMessage = { seq: 1, arrivedAtMs: arrivalMs, bytes: Buffer.from(text) }
  const at = (name: EventStream) => (name === stream ? [message] : [])
  on.commit += 1
  on.last = on.core.process({
    nowMs: arrivalMs,
    commit: on.commit,
    catalog: at('CATALOG'),
    lifecycle: at('LIFECYCLE'),
    metering: at('METERING'),
    orders: [],
    history: [],
  })
}

test.each([1, 2])('of %i partitions, none takes from a stream what belongs on another', partitions => {
  for (const event of [...ours(), usage(time, 1)]) {
    for (const stream of ['METERING', 'LIFECYCLE', 'CATALOG'] as const) {
      if (stream === streamOf(String(event['type']))) continue
      for (const spelt of spellings) {
        const one = bench(partitions)
        process(one, stream, spelt(JSON.stringify(event)))
        expect([stream, event['type'], ...one.codes()]).toEqual([stream, event['type'], '+wrong_stream'])
        expect(one.last?.counters).toMatchObject({ received: 1, dead_lettered: 1, applied: 0 })
        expect(one.versions).toEqual([])
      }
    }
  }
})

test('neighbours in a message of usage are rated, and an identity that was misused is not taken', () => {
  const one = bench(1)
  const change = created()
  const before = usage(time, 1)
  process(one, 'METERING', JSON.stringify([before, change, usage(time, 2)]))
  expect(one.codes()).toEqual(['+wrong_stream'])
  expect(one.last?.counters).toMatchObject({ received: 3, parked: 2, dead_lettered: 1 })
  process(one, 'LIFECYCLE', JSON.stringify(change))
  expect(one.last?.counters).toMatchObject({ received: 4, applied: 1, rated: 2, parked: 0, dead_lettered: 1 })
})

test('on its own stream each is taken', () => {
  for (const event of ours().slice(0, 5)) {
    const one = bench(1)
    process(one, streamOf(String(event['type'])), JSON.stringify(event))
    expect(one.codes().filter(code => code === '+wrong_stream')).toEqual([])
    expect(one.last?.counters).toMatchObject({ received: 1, dead_lettered: 0 })
  }
})
