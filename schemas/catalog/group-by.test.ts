// What `group_by` of a usage price takes, and what it refuses.

import { expect, test } from 'vitest'
import { catalogToWire, parseCatalogValue } from './catalog-parser.js'

function parsed(price: object, meter: object = {}) {
  const tokens = {
    meter: 'm',
    event_type: 't',
    aggregation: 'sum',
    value: 'n',
    dimensions: ['model', 'region'],
  }
  const plan = { plan: 'p', version: 1, currency: 'USD', billing_period: 'month' }
  const usage = { price: 'u', kind: 'usage', meter: 'm', model: 'per_unit', unit_amount: '1', ...price }
  return parseCatalogValue({ meters: [{ ...tokens, ...meter }], plans: [{ ...plan, prices: [usage] }] })
}

const faults = (price: object, meter: object = {}) => {
  const result = parsed(price, meter)
  return result.kind === 'ok' ? [] : result.problems.map(({ code, path }) => `${code} ${path}`)
}

test.each<[string, object, object?]>([
  ['missing_field /plans/0/prices/0/group_by', { group_by: [] }],
  ['wrong_type /plans/0/prices/0/group_by', { group_by: 'model' }],
  ['duplicate_dimension /plans/0/prices/0/group_by/1', { group_by: ['model', 'model'] }],
  ['unknown_dimension /plans/0/prices/0/group_by', { group_by: ['modle'] }],
  ['missing_field /plans/0/prices/0/max_groups', { max_groups: 5 }],
  ['invalid_value /plans/0/prices/0/max_groups', { group_by: ['model'], max_groups: 10_001 }],
  [
    'model_cannot_price_meter /plans/0/prices/0/group_by',
    { group_by: ['model'] },
    { aggregation: 'average' },
  ],
  [
    'model_cannot_price_meter /plans/0/prices/0/group_by',
    { group_by: ['model'] },
    { aggregation: 'weighted_sum' },
  ],
])('%s', (fault, price, meter) => {
  expect(faults(price, meter)).toEqual([fault])
})

test('it is read back, its limit only where it is not the usual one', () => {
  const wire = (price: object) => {
    const result = parsed(price)
    return result.kind === 'ok' ? catalogToWire(result.catalog).plans[0]?.['prices'] : result
  }
  expect(wire({ group_by: ['region', 'model'], max_groups: 1000 })).toMatchObject([
    { group_by: ['region', 'model'] },
  ])
  expect(wire({ group_by: ['region'], max_groups: 1000 })).not.toMatchObject([{ max_groups: 1000 }])
  expect(wire({ group_by: ['region'], max_groups: 7 })).toMatchObject([
    { group_by: ['region'], max_groups: 7 },
  ])
})
