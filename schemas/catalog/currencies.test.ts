// Further currencies of a price as a catalog writes them: read, written back equal, and refused where they make no sense.

import { describe, expect, it } from 'vitest'
import { parseCatalog, parseCatalogValue, parsePrice } from './catalog-parser.js'
import { planToWire } from './catalog-plan.js'
import { catalogSchema } from './catalog-schema.js'

const base = { price: 'base', kind: 'recurring', amount: '10', per: 'subscription', timing: 'in_advance' }
const inEuro = { ...base, currencies: { EUR: { amount: '9.5' } } }
const meters = [
  { meter: 'calls', event_type: 'call', aggregation: 'count', filters: {}, dimensions: ['model'] },
]
const calls = { price: 'calls', kind: 'usage', meter: 'calls' }

function catalogOf(prices: readonly object[], more: Readonly<Record<string, unknown>> = {}) {
  const plan = { plan: 'pro', version: 1, currency: 'USD', billing_period: 'month', proration: 'second' }
  return { meters, plans: [{ ...plan, rounding: 'half_up', prices, ...more }] }
}

function refusals(prices: readonly object[], more: Readonly<Record<string, unknown>> = {}): string[] {
  const parsed = parseCatalogValue(catalogOf(prices, more))
  return parsed.kind === 'ok' ? [] : parsed.problems.map(({ path, code }) => `${path.slice(9)} ${code}`)
}

describe('further currencies', () => {
  it('are written back as they were read, of every model', () => {
    const tiers = (amount: string) => [{ up_to: null, unit_amount: amount, flat_amount: '3' }]
    const models = [
      [
        { model: 'per_unit', unit_amount: '1', minimum: '5' },
        { unit_amount: '2', minimum: '0' },
      ],
      [{ model: 'graduated', tiers: tiers('1') }, { tiers: tiers('2') }],
      [{ model: 'package', package_size: '10', package_amount: '1' }, { package_amount: '2' }],
      [{ model: 'percentage', rate: '2', fixed_amount: '1' }, { fixed_amount: '0' }],
      [
        { model: 'matrix', cells: [{ when: { model: 'x' }, unit_amount: '1' }], default_unit_amount: '4' },
        { cells: [{ when: { model: 'x' }, unit_amount: '2' }], default_unit_amount: '3' },
      ],
    ]
    for (const [own, euro] of models) {
      const value = catalogOf([inEuro, { ...calls, ...own, currencies: { EUR: euro } }])
      const parsed = parseCatalogValue(value)
      expect(parsed.kind === 'ok' ? parsed.catalog.plans.map(planToWire) : parsed).toEqual(value.plans)
      expect(catalogSchema.safeParse(value).success).toBe(true)
    }
  })

  it('are refused with the place and the reason', () => {
    const with_ = (currencies: unknown) => [{ ...base, currencies }]
    expect(refusals(with_({}))).toEqual(['prices/0/currencies invalid_value'])
    expect(refusals(with_({ EURO: { amount: '1' } }))).toEqual(['prices/0/currencies/EURO unknown_currency'])
    expect(refusals(with_({ EUR: {} }))).toEqual(['prices/0/currencies/EUR missing_field'])
    expect(refusals(with_({ EUR: { amount: '-1' } }))).toEqual([
      'prices/0/currencies/EUR/amount negative_value',
    ])
    expect(refusals(with_({ EUR: { amount: '1', minimum: '1' } }))).toEqual([
      'prices/0/currencies/EUR/minimum unknown_key',
    ])
    expect(refusals(with_({ USD: { amount: '1' } }))).toEqual(['prices/0/currencies/USD invalid_value'])
    expect(refusals([inEuro, { ...base, price: 'more' }])).toEqual(['prices/1 missing_currency'])
    const percent = { ...calls, model: 'percentage', rate: '2' }
    expect(refusals([inEuro, percent])).toEqual([])
    expect(refusals([inEuro], { phases: [{ prices: [base] }] })).toEqual([
      'phases/0/prices/0 missing_currency',
    ])
    expect(refusals([inEuro], { minimum: '5' })).toEqual(['minimum contradicting_fields'])
    const override = parsePrice(inEuro)
    expect(override.kind === 'rejected' && override.rejection.code).toBe('invalid_data')
  })

  it('name the line', () => {
    const text = `plans:
  - plan: pro
    version: 1
    currency: USD
    billing_period: month
    prices:
      - { price: a, kind: recurring, amount: "1", per: subscription, timing: in_advance, currencies: { EUR: { amount: "1" } } }
      - { price: b, kind: recurring, amount: "1", per: subscription, timing: in_advance }`
    const parsed = parseCatalog(text, 'c.yaml')
    expect(parsed.kind === 'invalid' && parsed.problems.map(({ line, message }) => [line, message])).toEqual([
      [8, 'The price is not in EUR, in which other prices of the plan are.'],
    ])
  })
})
