// Tests when two prices have the same terms.

import { describe, expect, it } from 'vitest'
import { base, calls, priceOf } from '../testing/example-subscription.js'
import { priceContentId, withoutDiscount } from './price-content.js'

const idOf = (value: Readonly<Record<string, unknown>>) => priceContentId(priceOf(value))

describe('content', () => {
  it('does not depend on how numbers and keys are written', () => {
    const { price, kind, ...rest } = calls
    expect(idOf({ ...rest, unit_amount: '0.010', kind, price })).toBe(idOf(calls))
    expect(idOf({ ...calls, included: '0' })).toBe(idOf(calls))
  })

  it('differs with any value', () => {
    const variants = [
      calls,
      { ...calls, price: 'other' },
      { ...calls, meter: 'bytes' },
      { ...calls, unit_amount: '0.02' },
      { ...calls, included: '1' },
      { ...calls, minimum: '1' },
      { ...calls, minimum: '0' },
      { ...calls, maximum: '1' },
      { ...calls, prorate: true },
      { ...calls, discount_percent: '1' },
      { ...calls, discount_percent: '1', discount_periods: 2 },
      base,
      { ...base, timing: 'in_arrears' },
      { ...base, per: 'unit' },
    ]
    expect(new Set(variants.map(idOf)).size).toBe(variants.length)
  })

  it('of a matrix includes its cells in their order, whose dimensions have none', () => {
    const matrix = (...cells: readonly object[]) =>
      idOf({
        price: 'm',
        kind: 'usage',
        meter: 'calls',
        model: 'matrix',
        cells: cells.map(when => ({ when, unit_amount: '1' })),
      })
    expect(matrix({ a: '1', b: '2' })).toBe(matrix({ b: '2', a: '1' }))
    expect(matrix({ a: '1' }, { a: '2' })).not.toBe(matrix({ a: '2' }, { a: '1' }))
  })
})

it('a discount that has run out leaves the price that never had one', () => {
  const discounted = priceOf({ ...calls, discount_percent: '10', discount_periods: 2 })
  expect(priceContentId(withoutDiscount(discounted))).toBe(idOf(calls))
  expect(withoutDiscount(discounted)).toBe(withoutDiscount(discounted))
  const plain = priceOf(calls)
  expect(withoutDiscount(plain)).toBe(plain)
})
