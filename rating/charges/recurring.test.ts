// Tests recurring amounts against vectors worked out by hand, and that parts of a period add up to the whole.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RecurringPrice } from '../../schemas/catalog/catalog.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { nsOf } from '../../schemas/time.js'
import { at, base, catalogOf, change, pricesOf, scaled, seats } from '../testing/example-subscription.js'
import { type Segment, segmentAt, segmentsBefore } from '../timeline/price-lines.js'
import { recurringCharge } from './recurring.js'

interface Vector {
  readonly name: string
  readonly price: 'seats' | 'base'
  readonly amount_of_price?: string
  readonly quantity: string
  readonly discount_percent?: string
  readonly fraction: readonly [string, string]
  readonly trial?: boolean
  readonly amount: string
  readonly derivation: string
}

const { vectors } = JSON.parse(readFileSync('rating/golden/recurring.json', 'utf8')) as {
  vectors: readonly Vector[]
}
const catalog = catalogOf({ plan: 'pro', prices: [seats, base] })
const created = change('created', 1, '2026-06-01', { plan: 'pro', quantities: { seats: '5' } })

function segmentOf(vector: Vector): Segment<RecurringPrice> {
  const line = pricesOf(catalog, created).recurring.find(one => one.price.price === vector.price)!
  const segment = segmentAt(line, at('2026-06-01'))!
  const price = {
    ...line.price,
    amount: vector.amount_of_price === undefined ? line.price.amount! : scaled(vector.amount_of_price),
    discountPercent: scaled(vector.discount_percent ?? '0'),
  }
  const [numerator, denominator] = vector.fraction
  return {
    ...segment,
    line: { ...line, price, quantity: scaled(vector.quantity), trial: vector.trial ?? false },
    fraction: { numerator: BigInt(numerator), denominator: BigInt(denominator) },
  }
}

describe('golden amounts', () => {
  for (const vector of vectors) {
    it(`${vector.name}: ${vector.derivation} = ${vector.amount}`, () => {
      const { quantity, amount } = recurringCharge(segmentOf(vector))
      expect(formatScaled(amount)).toBe(vector.amount)
      expect(formatScaled(quantity)).toBe(vector.quantity)
    })
  }
})

it('an annual plan cancelled after 90 days owes 90 of its 365 days', () => {
  const annual = catalogOf({
    plan: 'annual',
    billing_period: 'year',
    proration: 'day',
    prices: [{ ...base, amount: '1200' }],
  })
  const prices = pricesOf(
    annual,
    change('created', 1, '2026-01-01', { plan: 'annual' }),
    change('cancelled', 2, '2026-04-01'),
  )
  const segments = segmentsBefore(prices.recurring[0]!, at('2027-01-01'))
  // 1200 x 90/365 = 295.890410958904|1
  expect(segments.map(one => formatScaled(recurringCharge(one).amount))).toEqual(['295.890410958904'])
})

it('a suspension owes nothing for its days', () => {
  const prices = pricesOf(
    catalog,
    created,
    change('suspended', 2, '2026-06-11'),
    change('resumed', 3, '2026-06-21'),
  )
  const amounts = prices.recurring
    .filter(line => line.price.price === 'base')
    .flatMap(line => segmentsBefore(line, at('2026-07-01')))
    .map(segment => formatScaled(recurringCharge(segment).amount))
  // 99 x 10/30, twice
  expect(amounts).toEqual(['33', '33'])
})

it('however often a month is cut, its parts cost the month to within their roundings', () => {
  const instants = fc.uniqueArray(fc.integer({ min: 1, max: 30 * 86_400 - 1 }), { maxLength: 12 })
  fc.assert(
    fc.property(instants, fc.constantFrom('second', 'day'), (seconds, proration) => {
      const plans = catalogOf({ plan: 'pro', proration, prices: [seats] })
      // Equal seats would cut nothing: every other part has the least bit more.
      const changes = seconds
        .toSorted((a, b) => a - b)
        .map((second, n) => {
          const quantities = { seats: n % 2 === 0 ? '5.000000000001' : '5' }
          const amended = change('amended', n + 2, '2026-06-01', { quantities })
          return { ...amended, effectiveFromNs: at('2026-06-01') + nsOf(second * 1000) }
        })
      const amounts = pricesOf(plans, created, ...changes)
        .recurring.flatMap(line => segmentsBefore(line, at('2026-07-01')))
        .map(segment => recurringCharge(segment).amount)
      expect(amounts).toHaveLength(seconds.length + 1)
      const off = amounts.reduce((sum, amount) => sum + amount, 0n) - scaled('100')
      // At most 20 x 1e-12 for the bit more, and half a digit for each part.
      expect(off >= -BigInt(amounts.length) && off <= 20n + BigInt(amounts.length)).toBe(true)
    }),
    { numRuns: 100 },
  )
})
