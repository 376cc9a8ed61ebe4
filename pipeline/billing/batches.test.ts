// Batches are cut by count, and where their control totals would take more than 38 digits.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { batchProblems } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { scaledMax } from '../../schemas/money/decimal.js'
import { BatchPlan } from './batches.js'

const charge = (n: number, amount: bigint): Charge => ({
  chargeId: `ch_${String(n).padStart(4, '0')}`,
  correlationId: '',
  customerId: 'c',
  subscriptionId: 's',
  subscriptionVersion: 1,
  entityId: 'e',
  contractId: '',
  plan: 'p',
  planVersion: 1,
  price: 'x',
  meter: '',
  kind: 'recurring',
  timing: 'in_arrears',
  fromNs: 0n,
  untilNs: 1n,
  quantity: 0n,
  amount,
  amountRounded: amount,
  currency: 'USD',
  timezone: 'UTC',
  status: 'closed',
})

test('the totals of every batch are within 38 digits, and all lines are in one batch, in their order', () => {
  const amount = fc.oneof(
    fc.constantFrom(scaledMax, -scaledMax),
    fc.bigInt({ min: -scaledMax, max: scaledMax }),
  )
  fc.assert(
    fc.property(fc.array(amount, { maxLength: 30 }), fc.integer({ min: 1, max: 8 }), (amounts, most) => {
      const charges = amounts.map((one, n) => charge(n, one))
      const plan = new BatchPlan('r', most)
      for (const one of charges) plan.add(one)
      const fill = plan.filler()
      const batches = charges.flatMap(one => fill(one) ?? [])
      expect(batches.flatMap(one => one.lines)).toEqual(charges)
      expect([...plan.batchIds]).toEqual(batches.map(one => one.batchId))
      for (const [index, batch] of batches.entries()) {
        expect(batchProblems(batch)).toEqual([])
        expect([batch.number, batch.of]).toEqual([index + 1, batches.length])
        expect(batch.lines.length).toBeLessThanOrEqual(most)
        const { amountTotal } = batch.control
        expect(amountTotal <= scaledMax && amountTotal >= -scaledMax).toBe(true)
      }
    }),
  )
})
