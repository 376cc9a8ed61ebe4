// The core as a whole: small histories, and what becomes of each event.

import { deserialize } from 'node:v8'
import { expect, test } from 'vitest'
import { conservationGap } from '../../schemas/event/dispositions.js'
import { partitionOf } from '../../schemas/identifiers.js'
import { parseJson } from '../../schemas/json/json-text.js'
import { nsOf } from '../../schemas/time.js'
import { arrivalMs, change, created, TestBench, testCatalog, usage } from '../testing/core-fixture.js'
import { PartitionCore } from './core.js'
import { PartitionState } from './state/partition-state.js'

const jan = (day: number) => `2026-01-${String(day).padStart(2, '0')}T00:00:00Z`

test('usage is rated on the price of its subscription, and rows add up to the charge', () => {
  const bench = new TestBench()
  bench.send([created(), usage(jan(2), 3), usage(jan(3), '1.5')])
  expect(bench.owed('2026-01-20T00:00:00Z')).toEqual({ 'base 2026-01-01': '30', 'tokens 2026-01-01': '2.25' })
  expect(bench.sum()).toBe('2.25')
  // The meter that no price wants keeps a row of its own.
  expect(bench.rated.map(row => [row.meter, row.price]).sort()).toEqual([
    ['calls', ''],
    ['calls', ''],
    ['tokens', 'tokens'],
    ['tokens', 'tokens'],
  ])
  expect(bench.last?.counters).toMatchObject({ received: 3, rated: 2, applied: 1 })
})

test('a duplicate counts once, other content under the same identity conflicts with both hashes', () => {
  const bench = new TestBench()
  const event = usage(jan(2), 3)
  bench.send([created(), event])
  const shuffledKeys = Object.fromEntries(Object.entries(event).reverse())
  bench.send([event, shuffledKeys, { ...event, data: { tokens: 4 } }])
  expect(bench.last?.counters).toMatchObject({ rated: 1, duplicate: 2, conflicting: 1, dead_lettered: 0 })
  const [conflict] = bench.deadLetters
  expect(conflict?.code).toBe('conflicting_duplicate')
  expect(conflict?.contentHash).toMatch(/^[0-9a-f]{14}$/)
  expect(conflict?.otherContentHash).toMatch(/^[0-9a-f]{14}$/)
  expect(conflict?.contentHash).not.toBe(conflict?.otherContentHash)
  expect(bench.sum()).toBe('1.5')
})

test('usage before its subscription is parked and freed by it', () => {
  const bench = new TestBench()
  bench.send([usage(jan(2), 3)])
  expect(bench.last?.counters).toMatchObject({ received: 1, parked: 1 })
  expect(bench.last?.heldBytes).toBeGreaterThan(0)
  bench.send([created()])
  expect(bench.last?.counters).toMatchObject({ received: 2, parked: 0, rated: 1, applied: 1 })
  expect(bench.last?.heldBytes).toBe(0)
})

test('parked usage becomes a dead letter after its time to live and can then be sent again', () => {
  const bench = new TestBench({ parkedTtlMs: 1000 })
  const event = usage(jan(2), 3)
  bench.send([event])
  bench.send([], arrivalMs + 999)
  expect(bench.last?.changed).toBe(false)
  bench.send([], arrivalMs + 1000)
  expect(bench.codes()).toEqual(['+no_subscription'])
  expect(JSON.parse(bench.deadLetters[0]?.payload ?? '')).toEqual(event)
  expect(bench.last?.counters).toMatchObject({ parked: 0, dead_lettered: 1 })
  bench.send([created(), event], arrivalMs + 2000)
  expect(bench.last?.counters).toMatchObject({ rated: 1, duplicate: 0 })
})

test('what waits beyond the byte budget is refused', () => {
  const bench = new TestBench({ parkedBytes: 1500 })
  bench.send([usage(jan(2), 1), usage(jan(2), 2), usage(jan(2), 3)])
  expect(bench.last?.counters).toMatchObject({ parked: 2, dead_lettered: 1 })
  expect(bench.codes()).toEqual(['+parked_overflow'])
})

test('two subscriptions that price the meter are ambiguous, unless one is pinned', () => {
  const bench = new TestBench()
  const second = change('created', 1, jan(1), { plan: 'pro', subscription_id: 'sub_2' })
  const pinned = usage(jan(3), 1, { subscriptionid: 'sub_2' })
  bench.send([created(), second, usage(jan(2), 1), pinned])
  expect(bench.codes()).toEqual(['+ambiguous_subscription'])
  expect(bench.last?.counters).toMatchObject({ rated: 1, dead_lettered: 1 })
  // The one is cancelled back in time: what was ambiguous is not any more.
  bench.send([change('cancelled', 2, jan(2), { subscription_id: 'sub_2' })])
  bench.answer()
  expect(bench.codes()).toEqual(['+ambiguous_subscription', '-ambiguous_subscription'])
  expect(bench.last?.counters).toMatchObject({ rated: 1, dead_lettered: 0, parked: 1 })
})

test('usage inside a suspension is freed by a resume that is effective back in time', () => {
  const bench = new TestBench()
  bench.send([created(), change('suspended', 2, jan(5)), usage(jan(6), 2)])
  expect(bench.codes()).toEqual(['+subscription_suspended'])
  bench.send([change('resumed', 3, jan(6))])
  bench.answer()
  expect(bench.codes()).toEqual(['+subscription_suspended', '-subscription_suspended'])
  expect(bench.last?.counters).toMatchObject({ rated: 1, dead_lettered: 0 })
  expect(bench.sum()).toBe('1')
})

test('a back-dated amendment gives corrections that add up to the new charges', () => {
  const bench = new TestBench()
  bench.send([created(), usage(jan(2), 3), usage(jan(10), 4)])
  expect(bench.sum()).toBe('3.5')
  const before = bench.rated.length
  bench.send([change('amended', 2, jan(5), { plan: 'max', quantities: { seats: '2' } })])
  expect(bench.core.holdsCustomers()).toBe(true)
  // Usage that comes meanwhile is held.
  bench.send([usage(jan(11), 1)])
  expect(bench.last?.counters).toMatchObject({ parked: 1, rated: 2 })
  expect(bench.last?.historyRequests).toHaveLength(1)
  bench.answer()
  expect(bench.last?.counters).toMatchObject({ parked: 0, rated: 3 })
  const owed = bench.owed('2026-01-20T00:00:00Z')
  expect(owed).toMatchObject({ 'tokens 2026-01-01': '1.5', 'tokens 2026-01-05': '10' })
  expect(bench.sum()).toBe('11.5')
  expect(bench.rated.slice(before).map(row => [row.kind, row.eventCount])).toEqual([
    ['correction', -1],
    ['correction', 1],
    ['usage', 1],
    ['usage', 1],
  ])
})

test('an amendment of seats alone asks no history', () => {
  const bench = new TestBench()
  const first = created({ plan: 'max', quantities: { seats: '1' } })
  bench.send([first, usage(jan(10), 4)])
  bench.send([change('amended', 2, jan(5), { quantities: { seats: '3' } })])
  expect(bench.core.holdsCustomers()).toBe(false)
  expect(bench.owed('2026-01-20T00:00:00Z')).toHaveProperty('tokens 2026-01-01', '8')
})

test('a second change while history is awaited asks further back; the answer to the first is ignored', () => {
  const bench = new TestBench()
  bench.send([created(), usage('2026-01-02T00:00:00Z', 3), usage('2026-02-10T00:00:00Z', 4)])
  bench.send([change('amended', 2, '2026-02-05T00:00:00Z', { plan: 'max', quantities: { seats: '1' } })])
  const stale = bench.core.openHistoryRequests().map(request => bench.memory.answer(request))
  bench.send([change('amended', 3, '2026-01-02T00:00:00Z', { plan: 'max', quantities: { seats: '1' } })])
  const [request] = bench.core.openHistoryRequests()
  expect(request?.fromNs).toBe(nsOf(Date.UTC(2026, 0, 1)))
  expect(stale[0]?.requestId).not.toBe(request?.requestId)
  const input = { nowMs: arrivalMs, commit: 9, catalog: [], lifecycle: [], metering: [], orders: [] }
  expect(bench.core.process({ ...input, history: stale }).changed).toBe(false)
  bench.answer()
  expect(bench.owed('2026-03-01T00:00:00Z')).toMatchObject({
    'tokens 2026-01-02': '6',
    'tokens 2026-02-01': '8',
  })
})

test('a retraction takes an event back, before or after it came', () => {
  for (const isFirst of [true, false]) {
    const bench = new TestBench()
    const event = usage(jan(3), 3)
    const retraction = usage(jan(4), 0, {
      type: 'weir.usage.retracted',
      data: { event_source: event['source'], event_id: event['id'] },
    })
    bench.send([created(), usage(jan(2), 1)])
    for (const one of isFirst ? [retraction, event] : [event, retraction]) bench.send([one])
    bench.answer()
    expect(bench.sum()).toBe('0.5')
    expect(bench.owed('2026-01-20T00:00:00Z')).toHaveProperty('tokens 2026-01-01', '0.5')
    expect(bench.last?.counters).toMatchObject({ received: 4, rated: 2, applied: 2, parked: 0 })
    const kinds = bench.rated.map(row => row.kind)
    expect(kinds.includes('retraction')).toBe(!isFirst)
  }
})

test('a change before its subscription and one of an unknown plan wait, in any order', () => {
  const bench = new TestBench()
  bench.send([change('amended', 2, jan(2), { plan: 'next', quantities: { seats: '1' } })])
  bench.send([created()])
  expect(bench.last?.counters).toMatchObject({ applied: 1, parked: 1 })
  const next = { ...testCatalog.plans[1], plan: 'next' }
  const published = usage(jan(1), 0, {
    type: 'weir.catalog.published',
    data: { catalog: { meters: testCatalog.meters, plans: [next] } },
  })
  bench.send([published])
  expect(bench.last?.counters).toMatchObject({ applied: 3, parked: 0 })
  expect(bench.owed('2026-01-20T00:00:00Z')).toHaveProperty('seats 2026-01-02')
  const other = { ...next, currency: 'EUR' }
  bench.send([{ ...published, id: 'again', data: { catalog: { meters: [], plans: [other] } } }])
  expect(bench.codes()).toEqual(['+conflicting_catalog'])
})

test('the same version again is a duplicate, with other content a conflict', () => {
  const bench = new TestBench()
  const first = created()
  bench.send([first])
  bench.send([{ ...first, id: 'other' }])
  expect(bench.last?.counters).toMatchObject({ applied: 1, duplicate: 1 })
  bench.send([change('created', 1, jan(2), { plan: 'pro' })])
  expect(bench.codes()).toEqual(['+conflicting_version'])
})

test('a change without the quantity that its plan needs is refused until an earlier one brings it', () => {
  const bench = new TestBench()
  bench.send([created(), change('amended', 5, jan(3), { plan: 'max' })])
  expect(bench.codes()).toEqual(['+invalid_data'])
  bench.send([change('amended', 3, jan(2), { quantities: { seats: '4' } })])
  expect(bench.codes()).toEqual(['+invalid_data', '-invalid_data'])
  expect(bench.last?.counters).toMatchObject({ applied: 3, dead_lettered: 0 })
})

test('a subscription of another customer is refused', () => {
  const bench = new TestBench()
  const foreign = change('amended', 2, jan(2), { customer_id: 'cus_2' })
  bench.send([created(), { ...foreign, subject: 'cus_2' }])
  expect(bench.codes()).toEqual(['+customer_mismatch'])
})

test('what cannot be read, is misplaced, early, late or of a bad value is a dead letter each', () => {
  const limits = { futureToleranceMs: 300_000, dedupeHorizonMs: 35 * 86_400_000 }
  const elsewhere = ['cus_1', 'cus_2', 'cus_3', 'cus_4'].find(id => partitionOf(id, 2) === 1)!
  const here = ['cus_1', 'cus_2', 'cus_3', 'cus_4'].find(id => partitionOf(id, 2) === 0)!
  const bench = new TestBench(limits, { partitions: 2 })
  bench.send([
    7,
    usage(jan(2), 1, { subject: elsewhere }),
    usage('2026-01-20T00:05:01Z', 1, { subject: here }),
    usage('2025-12-15T00:00:00Z', 1, { subject: here }),
    usage(jan(2), 'many', { subject: here }),
    usage(jan(2), '1.0000000000001', { subject: here }),
    usage(jan(2), -1, { subject: here }),
    usage(jan(2), 1, { subject: here, type: 'weir.nothing' }),
    usage(jan(2), 1, { subject: here, type: 'other' }),
  ])
  expect(bench.codes().sort()).toEqual(
    [
      '+event_time_in_future',
      '+invalid_value',
      '+negative_value',
      '+not_an_object',
      '+older_than_dedupe_horizon',
      '+unknown_event_type',
      '+value_out_of_range',
      '+wrong_partition',
    ].sort(),
  )
  const misplaced = bench.deadLetters.find(({ code }) => code === 'wrong_partition')
  expect(misplaced?.detail).toContain(`Its NATS subject is usage.${elsewhere}.`)
  expect(bench.last?.counters).toMatchObject({ received: 9, dead_lettered: 8, unmetered: 1 })
  expect(conservationGap(bench.last!.counters)).toBe(0)
})

test('a level carries over to the next period, also when it is learnt late', () => {
  const bench = new TestBench()
  const disk = (time: string, gb: number) => usage(time, 0, { type: 'disk', data: { gb } })
  bench.send([created({ plan: 'max', quantities: { seats: '1' } })])
  bench.send([disk('2026-02-15T00:00:00Z', 10)])
  expect(bench.owed('2026-02-20T00:00:00Z')).toHaveProperty('disk 2026-02-01', '5')
  bench.send([disk('2026-01-01T00:00:00Z', 2)])
  // February: 2 for its first half, 10 for its second.
  expect(bench.owed('2026-02-20T00:00:00Z')).toMatchObject({ 'disk 2026-01-01': '2', 'disk 2026-02-01': '6' })
  expect(bench.sum()).toBe('8')
})

test('a core restored from its snapshot and deltas goes on as if nothing had happened', () => {
  const steady = new TestBench()
  const restarted = new TestBench()
  let snapshot = restarted.core.snapshot()
  let deltas: Uint8Array[] = []
  const event = usage(jan(10), 4)
  const steps: unknown[][] = [
    [usage(jan(2), 3), event],
    [created()],
    [event, usage(jan(11), 1), change('suspended', 2, jan(15)), usage(jan(16), 1)],
    [change('amended', 3, jan(5), { plan: 'max', quantities: { seats: '2' } })],
    [usage(jan(12), 5)],
    [change('resumed', 4, jan(16))],
  ]
  steps.forEach((events, index) => {
    const one = steady.send(events)
    const other = restarted.send(events)
    expect(other.outputs).toEqual(one.outputs)
    expect(other.historyRequests).toEqual(one.historyRequests)
    deltas.push(other.delta)
    if (index % 3 === 1) {
      snapshot = restarted.core.snapshot()
      deltas = []
    }
    restarted.core = PartitionCore.restore(restarted.config, snapshot, deltas, restarted.tap())
  })
  steady.answer()
  restarted.answer()
  const { delta, ...rest } = restarted.last!
  const { delta: steadyDelta, ...steadyRest } = steady.last!
  expect(rest).toEqual(steadyRest)
  expect(withoutPacked(delta)).toEqual(withoutPacked(steadyDelta))
  expect(recordsOf(restarted)).toEqual(recordsOf(steady))
  expect(restarted.owed('2026-02-20T00:00:00Z')).toEqual(steady.owed('2026-02-20T00:00:00Z'))
})

/** A delta without the records whose bytes depend on the texts that the core has seen lately. */
function withoutPacked(delta: Uint8Array): unknown {
  const { maps, ...rest } = deserialize(delta) as { maps: Record<string, object> }
  const others = Object.entries(maps).filter(([, map]) => !('packed' in map))
  return { ...rest, maps: Object.fromEntries(others) }
}

function recordsOf({ core, config }: TestBench): unknown {
  const { maps } = PartitionState.restore(config.limits.dedupeHorizonMs, core.snapshot(), [])
  return [[...maps.customers.entries()], [...maps.subscriptions.entries()]]
}

test('outputs are cut to size and keep every row', () => {
  const bench = new TestBench({ outputChunkBytes: 20_000, outputChunkRows: 100 })
  const many = Array.from({ length: 150 }, () => usage(jan(2), 1, { correlationid: 'x'.repeat(200) }))
  const { outputs } = bench.send([created(), ...many])
  const rated = outputs.filter(one => one.table === 'rated_usage')
  expect(rated.reduce((sum, one) => sum + one.rows, 0)).toBe(300)
  expect(Math.max(...outputs.map(one => one.bytes.byteLength))).toBeLessThanOrEqual(20_000)
})

test('MRR movements add up, also after a change learnt late', () => {
  const bench = new TestBench()
  bench.send([created()])
  bench.send([change('cancelled', 4, jan(20))])
  bench.send([change('amended', 2, jan(5), { plan: 'max', quantities: { seats: '7' } })])
  const upTo = (day: number) =>
    bench.movements
      .filter(row => row.effectiveAtNs <= nsOf(Date.parse(jan(day))))
      .reduce((sum, row) => sum + row.amount, 0n) / 1_000_000_000_000n
  expect([upTo(4), upTo(5), upTo(19), upTo(20)]).toEqual([30n, 70n, 70n, 0n])
})

test('a dead letter holds the digits of a number as they were sent, and sent again it is the same event', () => {
  const bench = new TestBench()
  const digits = '{"tokens":1234567890123456.7890000000001,"order":9007199254740993,"tiny":1e-999999999}'
  const parsed = parseJson(digits)
  const event = { ...usage(jan(2), 0), data: parsed.kind === 'ok' ? parsed.value : undefined }
  bench.send([created(), event])
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  const payload = bench.deadLetters[0]?.payload ?? ''
  expect(payload).toContain(digits)
  const again = parseJson(payload)
  bench.send([again.kind === 'ok' ? again.value : undefined])
  expect(bench.last?.counters).toMatchObject({ received: 3, duplicate: 1, conflicting: 0 })
})

test('a personal field in the clear makes a dead letter without its payload, and takes no identity', () => {
  const personalFields = [{ eventType: '*', path: ['user', 'email'], kind: 'sealed' as const }]
  const bench = new TestBench({ personalFields })
  const sealed = `pd1.1.${'x'.repeat(22)}`
  const event = (email: string) => ({ ...usage(jan(2), 3), data: { tokens: 3, user: { email } } })
  bench.send([created(), event('ann@example.com'), { ...event('bob@example.com'), time: 'broken' }])
  expect(bench.codes()).toEqual(['+personal_data_in_clear', '+invalid_time'])
  expect(bench.deadLetters.map(({ payload }) => payload)).toEqual(['', ''])
  bench.send([event(sealed)])
  expect(bench.last?.counters).toMatchObject({ dead_lettered: 2, rated: 1, conflicting: 0 })
})

test('a whole card number in the reason of a change is masked', () => {
  const bench = new TestBench()
  const cancelled = change('cancelled', 1, jan(2), { reason: 'card 4111111111111111' })
  bench.send([created(), { ...cancelled, data: { ...(cancelled['data'] as object), surprise: 1 } }])
  expect(bench.deadLetters[0]?.payload).toContain('card 411111******1111')
})
