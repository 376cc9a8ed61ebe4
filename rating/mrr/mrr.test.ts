// Tests MRR over time and the movements of a customer by example; restate.test.ts tests random ones.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { MrrMovement } from '../../schemas/billing/mrr-movement.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { formatInstant } from '../../schemas/time.js'
import {
  at,
  base,
  calls,
  catalogOf,
  change,
  pricesOf,
  scaled,
  seats,
} from '../testing/example-subscription.js'
import { type MrrChange, mrrTimeline, netMovements } from './mrr.js'

interface Vector {
  readonly name: string
  readonly billing_period: string
  readonly amount: string
  readonly per?: string
  readonly quantity?: string
  readonly discount_percent?: string
  readonly times?: number
  readonly mrr: string
  readonly derivation: string
}

const { vectors } = JSON.parse(readFileSync('rating/golden/mrr.json', 'utf8')) as {
  vectors: readonly Vector[]
}
const catalog = catalogOf(
  { plan: 'pro', prices: [seats, base, calls] },
  { plan: 'max', prices: [seats, { ...base, amount: '199' }, calls] },
  { plan: 'euro', prices: [{ ...base, amount: '50' }], currency: 'EUR' },
  { plan: 'start', prices: [{ ...base, discount_percent: '50', discount_periods: 3 }] },
)
const created = change('created', 1, '2026-01-01', { plan: 'pro', quantities: { seats: '5' } })

const date = (instantNs: bigint) => formatInstant(instantNs).replace('T00:00:00Z', '')

function steps(...changes: Parameters<typeof pricesOf> extends [unknown, ...infer C] ? C : never): string[] {
  return mrrTimeline(pricesOf(catalog, ...changes)).map(
    one => `${date(one.atNs)} ${formatScaled(one.mrr)} ${one.currency}`,
  )
}

describe('normalised to a month', () => {
  for (const vector of vectors) {
    it(`${vector.name}: ${vector.derivation}`, () => {
      const price = {
        ...base,
        amount: vector.amount,
        per: vector.per ?? 'subscription',
        ...(vector.discount_percent === undefined ? {} : { discount_percent: vector.discount_percent }),
      }
      const prices = Array.from({ length: vector.times ?? 1 }, (_, n) => ({ ...price, price: `p${n}` }))
      const plans = catalogOf({ plan: 'x', billing_period: vector.billing_period, prices })
      const quantities = { p0: vector.quantity ?? '1' }
      const [step] = mrrTimeline(
        pricesOf(plans, change('created', 1, '2026-01-01', { plan: 'x', quantities })),
      )
      expect(formatScaled(step!.mrr)).toBe(vector.mrr)
    })
  }
})

describe('the MRR of a subscription', () => {
  it('counts recurring prices alone', () => {
    expect(steps(created)).toEqual(['2026-01-01 199 USD'])
  })

  it('is 0 in a trial, in a suspension and after the end', () => {
    expect(
      steps(
        change('created', 1, '2026-01-01', {
          plan: 'pro',
          quantities: { seats: '5' },
          trialUntil: '2026-01-15',
          until: '2027-01-01',
        }),
        change('suspended', 2, '2026-02-01'),
        change('resumed', 3, '2026-03-01'),
      ),
    ).toEqual(['2026-01-15 199 USD', '2026-02-01 0 USD', '2026-03-01 199 USD', '2027-01-01 0 USD'])
  })

  it('goes up where a discount ends', () => {
    expect(steps(change('created', 1, '2026-01-10', { plan: 'start' }))).toEqual([
      '2026-01-10 49.5 USD',
      '2026-04-10 99 USD',
    ])
  })

  it('does not change with a change that comes to the same', () => {
    const swapped = change('amended', 2, '2026-02-01', { plan: 'max', quantities: { seats: '0' } })
    expect(steps(created, swapped)).toEqual(['2026-01-01 199 USD'])
  })

  it('moves from one currency to the other with its plan', () => {
    expect(steps(created, change('amended', 2, '2026-02-01', { plan: 'euro' }))).toEqual([
      '2026-01-01 199 USD',
      '2026-02-01 50 EUR',
      '2026-02-01 0 USD',
    ])
  })
})

/** `date subscription mrr currency` to a change. */
function changes(...lines: readonly string[]): MrrChange[] {
  return lines.map(line => {
    const [instant, subscriptionId, mrr, currency = 'USD'] = line.split(' ') as [
      string,
      string,
      string,
      string?,
    ]
    return { atNs: at(instant), subscriptionId, mrr: scaled(mrr), currency, correlationId: '' }
  })
}

function movements(...lines: readonly string[]): string[] {
  return netMovements('acme', changes(...lines)).map(summary)
}

function summary(one: MrrMovement): string {
  const [amount, before, after] = [one.amount, one.mrrBefore, one.mrrAfter].map(formatScaled)
  return `${date(one.effectiveAtNs)} ${one.subscriptionId} ${one.kind} ${amount} ${one.currency} (${before}..${after})`
}

describe('movements', () => {
  it('from 0 for the first time is new business, to 0 churn, from 0 again reactivation', () => {
    expect(
      movements('2026-01-01 a 10', '2026-02-01 a 15', '2026-03-01 a 5', '2026-04-01 a 0', '2026-05-01 a 7'),
    ).toEqual([
      '2026-01-01 a new_business 10 USD (0..10)',
      '2026-02-01 a expansion 5 USD (10..15)',
      '2026-03-01 a contraction -10 USD (15..5)',
      '2026-04-01 a churn -5 USD (5..0)',
      '2026-05-01 a reactivation 7 USD (0..7)',
    ])
  })

  it("a second subscription is expansion, and one of two that ends is contraction: the customer's total decides", () => {
    expect(movements('2026-01-01 a 10', '2026-02-01 b 4', '2026-03-01 a 0', '2026-04-01 b 0')).toEqual([
      '2026-01-01 a new_business 10 USD (0..10)',
      '2026-02-01 b expansion 4 USD (10..14)',
      '2026-03-01 a contraction -10 USD (14..4)',
      '2026-04-01 b churn -4 USD (4..0)',
    ])
  })

  it('at one instant each subscription has a movement, all of the kind of the net change, chained', () => {
    expect(movements('2026-01-01 a 10', '2026-02-01 b 14', '2026-02-01 a 0')).toEqual([
      '2026-01-01 a new_business 10 USD (0..10)',
      '2026-02-01 a expansion -10 USD (10..0)',
      '2026-02-01 b expansion 14 USD (0..14)',
    ])
    expect(movements('2026-01-01 a 10', '2026-01-01 b 5', '2026-02-01 a 0', '2026-02-01 b 0')).toEqual([
      '2026-01-01 a new_business 10 USD (0..10)',
      '2026-01-01 b new_business 5 USD (10..15)',
      '2026-02-01 a churn -10 USD (15..5)',
      '2026-02-01 b churn -5 USD (5..0)',
    ])
  })

  it('a swap of two subscriptions at one instant is a transfer, neither churn nor new', () => {
    expect(movements('2026-01-01 a 10', '2026-02-01 a 0', '2026-02-01 b 10')).toEqual([
      '2026-01-01 a new_business 10 USD (0..10)',
      '2026-02-01 a transfer -10 USD (10..0)',
      '2026-02-01 b transfer 10 USD (0..10)',
    ])
    expect(movements('2026-01-01 a 10', '2026-01-01 b 4', '2026-02-01 a 7', '2026-02-01 b 7')).toEqual([
      '2026-01-01 a new_business 10 USD (0..10)',
      '2026-01-01 b new_business 4 USD (10..14)',
      '2026-02-01 a transfer -3 USD (14..11)',
      '2026-02-01 b transfer 3 USD (11..14)',
    ])
    // A millisecond between them is a time without the customer.
    expect(
      movements('2026-01-01 a 10', '2026-02-01 a 0', '2026-02-02 b 10').map(one => one.split(' ')[2]),
    ).toEqual(['new_business', 'churn', 'reactivation'])
  })

  it('a change of currency at one instant is a transfer, more or less', () => {
    expect(
      movements('2026-01-01 a 10', '2026-02-01 a 0', '2026-02-01 a 12 EUR', '2026-03-01 a 0 EUR'),
    ).toEqual([
      '2026-01-01 a new_business 10 USD (0..10)',
      '2026-02-01 a transfer 12 EUR (0..12)',
      '2026-02-01 a transfer -10 USD (10..0)',
      '2026-03-01 a churn -12 EUR (12..0)',
    ])
    // Part of it moves, in another subscription.
    expect(movements('2026-01-01 a 10', '2026-02-01 a 4', '2026-02-01 b 5 EUR').slice(1)).toEqual([
      '2026-02-01 a transfer -6 USD (10..4)',
      '2026-02-01 b transfer 5 EUR (0..5)',
    ])
  })

  it('amounts of currencies never mix, and the kind is that of the customer in all of them', () => {
    expect(
      movements(
        '2026-01-01 a 10 USD',
        '2026-02-01 b 8 EUR',
        '2026-03-01 a 0 USD',
        '2026-04-01 b 0 EUR',
        '2026-05-01 a 3',
      ),
    ).toEqual([
      '2026-01-01 a new_business 10 USD (0..10)',
      '2026-02-01 b expansion 8 EUR (0..8)',
      '2026-03-01 a contraction -10 USD (10..0)',
      '2026-04-01 b churn -8 EUR (8..0)',
      '2026-05-01 a reactivation 3 USD (0..3)',
    ])
    // Both at once are new, both gone at once are churn; both more are each an expansion.
    expect(
      movements(
        '2026-01-01 a 1',
        '2026-01-01 b 1 EUR',
        '2026-02-01 a 2',
        '2026-02-01 b 2 EUR',
        '2026-03-01 a 0',
        '2026-03-01 b 0 EUR',
      ).map(one => one.split(' ')[2]),
    ).toEqual(['new_business', 'new_business', 'expansion', 'expansion', 'churn', 'churn'])
  })

  it('a total below 0 is no new business, and back to 0 no churn', () => {
    expect(movements('2026-01-01 a -5', '2026-02-01 a 0', '2026-03-01 a 5')).toEqual([
      '2026-01-01 a contraction -5 USD (0..-5)',
      '2026-02-01 a expansion 5 USD (-5..0)',
      '2026-03-01 a new_business 5 USD (0..5)',
    ])
  })

  it('the order in which subscriptions are handed in does not matter', () => {
    const lines = ['2026-01-01 b 5', '2026-02-01 b 0', '2026-01-01 a 10', '2026-02-01 a 20']
    expect(movements(...lines.toReversed())).toEqual(movements(...lines))
  })

  it('every movement has an id of its own, the same each time', () => {
    const list = () => netMovements('acme', changes('2026-01-01 a 5', '2026-01-01 b 5', '2026-01-01 a 5 EUR'))
    expect(new Set(list().map(one => one.movementId)).size).toBe(3)
    expect(list()).toEqual(list())
  })

  it('no change is no movement', () => {
    expect(movements()).toEqual([])
    expect(movements('2026-01-01 a 0')).toEqual([])
  })
})
