// A change whose prices would come to more than 38 digits is refused alone: by a price, the MRR of the subscription, what is
// owed without usage, or the customer's total. Nothing that cannot be read is ever written.

import { expect, test } from 'vitest'
import { chargeFromWire, chargeToWire } from '../../schemas/billing/charge.js'
import { conservationGap } from '../../schemas/event/dispositions.js'
import { formatScaled, scaledMax } from '../../schemas/money/decimal.js'
import { nsOf } from '../../schemas/time.js'
import { change, created, TestBench, usage } from '../testing/core-fixture.js'

const nines = '9'.repeat(26)
const ninety = `9${'0'.repeat(25)}`
const feb = nsOf(Date.UTC(2026, 1, 2))
const jan = (day: number) => `2026-01-${String(day).padStart(2, '0')}T00:00:00Z`
const recurring = (amount: string, more: object = {}) => ({
  price_overrides: [
    { price: 'base', kind: 'recurring', amount, per: 'subscription', timing: 'in_advance', ...more },
  ],
})
const usagePrice = (more: object) => ({
  price_overrides: [
    { price: 'tokens', kind: 'usage', meter: 'tokens', model: 'per_unit', unit_amount: '1', ...more },
  ],
})

const fits = (figure: bigint) => -scaledMax <= figure && figure <= scaledMax

function expectReadable(bench: TestBench): void {
  for (const charge of bench.core.charges(feb)) expect(chargeFromWire(chargeToWire(charge)).kind).toBe('ok')
  for (const { amount, mrrBefore, mrrAfter } of bench.movements) {
    for (const figure of [amount, mrrBefore, mrrAfter]) expect(fits(figure)).toBe(true)
  }
  expect(conservationGap(bench.core.counters())).toBe(0)
}

test('the largest recurring price is taken, charged and counted to the last digit', () => {
  const bench = new TestBench()
  bench.send([created(recurring(`${nines}.99`)), usage(jan(2), 1)])
  expect(bench.codes()).toEqual([])
  expectReadable(bench)
  expect(bench.movements.map(one => formatScaled(one.mrrAfter))).toEqual([`${nines}.99`])
})

test.each([
  ['an amount that is paid with 27 digits', recurring(`${nines}.995`)],
  ['an amount with 12 places that is paid with 27 digits', recurring(`${nines}.${'9'.repeat(12)}`)],
  ['quantity x amount', { plan: 'max', quantities: { seats: ninety } }],
  [
    'quantity x amount, both of 26 digits',
    { ...recurring(nines, { per: 'unit' }), quantities: { base: nines } },
  ],
  ['a minimum that is paid with 27 digits', usagePrice({ minimum: `${nines}.999` })],
  [
    'a flat amount that is paid with 27 digits',
    usagePrice({
      model: 'graduated',
      unit_amount: undefined,
      tiers: [{ up_to: null, unit_amount: '0', flat_amount: `${nines}.999` }],
    }),
  ],
  [
    'an MRR of two prices',
    {
      price_overrides: ['a', 'b'].map((_, n) => ({
        ...recurring(ninety).price_overrides[0],
        price: n === 0 ? 'base' : 'seats',
      })),
    },
  ],
])('a change that would make %s is refused, and the one after it is taken', (_, data) => {
  const bench = new TestBench()
  bench.send([
    created(),
    usage(jan(2), 4),
    change('amended', 2, jan(3), data),
    change('amended', 3, jan(4), recurring('7')),
  ])
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  expectReadable(bench)
  expect(bench.last?.counters).toMatchObject({ received: 4, applied: 2, rated: 1, dead_lettered: 1 })
  expect(formatScaled(bench.movements.at(-1)!.mrrAfter)).toBe('7')
})

const second = (kind: string, sequence: number, data: object, id = 's2') =>
  change(kind, sequence, jan(1), { plan: 'pro', ...data, subscription_id: id })

test('a subscription that brings the total of its customer beyond is refused, together or one by one', () => {
  for (const isTogether of [true, false]) {
    const bench = new TestBench()
    const events = [
      created(recurring(ninety)),
      second('created', 1, recurring(ninety)),
      second('created', 1, recurring('5'), 's3'),
    ]
    for (const batch of isTogether ? [events] : events.map(one => [one])) bench.send(batch)
    expect(bench.codes()).toEqual(['+value_out_of_range'])
    expectReadable(bench)
    expect(bench.last?.counters).toBeDefined()
    expect(bench.core.counters()).toMatchObject({ applied: 2, dead_lettered: 1 })
  }
})

test('what the total refused leaves the next changes of its subscription alone, and is taken when there is room', () => {
  const bench = new TestBench()
  bench.send([created(recurring(ninety)), second('created', 1, recurring('5'))])
  bench.send([second('amended', 2, recurring(ninety))])
  bench.send([second('amended', 3, { entity_id: 'x' })])
  expect(bench.codes()).toEqual(['+value_out_of_range'])
  bench.send([change('amended', 2, jan(1), recurring('1'))])
  bench.send([second('amended', 4, { entity_id: 'y' })])
  expect(bench.codes()).toEqual(['+value_out_of_range', '-value_out_of_range'])
  expectReadable(bench)
})

test('a change that waits for its plan version does not stop the partition of a customer with large prices', () => {
  const bench = new TestBench()
  bench.send([created({ ...recurring(ninety), subscription_id: 'sub_2' })])
  bench.send([created(), change('amended', 2, jan(1), { plan_version: 2 })])
  expect(bench.core.counters()).toMatchObject({ applied: 2, parked: 1 })
  expectReadable(bench)
})
