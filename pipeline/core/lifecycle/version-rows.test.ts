// What a row of `subscription_versions` says, and what becomes of a change whose price nobody has yet.

import { expect, test } from 'vitest'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { change, created, TestBench, usage } from '../../testing/core-fixture.js'

const price = (amount: string) => ({
  price: 'base',
  kind: 'recurring',
  amount,
  per: 'subscription',
  timing: 'in_advance',
})

function published(plan: string, currency: string, prices: readonly object[]): Record<string, unknown> {
  const plans = [{ plan, version: 1, currency, billing_period: 'month', prices }]
  return usage('2026-01-01T00:00:00Z', 0, { type: 'weir.catalog.published', data: { catalog: { plans } } })
}

const euro = published('euro', 'EUR', [price('40')])
const yen = published('yen', 'JPY', [])

/** The newest row of each sequence, as `sequence plan mrr currency`. */
function versions(bench: TestBench): string[] {
  const rows = new Map(bench.versions.map(row => [row.sequence, row]))
  return [...rows.values()]
    .sort((a, b) => a.sequence - b.sequence)
    .map(({ sequence, plan, mrr, currency }) => `${sequence} ${plan} ${formatScaled(mrr)} ${currency}`)
}

test('after a change to a plan of another currency a version has the MRR and the currency of its own plan', () => {
  const bench = new TestBench()
  const back = change('amended', 3, '2026-03-01T00:00:00Z', { plan: 'pro' })
  bench.send([euro, created(), change('amended', 2, '2026-02-01T00:00:00Z', { plan: 'euro' }), back])
  expect(versions(bench)).toEqual(['1 pro 30 USD', '2 euro 40 EUR', '3 pro 30 USD'])
})

test('a version of a plan without recurring prices has no MRR, in the currency of that plan', () => {
  const bench = new TestBench()
  bench.send([yen, created(), change('amended', 2, '2026-02-01T00:00:00Z', { plan: 'yen' })])
  expect(versions(bench)).toEqual(['1 pro 30 USD', '2 yen 0 JPY'])
})

test('in a suspension, a trial and after the end the currency is that of the plan all the same', () => {
  const bench = new TestBench()
  bench.send([
    euro,
    created({ trial_until: '2026-01-15T00:00:00Z' }),
    change('amended', 2, '2026-02-01T00:00:00Z', { plan: 'euro' }),
    change('suspended', 3, '2026-03-01T00:00:00Z'),
    change('resumed', 4, '2026-04-01T00:00:00Z'),
    change('cancelled', 5, '2026-05-01T00:00:00Z'),
  ])
  expect(versions(bench)).toEqual([
    '1 pro 0 USD',
    '2 euro 40 EUR',
    '3 euro 0 EUR',
    '4 euro 40 EUR',
    '5 euro 0 EUR',
  ])
})

test('a back-dated change of currency restates the versions after it', () => {
  const bench = new TestBench()
  bench.send([euro, created(), change('amended', 3, '2026-03-01T00:00:00Z', { entity_id: 'de' })])
  bench.send([change('amended', 2, '2026-02-01T00:00:00Z', { plan: 'euro' })])
  expect(versions(bench)).toEqual(['1 pro 30 USD', '2 euro 40 EUR', '3 euro 40 EUR'])
})

test('a version tells its notices, its default quantities, and what is yours', () => {
  const bench = new TestBench()
  const seats = {
    price: 'seats',
    kind: 'recurring',
    amount: '5',
    per: 'unit',
    default_quantity: '2',
    timing: 'in_arrears',
  }
  const data = { plan: 'team', quantities: { disk: '1' }, metadata: { owner: 'ann' }, po_number: '4711' }
  bench.send([published('team', 'USD', [seats]), created(data)])
  expect(bench.versions.at(-1)).toMatchObject({ poNumber: '4711', metadata: '{"owner":"ann"}' })
  expect(bench.versions.at(-1)?.quantities).toEqual(
    new Map([
      ['disk', '1'],
      ['seats', '2'],
    ]),
  )
  const [[pointer, text] = []] = bench.versions.at(-1)?.notices ?? []
  expect(pointer).toBe('/data/quantities/disk')
  expect(text).toContain('takes effect when a plan in force has it')
  expect(bench.core.notices()).toMatchObject([{ source: 'crm', code: 'price_not_in_plan', pointer }])
})

test('a quantity that is set before anything is in force has no notice when the plan that comes has its price', () => {
  const bench = new TestBench()
  const early = change('amended', 2, '2025-12-01T00:00:00Z', { quantities: { seats: '2' } })
  bench.send([early, created({ plan: 'max', quantities: { seats: '1' } })])
  expect(bench.versions.map(row => [row.sequence, row.notices?.size])).toEqual([
    [1, 0],
    [2, 0],
  ])
  expect(bench.core.notices()).toEqual([])
  // In the gap after a cancellation, too; and of a plan that comes and lacks it, it is told.
  const gap = { quantities: { seats: '3' } }
  bench.send([
    change('cancelled', 3, '2026-02-01T00:00:00Z'),
    change('amended', 4, '2026-02-10T00:00:00Z', gap),
    change('resumed', 5, '2026-03-01T00:00:00Z'),
  ])
  expect(bench.core.notices()).toEqual([])
  bench.send([change('amended', 6, '2026-03-01T00:00:00Z', { plan: 'pro' })])
  const { eventId, notices } = bench.versions.findLast(row => row.sequence === 4)!
  expect([...notices!.keys()]).toEqual(['/data/quantities/seats'])
  expect(bench.core.notices().map(({ id }) => id)).toEqual([eventId])
})

test('a quantity or override of a price that no plan has is refused, and freed when one is published', () => {
  const bench = new TestBench()
  bench.send([created(), change('amended', 2, '2026-01-10T00:00:00Z', { quantities: { seets: '1' } })])
  expect(bench.codes()).toEqual(['+invalid_data'])
  expect(bench.deadLetters[0]?.detail).toContain('seats. (/data/quantities/seets)')
  const override = {
    price: 'wide',
    kind: 'recurring',
    amount: '7',
    per: 'subscription',
    timing: 'in_advance',
  }
  bench.send([change('amended', 3, '2026-01-10T00:00:00Z', { price_overrides: [override] })])
  expect(bench.deadLetters.at(-1)?.detail).toContain('/data/price_overrides/0/price')
  const seets = { price: 'seets', kind: 'recurring', amount: '5', per: 'unit', timing: 'in_arrears' }
  bench.send([published('team', 'USD', [seets, { ...override, amount: '1' }])])
  expect(bench.codes()).toEqual(['+invalid_data', '+invalid_data', '-invalid_data', '-invalid_data'])
  expect(bench.core.counters()).toMatchObject({ applied: 4, dead_lettered: 0 })
  expect(versions(bench).at(-1)).toBe('3 pro 37 USD')
})
