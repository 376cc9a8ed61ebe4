// What `weir validate --cost` tells of a price is what the core does with its events: held against routes and running totals
// for every aggregation with every model and option.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Way, waysOf } from '../../../rating/charges/ways.js'
import { aggregationFacts, aggregations } from '../../../schemas/catalog/aggregations.js'
import { parseCatalogValue } from '../../../schemas/catalog/catalog-parser.js'
import { priceModels } from '../../../schemas/catalog/models/registry.js'
import { created, TestBench, usage } from '../../testing/core-fixture.js'
import { PartitionCore } from '../core.js'
import { PartitionState } from '../state/partition-state.js'
import { RunningTotals } from '../state/running-totals.js'
import { UsageRoutes } from '../state/usage-routes.js'

const tiers = (first: object) => ({
  tiers: [
    { up_to: '10', ...first },
    { up_to: null, ...first },
  ],
})
const fields: Readonly<Record<(typeof priceModels)[number], object>> = {
  per_unit: { unit_amount: '0.5' },
  graduated: tiers({ unit_amount: '1' }),
  volume: tiers({ unit_amount: '1' }),
  stairstep: tiers({ flat_amount: '5' }),
  package: { package_size: '3', package_amount: '2' },
  percentage: { rate: '2' },
  matrix: { cells: [{ when: { model: 'a' }, unit_amount: '1' }], default_unit_amount: '2' },
}
const options: Readonly<Record<string, object>> = {
  plain: {},
  included: { included: '3' },
  discount: { discount_percent: '10' },
  minimum: { minimum: '1' },
  maximum: { maximum: '100' },
  prorate: { prorate: true },
}

beforeEach(() => {
  vi.spyOn(UsageRoutes.prototype, 'keep')
  vi.spyOn(RunningTotals.prototype, 'grow')
})
afterEach(() => vi.restoreAllMocks())

function catalogWith(aggregation: string, model: string, option: object, more: object[] = []) {
  const { reads, takesPercentile, byOperation } = aggregationFacts[aggregation as 'sum']
  return parseCatalogValue({
    meters: [
      {
        ...{ meter: 'm', event_type: 'api.call', aggregation, dimensions: ['model'] },
        ...(reads === 'nothing' ? {} : { value: 'tokens' }),
        ...(takesPercentile ? { percentile: '95' } : {}),
        ...(byOperation ? { aggregation: 'unique_count', operation: 'action' } : {}),
      },
      ...more,
    ],
    plans: [
      {
        ...{ plan: 'pro', version: 1, currency: 'USD', billing_period: 'month' },
        prices: [{ price: 'p', kind: 'usage', meter: 'm', model, ...fields[model as 'per_unit'], ...option }],
      },
    ],
  })
}

/** What the core does with the second of two events. */
function seen(parsed: ReturnType<typeof catalogWith>): Way {
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  const bench = new TestBench()
  const state = new PartitionState(bench.config.limits.dedupeHorizonMs)
  state.catalog = parsed.catalog
  bench.core = new PartitionCore(bench.config, bench.tap(), state)
  const data = { tokens: 1, action: 'add' }
  bench.send([created()])
  bench.send([usage('2026-01-05T00:00:00Z', 1, { data }), usage('2026-01-06T00:00:00Z', 1, { data })])
  if (vi.mocked(RunningTotals.prototype.grow).mock.calls.length > 0) return 'product'
  return vi.mocked(UsageRoutes.prototype.keep).mock.calls.length > 0 ? 'total' : 'each_event'
}

for (const aggregation of aggregations)
  test(`the way of every model on ${aggregation} is the one that the core takes`, () => {
    const isAdded = aggregationFacts[aggregation].additive !== undefined
    const ways = new Set<Way>()
    for (const model of priceModels)
      for (const [name, option] of Object.entries(isAdded ? options : { plain: {} })) {
        const parsed = catalogWith(aggregation, model, option)
        if (parsed.kind === 'invalid') continue
        const [told] = waysOf(parsed.catalog)
        expect([model, name, told?.way]).toEqual([model, name, seen(parsed)])
        expect(told?.reasons.length === 0).toBe(told?.way === 'product')
        ways.add(told!.way)
        vi.mocked(RunningTotals.prototype.grow).mockClear()
        vi.mocked(UsageRoutes.prototype.keep).mockClear()
      }
    expect(ways.size).toBe(isAdded ? 3 : 1)
  })

test('a meter that keeps values slows every price on events of its type', () => {
  const p95 = {
    meter: 'p95',
    event_type: 'api.call',
    aggregation: 'percentile',
    percentile: '95',
    value: 'tokens',
  }
  const parsed = catalogWith('sum', 'per_unit', {}, [p95])
  expect(seen(parsed)).toBe('each_event')
  expect(parsed.kind === 'ok' && waysOf(parsed.catalog)).toMatchObject([
    {
      way: 'each_event',
      reasons: [
        {
          code: 'beside_such_a_meter',
          detail: 'the meter p95 reads api.call too: percentile keeps every value',
        },
      ],
    },
  ])
})
