// A cached route ends wherever anything begins or ends that decides where usage goes.

import { expect, test } from 'vitest'
import { change, created, TestBench, usage } from '../../testing/core-fixture.js'

function bench(...changes: readonly Record<string, unknown>[]): TestBench {
  const made = new TestBench()
  made.send([created(), ...changes])
  return made
}

test('usage in a suspension is refused also when a route of the same period is kept', () => {
  const one = bench(
    change('suspended', 2, '2026-01-10T00:00:00Z'),
    change('resumed', 3, '2026-01-15T00:00:00Z'),
  )
  for (const day of ['05', '12', '06', '16']) one.send([usage(`2026-01-${day}T00:00:00Z`, 1)])
  expect(one.codes()).toEqual(['+subscription_suspended'])
  expect(one.core.counters()).toMatchObject({ rated: 3, dead_lettered: 1 })
})

test('a row names the version in force at its time, whatever route is kept', () => {
  const one = bench(change('amended', 2, '2026-01-10T00:00:00Z', { entity_id: 'de' }))
  for (const day of ['05', '12', '06']) one.send([usage(`2026-01-${day}T00:00:00Z`, 1)])
  const rows = one.rated.filter(row => row.price !== '')
  expect(rows.map(row => [row.subscriptionVersion, row.entityId])).toEqual([
    [1, ''],
    [2, 'de'],
    [1, ''],
  ])
})
