// What makes up for a bound, against the slow and obvious way: day by day, each day in force owes its part of the month. Then what an
// explanation says of it, and that a change which cannot be kept apart is one charge.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Charge } from '../../schemas/billing/charge.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { formatInstant } from '../../schemas/time.js'
import { explainCommitment } from '../explain/explain-commitment.js'
import { explanationToText } from '../explain/explanation-text.js'
import { Exact } from '../testing/exact.js'
import { at, catalogOf, change, pricesOf } from '../testing/example-subscription.js'
import { boundSegmentsBefore } from '../timeline/bound-lines.js'
import { commitmentCharges } from './commitments.js'

const dayMs = 86_400_000
const firstMs = Date.UTC(2026, 0, 1)
const lastDay = 120
const dayOf = (n: number): string => new Date(firstMs + n * dayMs).toISOString().slice(0, 10)
const monthOf = (n: number): string => dayOf(n).slice(0, 7)
const catalog = catalogOf({
  plan: 'a',
  proration: 'day',
  prices: [{ price: 'u', kind: 'usage', meter: 'bytes', model: 'per_unit', unit_amount: '1' }],
})

const commit = (amount: string) => [{ commitment: 'spend', amount, true_up: 'period_end' }]

/** Of the price `u`, in arrears, for a whole month. */
function usageOf(month: number, amount: number): Charge {
  const [from, until] = [Date.UTC(2026, month, 1), Date.UTC(2026, month + 1, 1)].map(
    ms => BigInt(ms) * 1_000_000n,
  )
  const bare = {
    price: 'u',
    kind: 'usage',
    timing: 'in_arrears',
    currency: 'USD',
    fromNs: from,
    untilNs: until,
  }
  return { ...bare, amount: BigInt(amount) * 10n ** 12n } as Charge
}

const amount = fc.constantFrom('31', '7.77', '100', '0.000000000001')
const step = fc.record({
  day: fc.integer({ min: 1, max: lastDay - 1 }),
  to: fc.oneof(amount, fc.constantFrom('suspended', 'resumed')),
})

test('what is missing is what each day in force owes of its month, less what counts, to the last digit', () => {
  let charged = 0
  fc.assert(
    fc.property(
      amount,
      fc.integer({ min: 0, max: 40 }),
      fc.uniqueArray(step, { maxLength: 5, selector: one => one.day }),
      fc.array(fc.nat({ max: 120 }), { minLength: 4, maxLength: 4 }),
      (first, startDay, drawn, usage) => {
        const steps = drawn.filter(one => one.day > startDay).sort((a, b) => a.day - b.day)
        const changes = steps.map(({ day, to }, n) =>
          to === 'suspended' || to === 'resumed'
            ? change(to, n + 2, dayOf(day))
            : change('amended', n + 2, dayOf(day), { commitments: commit(to) }),
        )
        const created = change('created', 1, dayOf(startDay), {
          plan: 'a',
          anchor: '2026-01-01',
          commitments: commit(first),
        })
        const prices = pricesOf(catalog, created, ...changes)
        const counted = usage
          .map((one, month) => usageOf(month, one))
          .filter(one => one.untilNs > at(dayOf(startDay)))
        const made = commitmentCharges(prices.bounds, counted, at(dayOf(lastDay)))
        expect(made.map(one => [formatInstant(one.untilNs), formatScaled(one.amount)])).toEqual(
          slowly(first, startDay, steps, usage),
        )
        charged += made.length
      },
    ),
    { numRuns: 100 },
  )
  expect(charged).toBeGreaterThan(100)
})

/** By the end of each month: what is missing, where something is. A month in which the bound began counts by days. */
function slowly(
  first: string,
  startDay: number,
  steps: readonly { day: number; to: string }[],
  usage: readonly number[],
): string[][] {
  const owed = new Map<string, Exact>()
  const inForce = new Map<string, number>()
  let [amountNow, isActive] = [first, true]
  for (let day = startDay; day < lastDay; day += 1) {
    const now = steps.find(one => one.day === day)?.to
    if (now === 'suspended' || now === 'resumed') isActive = now === 'resumed'
    else if (now !== undefined) amountNow = now
    const month = monthOf(day)
    inForce.set(month, (inForce.get(month) ?? 0) + 1)
    if (isActive)
      owed.set(month, (owed.get(month) ?? Exact.of(0)).plus(Exact.of(amountNow).div(daysIn(month))))
  }
  return [...inForce].flatMap(([month, days]) => {
    const index = Number(month.slice(5)) - 1
    const part = Exact.of(usage[index] ?? 0)
      .times(days)
      .div(daysIn(month))
      .toPlaces(12, 'away')
    const bound = (owed.get(month) ?? Exact.of(0)).toPlaces(12, 'away')
    const missing = Exact.of(bound).minus(part)
    const until = new Date(Date.UTC(2026, index + 1, 1)).toISOString().replace('.000', '')
    return missing.gt(0) ? [[until, missing.toPlaces(12, 'away')]] : []
  })
}

function daysIn(month: string): number {
  return new Date(Date.UTC(2026, Number(month.slice(5)), 0)).getUTCDate()
}

test('an explanation tells each part, what counts and the difference', () => {
  const created = change('created', 1, '2026-06-01', { plan: 'a', commitments: commit('500') })
  const raised = change('amended', 2, '2026-06-21', { commitments: commit('800') })
  const prices = pricesOf(catalog, created, raised)
  const [charge] = commitmentCharges(prices.bounds, [usageOf(5, 100)], at('2026-07-01'))
  const [segment] = boundSegmentsBefore(prices.bounds, at('2026-07-01'))
  expect(explanationToText(explainCommitment(segment!, charge!)).slice(0, 5)).toEqual([
    '  at least, for its part                         500 USD × 0.666666666666… = 333.333333333333… USD',
    '  at least, for its part                         800 USD × 0.333333333333… = 266.666666666666… USD',
    '  at least                                       round(333.333333333333… USD + 266.666666666666… USD, 12) = 600 USD',
    '  what counts: u                                 = 100 USD',
    '  made up for                                    600 USD - 100 USD = 500 USD',
  ])
  expect(charge!.madeUpFor).toEqual({
    bound: 'commitment',
    amount: 600n * 10n ** 12n,
    counted: [{ price: 'u', amount: 100n * 10n ** 12n }],
  })
})
