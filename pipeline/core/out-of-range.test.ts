// What must become of an event whose amount, or whose charge, would have more than 38 digits, 26 of them before the point,
// also when it is rounded to be paid: `value_out_of_range`, never a row, a charge or a sealed line that nobody can read.

import { expect, test } from 'vitest'
import { chargeFromWire, chargeToWire } from '../../schemas/billing/charge.js'
import { conservationGap } from '../../schemas/event/dispositions.js'
import { scaledMax } from '../../schemas/money/decimal.js'
import { nsOf } from '../../schemas/time.js'
import { change, created, TestBench, usage } from '../testing/core-fixture.js'

const jan = (day: number) => `2026-01-${String(day).padStart(2, '0')}T00:00:00Z`
const atUnitAmount = (unitAmount: string) => ({
  price_overrides: [
    { price: 'tokens', kind: 'usage', meter: 'tokens', model: 'per_unit', unit_amount: unitAmount },
  ],
})
const ninety = `9${'0'.repeat(25)}`

/** Whatever was written, or is owed, is held by a column. */
function expectAllInRange(bench: TestBench): void {
  for (const row of bench.rated) {
    expect(fits(row.quantity), `quantity of ${row.eventId}`).toBe(true)
    expect(fits(row.amount), `amount of ${row.eventId}`).toBe(true)
  }
  for (const charge of bench.core.charges(nsOf(Date.parse('2026-02-02T00:00:00Z')))) {
    expect(fits(charge.quantity), `quantity of ${charge.price}`).toBe(true)
    expect(fits(charge.amount), `amount of ${charge.price}`).toBe(true)
    expect(chargeFromWire(chargeToWire(charge)).kind, `line of ${charge.price}`).toBe('ok')
  }
  expect(conservationGap(bench.core.counters())).toBe(0)
}

function fits(value: bigint): boolean {
  return -scaledMax <= value && value <= scaledMax
}

const store = (time: string, gb: string) => usage(time, 0, { type: 'store', data: { gb } })
const atStore = (unitAmount: string) => ({
  price_overrides: [
    { price: 'store', kind: 'usage', meter: 'stored', model: 'per_unit', unit_amount: unitAmount },
  ],
})
const four = `4${'0'.repeat(25)}`

test('an event that would bring a level beyond what a later price can charge is a dead letter', () => {
  const bench = new TestBench()
  bench.send([created(atStore('1')), change('amended', 2, '2026-01-16T00:00:00Z', atStore('10'))])
  bench.send([store(jan(2), four), store(jan(3), '3')])
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  expect(bench.last?.counters).toMatchObject({ rated: 1, dead_lettered: 1 })
})

test('a later price that cannot charge a level turns what made it into dead letters, and a lower one frees it', () => {
  const bench = new TestBench()
  bench.send([created(atStore('1')), store(jan(2), '3'), store(jan(3), four)])
  expect(bench.codes()).toEqual([])
  bench.send([change('amended', 2, '2026-01-16T00:00:00Z', atStore('10'))])
  bench.answer()
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  bench.send([change('amended', 3, '2026-01-16T00:00:00Z', atStore('1'))])
  bench.answer()
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range', '-value_out_of_range'])
})

test('events of many periods that bring a level beyond a column are dead letters', () => {
  const bench = new TestBench()
  const times = ['2026-01-02', '2026-02-02', '2026-03-02'].map(day => `${day}T00:00:00Z`)
  bench.send([created(atStore('1')), ...times.map(time => store(time, four))])
  expectAllInRange(bench)
  expect(bench.last?.counters).toMatchObject({ rated: 2, dead_lettered: 1 })
})

test('the largest amount that can be paid is rated to the last digit', () => {
  const bench = new TestBench()
  const most = `${'9'.repeat(26)}.${'9'.repeat(2)}4${'9'.repeat(9)}`
  bench.send([created(atUnitAmount('1')), usage(jan(2), most)])
  expect(bench.sum()).toBe(most)
  expectAllInRange(bench)
})

test('an amount that would be paid with 27 digits is refused, though it has fewer itself', () => {
  for (const value of [`${'9'.repeat(26)}.995`, `${'9'.repeat(26)}.${'9'.repeat(12)}`]) {
    const bench = new TestBench()
    bench.send([created(atUnitAmount('1')), usage(jan(2), value), usage(jan(3), 2)])
    expectAllInRange(bench)
    expect(bench.codes()).toEqual(['+value_out_of_range'])
    expect(bench.sum()).toBe('2')
  }
})

test('between 10^26 and 128 bits nothing is kept: neither a value of one price nor the sum of two', () => {
  const bench = new TestBench()
  bench.send([created(atUnitAmount('1.2')), usage(jan(2), ninety), usage(jan(3), 1)])
  bench.send([usage(jan(4), `8${'0'.repeat(25)}`), usage(jan(5), `1${'0'.repeat(25)}`)])
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range', '+value_out_of_range'])
})

const models: readonly (readonly [string, object, readonly unknown[]])[] = [
  [
    'tiers',
    {
      model: 'graduated',
      tiers: [
        { up_to: 1, unit_amount: '1', flat_amount: ninety },
        { up_to: null, unit_amount: '1', flat_amount: ninety },
      ],
    },
    [1, 2],
  ],
  ['packages', { model: 'package', package_size: '10', package_amount: `6${'0'.repeat(25)}` }, [1, 10]],
  ['volume', { model: 'volume', tiers: [{ up_to: null, unit_amount: '2' }] }, [1, `6${'0'.repeat(25)}`]],
  ['a fee per event', { model: 'percentage', rate: '1', fixed_amount: `6${'0'.repeat(25)}` }, [1, 1]],
  ['a per cent', { model: 'percentage', rate: '200' }, [1, `6${'0'.repeat(25)}`]],
]

test.each(models)(
  'what brings a charge by %s beyond 26 digits is refused, and nothing beside it',
  (_, model, values) => {
    const bench = new TestBench()
    const price = { price: 'tokens', kind: 'usage', meter: 'tokens', ...model }
    bench.send([created({ price_overrides: [price] }), ...values.map((value, n) => usage(jan(2 + n), value))])
    expectAllInRange(bench)
    expect(bench.codes()).toEqual(['+value_out_of_range'])
    expect(bench.last?.counters).toMatchObject({ rated: 1, dead_lettered: 1 })
  },
)

test('an event whose amount does not fit into a column is a dead letter alone', () => {
  const bench = new TestBench()
  bench.send([created(atUnitAmount('10000')), usage(jan(2), 1), usage(jan(3), ninety), usage(jan(4), 2)])
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  expect(bench.sum()).toBe('30000')
  expect(bench.last?.counters).toMatchObject({ received: 4, rated: 2, dead_lettered: 1 })
})

test('an event that would bring the quantity of a charge beyond a column is a dead letter', () => {
  const bench = new TestBench()
  bench.send([created(atUnitAmount('0')), usage(jan(2), ninety), usage(jan(3), ninety), usage(jan(4), 2)])
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  expect(bench.last?.counters).toMatchObject({ received: 4, rated: 2, dead_lettered: 1 })
})

test('an event that would bring the amount of a charge beyond a column is a dead letter', () => {
  const bench = new TestBench()
  bench.send([created(atUnitAmount('9')), usage(jan(2), 9.9e24), usage(jan(3), 9.9e24), usage(jan(4), 2)])
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  expect(bench.sum()).toBe(`891${'0'.repeat(21)}18`)
})

test('a price that is raised back in time turns what no longer fits into dead letters, and lowered frees it', () => {
  const bench = new TestBench()
  bench.send([created(atUnitAmount('1')), usage(jan(2), ninety), usage(jan(3), 1)])
  expect(bench.codes()).toEqual([])
  bench.send([change('amended', 2, jan(1), atUnitAmount('10000'))])
  bench.answer()
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  expect(bench.sum()).toBe('10000')
  bench.send([change('amended', 3, jan(1), atUnitAmount('1'))])
  bench.answer()
  expect(bench.codes()).toEqual(['+value_out_of_range', '-value_out_of_range'])
  expect(bench.sum()).toBe(`9${'0'.repeat(24)}1`)
})

test('a price that is raised back in time refuses what brings the charge beyond a column, and no more', () => {
  const bench = new TestBench()
  const thirty = `3${'0'.repeat(25)}`
  bench.send([created(atUnitAmount('1')), usage(jan(2), thirty), usage(jan(3), thirty), usage(jan(4), 1)])
  bench.send([change('amended', 2, jan(1), atUnitAmount('3'))])
  bench.answer()
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  expect(bench.sum()).toBe(`9${'0'.repeat(24)}3`)
  bench.send([usage(jan(5), 1), change('amended', 3, jan(1), atUnitAmount('1'))])
  bench.answer()
  expectAllInRange(bench)
  expect(bench.codes()).toEqual(['+value_out_of_range', '-value_out_of_range'])
  expect(bench.sum()).toBe(`6${'0'.repeat(24)}2`)
})
