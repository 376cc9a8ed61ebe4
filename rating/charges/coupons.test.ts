// Coupons: vectors worked out by hand, and what must hold of any charges and coupons.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { discountTotal } from '../../schemas/billing/discount.js'
import type { Coupon } from '../../schemas/catalog/catalog.js'
import { parseCatalogValue } from '../../schemas/catalog/catalog-parser.js'
import { formatScaled, parseDecimal, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { type Discountable, discountsOf } from './coupons.js'
import { shareInProportion } from './share.js'

interface Vector {
  readonly name: string
  readonly coupons: readonly { readonly code: string; readonly applies_to?: readonly string[] }[]
  readonly charges: readonly {
    readonly price: string
    readonly amount: string
    readonly due: number
    readonly period: string
    readonly currency: string
    /** Codes by their place; null: not in force. Left out: all, in their order. */
    readonly coupons?: readonly (string | null)[]
  }[]
  /** Of each charge: `code amount`. */
  readonly expect: readonly (readonly string[])[]
}

const { vectors } = JSON.parse(readFileSync('rating/golden/coupons.json', 'utf8')) as {
  readonly vectors: readonly Vector[]
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(text)
  return parsed.value
}

function couponsOf({ coupons, charges }: Vector): ReadonlyMap<string, Coupon> {
  const prices = [
    ...new Set([...charges.map(one => one.price), ...coupons.flatMap(one => one.applies_to ?? [])]),
  ]
  const sold = prices.map(price => ({
    price,
    kind: 'recurring',
    amount: '1',
    per: 'subscription',
    timing: 'in_arrears',
  }))
  const plan = { plan: 'p', version: 1, currency: 'USD', billing_period: 'month', prices: sold }
  const parsed = parseCatalogValue({ plans: [plan], coupons })
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return new Map((parsed.catalog.coupons ?? []).map(one => [one.code, one]))
}

describe('coupons as worked out by hand', () => {
  test.each(vectors.map(vector => [vector.name, vector] as const))('%s', (_, vector) => {
    const coupons = couponsOf(vector)
    const charges = vector.charges.map(
      ({ price, amount, due, period, currency, coupons: own }, n): Discountable => ({
        chargeId: `ch${n}`,
        ...{ price, currency, period, amount: scaled(amount), dueNs: BigInt(due) },
        coupons: (own ?? [...coupons.keys()]).map(code => (code === null ? undefined : coupons.get(code))),
      }),
    )
    const found = discountsOf(charges)
    expect(
      charges.map(({ chargeId }) =>
        (found.get(chargeId) ?? []).map(one => `${one.code} ${formatScaled(one.amount)}`),
      ),
    ).toEqual(vector.expect)
  })
})

const amount = fc.oneof(
  fc.bigInt({ min: -5n * scaledOne, max: 100n * scaledOne }),
  fc.constantFrom(0n, 1n, 7n, scaledOne, 10n ** 37n),
)
const coupon = fc.oneof(
  fc.bigInt({ min: 1n, max: 100n * scaledOne }).map(percentOff => ({ percentOff })),
  fc.bigInt({ min: 1n, max: 200n * scaledOne }).map(amountOff => ({ amountOff, currency: 'USD' })),
  fc.bigInt({ min: 1n, max: 200n * scaledOne }).map(amountOff => ({ amountOff })),
)
const coupons = fc
  .array(coupon, { maxLength: 4 })
  .map(list =>
    list.map((one, n): Coupon => ({ code: `C${n}`, ...one, ...(n === 1 ? { appliesTo: ['a', 'b'] } : {}) })),
  )
const charge = fc.record({
  price: fc.constantFrom('a', 'b', 'c'),
  currency: fc.constantFrom('USD', 'USD', 'EUR'),
  amount,
  dueNs: fc.bigInt({ min: 0n, max: 3n }),
  period: fc.constantFrom('p1', 'p2'),
  later: fc.boolean(),
})
const bills = fc.tuple(coupons, fc.array(charge, { maxLength: 8 })).map(([list, charges]) =>
  charges.map(
    ({ later, ...rest }, n): Discountable => ({
      chargeId: `ch${n}`,
      ...rest,
      coupons: later ? list.slice(1) : list,
    }),
  ),
)

test('a discount is above 0, the net amount is not below 0, and an amount off is taken once a period and currency', () => {
  fc.assert(
    fc.property(bills, charges => {
      const found = discountsOf(charges)
      const taken = new Map<string, Scaled>()
      for (const { chargeId, amount: gross, period, currency, coupons: list } of charges) {
        const off = found.get(chargeId) ?? []
        for (const one of off) expect(one.amount > 0n).toBe(true)
        if (gross <= 0n) expect(off).toEqual([])
        else expect(gross - discountTotal(off) >= 0n).toBe(true)
        for (const one of off) {
          const { amountOff } = list.find(other => other?.code === one.code)!
          if (amountOff === undefined) continue
          const key = `${period} ${currency} ${one.code}`
          taken.set(key, (taken.get(key) ?? 0n) + one.amount)
          expect(taken.get(key)! <= amountOff).toBe(true)
        }
      }
    }),
    { numRuns: 500 },
  )
})

test('the order of charges decides nothing, nor does a charge that becomes due later', () => {
  fc.assert(
    fc.property(bills, fc.bigInt({ min: 0n, max: 3n }), (charges, untilNs) => {
      const found = discountsOf(charges)
      const reversed = discountsOf(charges.toReversed())
      expect(new Map([...reversed].sort())).toEqual(new Map([...found].sort()))
      const early = charges.filter(one => one.dueNs <= untilNs)
      const alone = discountsOf(early)
      for (const { chargeId } of early) expect(alone.get(chargeId)).toEqual(found.get(chargeId))
    }),
    { numRuns: 300 },
  )
})

test('shares add up to the last digit, none exceeds its weight, and each is within a digit of its part', () => {
  const weights = fc.array(fc.bigInt({ min: 1n, max: 10n ** 30n }), { minLength: 1, maxLength: 9 })
  fc.assert(
    fc.property(weights, fc.bigInt({ min: 0n, max: 10n ** 6n }), (list, part) => {
      const total = list.reduce((sum, weight) => sum + weight, 0n)
      const shared = (total * part) / 10n ** 6n
      const shares = shareInProportion(shared, list)
      expect(shares.reduce((sum, share) => sum + share, 0n)).toBe(shared)
      for (const [n, share] of shares.entries()) {
        expect(share <= list[n]!).toBe(true)
        const over = share * total - shared * list[n]!
        expect(over > -total && over < total).toBe(true)
      }
    }),
    { numRuns: 300 },
  )
})
