// What becomes of usage of a price with `group_by`: rows by group, and the limit of groups, which refuses nothing in silence.

import { expect, test } from 'vitest'
import { conservationGap } from '../../../schemas/event/dispositions.js'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { nsOf } from '../../../schemas/time.js'
import { change, created, TestBench, usage } from '../../testing/core-fixture.js'

const jan = (day: number) => `2026-01-${String(day).padStart(2, '0')}T00:00:00Z`
const grouped = (maxGroups: number, more: object = {}) => ({
  price_overrides: [
    {
      ...{ price: 'tokens', kind: 'usage', meter: 'tokens', model: 'per_unit', unit_amount: '2' },
      ...{ group_by: ['model'], max_groups: maxGroups, ...more },
    },
  ],
})
const of = (model: string, tokens: string, day: number, id: string) =>
  usage(jan(day), 0, { id, data: { tokens, model } })

function owed(bench: TestBench): string[] {
  return bench.core
    .charges(nsOf(Date.parse('2026-01-20T00:00:00Z')))
    .filter(one => one.price === 'tokens')
    .map(one => `${formatScaled(one.quantity)} ${formatScaled(one.amount)}`)
}

test('events of a further group than the charge may have are dead letters, and of known groups they are rated', () => {
  const bench = new TestBench()
  bench.send([created(grouped(2)), of('a', '1', 2, 'a1'), of('b', '2', 3, 'b1'), of('c', '4', 4, 'c1')])
  bench.send([of('a', '8', 5, 'a2'), of('c', '16', 6, 'c2')])
  expect(bench.codes()).toEqual(['+too_many_groups', '+too_many_groups'])
  expect(owed(bench)).toEqual(['11 22'])
  expect(bench.last?.counters).toMatchObject({ rated: 3, dead_lettered: 2 })
  expect(conservationGap(bench.core.counters())).toBe(0)
})

test('a higher limit frees what was refused, and a lower one refuses the groups that came last', () => {
  const bench = new TestBench()
  bench.send([created(grouped(2)), of('a', '1', 2, 'a1'), of('b', '2', 3, 'b1'), of('c', '4', 4, 'c1')])
  bench.send([change('amended', 2, '2026-01-01T00:00:00Z', grouped(3))])
  bench.answer()
  expect(owed(bench)).toEqual(['7 14'])
  bench.send([change('amended', 3, '2026-01-01T00:00:00Z', grouped(1))])
  bench.answer()
  expect(owed(bench)).toEqual(['1 2'])
  expect(bench.last?.counters).toMatchObject({ rated: 1, dead_lettered: 2 })
  expect(conservationGap(bench.core.counters())).toBe(0)
})

test('an override that groups by what its meter lacks, or a level, is refused with the place', () => {
  for (const more of [{ group_by: ['modle'] }, { meter: 'stored', group_by: ['zone'] }]) {
    const bench = new TestBench()
    bench.send([created(grouped(2, more))])
    expect(bench.codes()).toEqual(['+invalid_data'])
  }
})
