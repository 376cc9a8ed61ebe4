// Tests the short cut for prices of units times an amount against the models.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scaledOne } from '../../schemas/money/decimal.js'
import { amountOfTotal } from '../charges/rate.js'
import { raterOf } from '../charges/rater.js'
import { cases } from '../testing/charge-arbitrary.js'
import { growthOf, linearPerUnit } from './linear.js'
import { singleQuantityModel } from './testing/registry.js'

const one = cases(singleQuantityModel, ['sum'], fc.constant(0n))
const units = fc.oneof(fc.integer({ min: 0, max: 80 }), fc.integer({ min: 0, max: 2 ** 40 }))

test('an amount grows by what the model makes of both totals, or it is left to the model', () => {
  let grown = 0
  fc.assert(
    fc.property(
      one,
      fc.boolean(),
      fc.array(fc.tuple(units, units), { minLength: 5 }),
      ({ basis }, bare, totals) => {
        const { discountPercent: _, maximum: __, minimum: ___, ...rest } = basis.price
        const price = bare ? { ...rest, discountPercent: 0n, prorate: false } : basis.price
        const rater = raterOf({ ...basis, price })
        if (rater.linear === undefined) return
        for (const [before, by] of totals) {
          const growth = growthOf(rater.linear, before, by)
          if (Number.isNaN(growth)) continue
          grown += 1
          const amountAt = (total: number) => amountOfTotal(rater, BigInt(total) * scaledOne)
          expect(BigInt(growth)).toBe(amountAt(before + by) - amountAt(before))
        }
      },
    ),
    { numRuns: 2_000, seed: 11 },
  )
  expect(grown).toBeGreaterThan(800)
})

test('what a double does not hold exactly is left to the model', () => {
  expect(linearPerUnit(2n ** 53n, 0n)).toBeUndefined()
  expect(linearPerUnit(-1n, 0n)).toBeUndefined()
  expect(linearPerUnit(1n, scaledOne / 2n)).toBeUndefined()
  const linear = linearPerUnit(2n ** 50n, 3n * scaledOne)!
  expect(growthOf(linear, 4, 7)).toBe(7 * 2 ** 50)
  expect(growthOf(linear, 4, 8)).toBeNaN()
  expect(growthOf(linear, 3, 1)).toBeNaN()
  expect(growthOf(linear, 1, 2)).toBe(0)
  expect(growthOf(linear, 0, 2)).toBeNaN()
  expect(growthOf(linear, Number.MAX_SAFE_INTEGER, 1)).toBeNaN()
})
