// Tests proration: equal rules are equal texts, written ones are read back, and contradictions are refused at their place.

import { expect, test } from 'vitest'
import { catalogToWire, parseCatalogValue, parsePrice, priceToWire } from './catalog-parser.js'

const base = { price: 'b', kind: 'recurring', amount: '1', per: 'subscription', timing: 'in_advance' }
const usage = { price: 'u', kind: 'usage', meter: 'm', model: 'per_unit', unit_amount: '1' }

function ofPlan(proration: unknown): unknown[] {
  const plan = { plan: 'p', version: 1, currency: 'USD', billing_period: 'month', proration, prices: [] }
  const parsed = parseCatalogValue({ plans: [plan] })
  if (parsed.kind === 'invalid') return parsed.problems.map(({ code, path }) => `${code} ${path}`)
  return [parsed.catalog.plans[0]!.proration, catalogToWire(parsed.catalog).plans[0]!['proration']]
}

function ofPrice(price: object): unknown {
  const parsed = parsePrice(price)
  return parsed.kind === 'ok' ? priceToWire(parsed.value) : [parsed.rejection.code, parsed.rejection.pointer]
}

test('of a plan it is read back equal; two equal directions are one rule', () => {
  for (const rule of ['none', 'second', 'day']) {
    expect(ofPlan(rule)).toEqual([rule, rule])
    expect(ofPlan({ on_increase: rule, on_decrease: rule })).toEqual([rule, rule])
  }
  const up = { on_increase: 'second', on_decrease: 'none' }
  expect(ofPlan(up)).toEqual(['second/none', up])
  const down = { on_increase: 'none', on_decrease: 'day' }
  expect(ofPlan(down)).toEqual(['none/day', down])
})

test('what contradicts itself is refused', () => {
  expect(ofPlan({ on_increase: 'second', on_decrease: 'day' })).toEqual([
    'invalid_value /plans/0/proration/on_decrease',
  ])
  expect(ofPlan({ on_increase: 'second' })).toEqual(['missing_field /plans/0/proration'])
  expect(ofPlan({ on_increase: 'day', on_decrease: 'none', on_pause: 'none' })).toEqual([
    'unknown_key /plans/0/proration/on_pause',
  ])
  expect(ofPlan('hour')).toEqual(['invalid_value /plans/0/proration'])
})

test('a price has its own; that of usage has no direction, and none contradicts prorate', () => {
  const up = { on_increase: 'day', on_decrease: 'none' }
  expect(ofPrice({ ...base, proration: up })).toEqual({ ...base, proration: up })
  expect(ofPrice({ ...usage, proration: 'none' })).toEqual({ ...usage, proration: 'none' })
  expect(ofPrice({ ...usage, prorate: true, proration: 'day' })).toMatchObject({ proration: 'day' })
  expect(ofPrice({ ...usage, prorate: true, proration: up })).toEqual(['invalid_catalog', '/proration'])
  expect(ofPrice({ ...usage, prorate: true, proration: 'none' })).toEqual(['invalid_catalog', '/proration'])
  expect(ofPrice({ ...usage, proration: 'day' })).toEqual(['invalid_catalog', '/proration'])
})
