// Fees and credits that no plan names, through billing runs, restarts and time: what is billed, credited, kept and given up.

import { deserialize, serialize } from 'node:v8'
import { beforeEach, expect, test } from 'vitest'
import { parseInstant } from '../../../schemas/time.js'
import { arrivalMs, created, TestBench, type TestEvent, usage } from '../../testing/core-fixture.js'
import { PartitionCore } from '../core.js'
import { PartitionState } from '../state/partition-state.js'

const dayMs = 86_400_000
let bench: TestBench
beforeEach(() => {
  bench = new TestBench()
})

function ours(type: string, data: TestEvent, id: string, more: TestEvent = {}): TestEvent {
  return usage('2026-01-05T00:00:00Z', 0, {
    type,
    id,
    source: 'crm',
    data: { customer_id: 'cus_1', ...data },
    ...more,
  })
}

const fee = (data: TestEvent = {}, id = 'fee-1') =>
  ours(
    'weir.charge.added',
    { charge: 'training', amount: '50', currency: 'USD', effective_from: '2026-01-10T00:00:00Z', ...data },
    id,
  )
const cancel = (of = 'fee-1', id = `cancel-${of}`) =>
  ours('weir.charge.cancelled', { event_source: 'crm', event_id: of }, id)
const ofEntity = (entity: string, time: string) =>
  ours('weir.customer.upserted', { entity_id: entity }, `upsert-${time}`, { time })

/** The lines of a run: kind, price, amount, entity. */
function run(id: string, cutoff = '2026-02-01T00:00:00Z', entityId?: string): string[] {
  const before = bench.charges.length
  const order = {
    billingRunId: id,
    cutoffNs: parseInstant(cutoff)!,
    ...(entityId === undefined ? {} : { entityId }),
  }
  bench.send([], arrivalMs, [order])
  return bench.charges
    .slice(before)
    .filter(line => line.price === 'training')
    .map(line => `${line.kind} ${line.amount / 10n ** 12n} ${line.entityId}`.trim())
}

test('a fee is billed once, also of a customer who has no subscription, and credited when it is cancelled after', () => {
  bench.send([fee()])
  expect(run('r0', '2026-01-09T23:59:59Z')).toEqual([])
  expect(run('r1', '2026-01-10T00:00:00Z')).toEqual(['one_off 50'])
  expect(run('r2')).toEqual([])
  bench.send([cancel()])
  expect(run('r3')).toEqual(['adjustment -50'])
  expect(bench.charges.at(-1)!.corrects).toBe(bench.charges[0]!.chargeId)
  expect(run('r4')).toEqual([])
})

test('a fee that is cancelled before a run is on none', () => {
  bench.send([cancel(), fee()])
  expect(run('r1')).toEqual([])
  expect(bench.core.counters()).toMatchObject({ applied: 2, parked: 0 })
})

test('a credit is a line below 0', () => {
  bench.send([fee({ kind: 'credit' })])
  expect(run('r1')).toEqual(['credit -50'])
  expect(bench.charges[0]!.quantity).toBe(-(10n ** 12n))
})

test('the entity is that of the subscription, else that of the customer, the latest told; what was billed stays', () => {
  bench.send([created({ entity_id: 'de' }), ofEntity('us', '2026-01-02T00:00:00Z')])
  bench.send([fee({ subscription_id: 'sub_1' }), fee({}, 'fee-2')])
  bench.send([ofEntity('fr', '2026-01-01T00:00:00Z')])
  expect(run('r1', '2026-02-01T00:00:00Z', 'de')).toEqual(['one_off 50 de'])
  expect(run('r2', '2026-02-01T00:00:00Z', 'us')).toEqual(['one_off 50 us'])
  bench.send([ofEntity('fr', '2026-01-03T00:00:00Z')])
  expect(run('r3')).toEqual([])
  bench.send([cancel('fee-2')])
  expect(run('r4')).toEqual(['adjustment -50 us'])
})

test('a fee of a subscription that never comes is given up after a while, and may be sent again', () => {
  bench = new TestBench({ parkedTtlMs: 7 * dayMs })
  bench.send([fee({ subscription_id: 'sub_1' })])
  expect(bench.core.counters()).toMatchObject({ parked: 1 })
  bench.send([], arrivalMs + 8 * dayMs)
  expect(bench.core.counters()).toMatchObject({ parked: 0, dead_lettered: 1 })
  expect(bench.codes()).toEqual(['+unknown_subscription'])
  bench.send([fee({ subscription_id: 'sub_1' }), created()], arrivalMs + 8 * dayMs)
  expect(bench.owed('2026-02-01T00:00:00Z')).toMatchObject({ 'training 2026-01-10': '50' })
})

test('a cancellation whose charge never comes becomes a dead letter', () => {
  bench = new TestBench({ dedupeHorizonMs: 35 * dayMs })
  bench.send([cancel()])
  bench.send([], arrivalMs + 37 * dayMs)
  expect(bench.codes()).toEqual(['+unknown_event'])
  expect(bench.core.counters()).toMatchObject({ parked: 0, dead_lettered: 1 })
})

test('a charge sent again is the same one, even when its identity is long forgotten', () => {
  bench = new TestBench({ dedupeHorizonMs: 35 * dayMs })
  bench.send([fee()])
  bench.send([fee(), fee({ amount: '51' })], arrivalMs + 100 * dayMs)
  expect(bench.core.counters()).toMatchObject({ applied: 1, duplicate: 1, conflicting: 1 })
  expect(bench.owed('2026-02-01T00:00:00Z')).toEqual({ 'training 2026-01-10': '50' })
})

test('a restart forgets neither what waits nor what counts', () => {
  bench.send([fee(), fee({ subscription_id: 'sub_1' }, 'fee-2'), cancel('fee-3')])
  bench.core = PartitionCore.restore(bench.config, bench.core.snapshot(), [], bench.tap())
  bench.send([created(), fee({}, 'fee-3')])
  expect(bench.core.counters()).toMatchObject({ applied: 5, parked: 0 })
  expect(run('r1')).toEqual(['one_off 50', 'one_off 50'])
})

test('a state of format 8, which knows no such charges, is read', () => {
  bench.send([created()])
  const state = new PartitionState(Number.POSITIVE_INFINITY)
  const { maps, ...rest } = deserialize(state.takeDelta()) as { maps: Record<string, unknown> }
  const { addedCharges: _, cancelledCharges: __, ...known } = maps
  const older = serialize({ ...rest, maps: known, format: 8 })
  expect(PartitionState.restore(Number.POSITIVE_INFINITY, undefined, [older]).added.parked.size).toBe(0)
})
