// Which correlation id the rows of a commit carry, from the lifecycle event to the sealed line.

import { expect, test } from 'vitest'
import { change, created, TestBench, usage } from '../testing/core-fixture.js'

const seal = (id: string, cutoff: string) => [
  { billingRunId: id, cutoffNs: BigInt(Date.parse(cutoff)) * 1_000_000n },
]
const withId = (event: object, correlationid: string) => ({ ...event, correlationid })

test('versions, movements and sealed charges carry that of their version, usage rows their own', () => {
  const bench = new TestBench()
  bench.send([
    withId(created(), 'quote'),
    withId(usage('2026-01-05T00:00:00Z', 2), 'call'),
    usage('2026-01-06T00:00:00Z', 2),
    change('amended', 2, '2026-02-01T00:00:00Z', { entity_id: 'de' }),
  ])
  bench.send([], Date.parse('2026-02-02T00:00:00Z'), seal('run', '2026-02-02T00:00:00Z'))
  expect(bench.versions.map(row => [row.sequence, row.correlationId])).toEqual([
    [1, 'quote'],
    [2, 'quote'],
  ])
  expect(new Set(bench.movements.map(row => row.correlationId))).toEqual(new Set(['quote']))
  expect(bench.charges.length).toBeGreaterThan(0)
  expect(new Set(bench.charges.map(row => row.correlationId))).toEqual(new Set(['quote']))
  expect(bench.rated.filter(row => row.price === 'tokens').map(row => row.correlationId)).toEqual([
    'call',
    '',
  ])
})

test('a version without an id of its own carries that of its created, whatever was in force before or above it', () => {
  const bench = new TestBench()
  bench.send([
    withId(created(), 'quote'),
    withId(change('amended', 3, '2026-01-05T00:00:00Z', { entity_id: 'de' }), 'move'),
    change('amended', 2, '2026-01-10T00:00:00Z', { entity_id: 'fr' }),
    change('amended', 4, '2025-12-01T00:00:00Z', { trial_until: null }),
    change('cancelled', 5, '2026-02-01T00:00:00Z'),
    change('amended', 6, '2026-02-10T00:00:00Z', { entity_id: 'us' }),
  ])
  const known = new Map(bench.versions.map(row => [row.sequence, row.correlationId]))
  expect([...known].sort(([a], [b]) => a - b)).toEqual([
    [1, 'quote'],
    [2, 'quote'],
    [3, 'move'],
    [4, 'quote'],
    [5, 'quote'],
    [6, 'quote'],
  ])
  expect(bench.movements.at(-1)).toMatchObject({ kind: 'churn', correlationId: 'quote' })
})

test('a dead letter carries that of its event, usage or ours', () => {
  const bench = new TestBench()
  bench.send([
    withId(usage('2026-01-05T00:00:00Z', 'much'), 'bad-usage'),
    withId(created({ plan: 5 }), 'bad-change'),
    withId(created({ nonsense: 1 }), 'bad-field'),
  ])
  expect(bench.deadLetters.map(row => row.correlationId)).toEqual(['bad-change', 'bad-field', 'bad-usage'])
})

test('a movement that a late change attributes to another event is stated anew under that one', () => {
  const bench = new TestBench()
  bench.send([withId(created(), 'quote'), change('cancelled', 2, '2026-03-01T00:00:00Z')])
  bench.send([withId(change('amended', 3, '2026-02-01T00:00:00Z', { entity_id: 'de' }), 'move')])
  const sums = new Map<string, bigint>()
  for (const { correlationId, amount } of bench.movements) {
    sums.set(correlationId, (sums.get(correlationId) ?? 0n) + amount)
  }
  expect(sums).toEqual(
    new Map([
      ['quote', 30_000000000000n],
      ['move', -30_000000000000n],
    ]),
  )
})
