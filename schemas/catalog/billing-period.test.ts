// Tests periods: equal ones are equal texts, written ones are read back, and what is no period is refused with its place.

import { expect, test } from 'vitest'
import { type BillingPeriod, longestDays, periodStep } from './billing-period.js'
import { catalogToWire, parseCatalog, parsePrice } from './catalog-parser.js'

function read(period: string, price = ''): { period: BillingPeriod; wire: unknown } | string[] {
  const text = `plans:
  - plan: p
    version: 1
    currency: USD
    billing_period: ${period}
    prices: [{ price: b, kind: recurring, amount: "1", per: subscription, timing: in_advance${price} }]`
  const parsed = parseCatalog(text, 'c.yaml')
  if (parsed.kind === 'invalid')
    return parsed.problems.map(({ line, code, path }) => `${line} ${code} ${path}`)
  const [plan] = parsed.catalog.plans
  return { period: plan!.billingPeriod, wire: catalogToWire(parsed.catalog).plans[0]!['billing_period'] }
}

test.each([
  ['month', 'month', 'month'],
  ['{ count: 1, unit: month }', 'month', 'month'],
  ['{ count: 3, unit: month }', 'quarter', 'quarter'],
  ['{ count: 1, unit: quarter }', 'quarter', 'quarter'],
  ['{ count: 12, unit: month }', 'year', 'year'],
  ['{ count: 4, unit: quarter }', 'year', 'year'],
  ['{ count: 2, unit: quarter }', '6 month', { count: 6, unit: 'month' }],
  ['{ count: 24, unit: month }', '2 year', { count: 2, unit: 'year' }],
  ['{ count: 2, unit: week }', '2 week', { count: 2, unit: 'week' }],
  ['{ count: 7, unit: day }', '7 day', { count: 7, unit: 'day' }],
  ['{ count: "30", unit: day }', '30 day', { count: 30, unit: 'day' }],
])('%s is %s', (written, period, wire) => {
  expect(read(written)).toEqual({ period, wire })
  expect(read(JSON.stringify(wire))).toEqual({ period, wire })
})

test('a period that is none, of 0, or of more than a hundred years is refused where it stands', () => {
  expect(read('fortnight')).toEqual(['5 invalid_value /plans/0/billing_period'])
  expect(read('3')).toEqual(['5 invalid_value /plans/0/billing_period'])
  expect(read('{ count: 0, unit: month }')).toEqual(['5 invalid_value /plans/0/billing_period/count'])
  expect(read('{ count: 1.5, unit: month }')).toEqual(['5 invalid_value /plans/0/billing_period/count'])
  expect(read('{ count: 101, unit: year }')).toEqual(['5 invalid_value /plans/0/billing_period/count'])
  expect(read('{ count: 36501, unit: day }')).toEqual(['5 invalid_value /plans/0/billing_period/count'])
  expect(read('{ count: 2, unit: fortnight }')).toEqual(['5 invalid_value /plans/0/billing_period/unit'])
  expect(read('{ unit: month }')).toEqual(['5 missing_field /plans/0/billing_period'])
  expect(read('{ count: 2, units: month }')).toEqual([
    '5 missing_field /plans/0/billing_period',
    '5 unknown_key /plans/0/billing_period/units',
  ])
})

test('a price may have a period of its own, also in an override', () => {
  const price = { price: 'b', kind: 'recurring', amount: '1', per: 'subscription', timing: 'in_advance' }
  expect(read('month', ', billing_period: { count: 2, unit: week }')).toMatchObject({ period: 'month' })
  expect(parsePrice({ ...price, billing_period: { count: 12, unit: 'month' } })).toMatchObject({
    kind: 'ok',
    value: { billingPeriod: 'year' },
  })
  expect(parsePrice({ ...price, billing_period: 'decade' })).toMatchObject({
    kind: 'rejected',
    rejection: { code: 'invalid_catalog', pointer: '/billing_period' },
  })
})

test('a period has steps of one unit, and at least as many days as its longest', () => {
  const periods: BillingPeriod[] = ['day', '2 week', 'month', 'quarter', '6 month', 'year', '2 year']
  expect(periods.map(periodStep)).toEqual([
    { unit: 'day', count: 1 },
    { unit: 'week', count: 2 },
    { unit: 'month', count: 1 },
    { unit: 'month', count: 3 },
    { unit: 'month', count: 6 },
    { unit: 'month', count: 12 },
    { unit: 'month', count: 24 },
  ])
  expect(periods.map(longestDays)).toEqual([1, 14, 31, 93, 186, 366, 732])
})
