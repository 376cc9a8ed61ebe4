// Charges that are kept when the terms change after the newest rated event, or before there is any.

import { expect, test } from 'vitest'
import { msOf, nsOf } from '../../../schemas/time.js'
import { change, created, TestBench } from '../../testing/core-fixture.js'

const override = (price: Record<string, unknown>) => ({
  price_overrides: [{ price: 'tokens', kind: 'usage', meter: 'tokens', ...price }],
})

test('a charge that was billed without usage takes a back-dated change of its price model', () => {
  const bench = new TestBench()
  const cell = { when: { model: 'small' }, unit_amount: '1' }
  bench.send([created(override({ model: 'matrix', cells: [cell], minimum: '4' }))])
  const cutoffNs = nsOf(Date.UTC(2026, 1, 1))
  bench.send([], msOf(cutoffNs), [{ billingRunId: 'run_1', cutoffNs }])
  const tiers = [{ up_to: null, unit_amount: '1', flat_amount: '3' }]
  bench.send([change('amended', 2, '2026-01-01T00:00:00Z', override({ model: 'volume', tiers }))])
  bench.answer()
  expect(bench.owed('2026-01-31T00:00:00Z')['tokens 2026-01-01']).toBe('3')
  bench.send([], msOf(cutoffNs), [{ billingRunId: 'run_2', cutoffNs }])
  expect(bench.sum()).toBe('3')
})
