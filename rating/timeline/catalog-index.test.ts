// Tests look-ups in the catalog.

import { expect, it } from 'vitest'
import { base, catalogOf } from '../testing/example-subscription.js'
import { CatalogIndex } from './catalog-index.js'

const catalog = catalogOf(
  { plan: 'pro', version: 2, prices: [base] },
  { plan: 'pro', version: 10, prices: [base] },
  { plan: 'pro', version: 1, prices: [base] },
)

it('the newest version is the highest, in whatever order they are published', () => {
  expect(catalog.newestVersion('pro')).toBe(10)
  expect(catalog.newestVersion('max')).toBeUndefined()
})

it('a plan is found by id and version', () => {
  expect(catalog.plan('pro', 2)?.version).toBe(2)
  expect(catalog.plan('pro', 3)).toBeUndefined()
  expect(catalog.plan('max', 1)).toBeUndefined()
})

it('meters are found by id, and by event type in the order of the catalog', () => {
  expect(catalog.meter('calls')?.aggregation).toBe('count')
  expect(catalog.meter('none')).toBeUndefined()
  expect(catalog.metersOfType('call').map(meter => meter.meter)).toEqual(['calls', 'bytes'])
  expect(catalog.metersOfType('none')).toEqual([])
})

it('names of JavaScript objects are no plans and no meters', () => {
  const empty = new CatalogIndex({ meters: [], plans: [] })
  expect(empty.plan('constructor', 1)).toBeUndefined()
  expect(empty.meter('__proto__')).toBeUndefined()
})
