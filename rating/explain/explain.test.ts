// Explanations against the charges that they explain, on random prices, usage and parts of a period: every line follows
// from its values, no number comes from nowhere, and the last lines are the charge.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aggregationFacts, aggregations } from '../../schemas/catalog/aggregations.js'
import { formatScaled, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { nsOf } from '../../schemas/time.js'
import { aggregatorOf } from '../aggregations/registry.js'
import { addSample } from '../charges/accumulator.js'
import { chargeOf } from '../charges/rate.js'
import { recurringCharge } from '../charges/recurring.js'
import { roundToCurrency } from '../charges/rounding.js'
import { matrix } from '../models/matrix/testing/arbitrary.js'
import { percentage } from '../models/percentage/testing/arbitrary.js'
import { arbitraryPrice, singleQuantityModel } from '../models/testing/registry.js'
import { type Case, cases, negativeToo, quantity, start } from '../testing/charge-arbitrary.js'
import { at, base, catalogOf, change, pricesOf, scaled, seats } from '../testing/example-subscription.js'
import { evaluate, isEqual, numberOf } from '../testing/formula-oracle.js'
import { segmentsBefore } from '../timeline/price-lines.js'
import { explainRecurring } from './explain-recurring.js'
import { explainUsage } from './explain-usage.js'
import { type Explanation, type ExplanationWire, explanationToWire, type Payment } from './explanation.js'
import { explanationToText } from './explanation-text.js'

const payment = fc.constantFrom<Payment>(
  { currency: 'USD', rounding: 'half_up' },
  { currency: 'JPY', rounding: 'half_even' },
  { currency: 'KWD', rounding: 'half_even' },
)

/** Values that come from the price, the usage or the calendar; every other one is the result of an earlier line. */
const given = new Set(
  [
    'count sum divided_by divide_by max min latest first unique_count value_at_rank time_average changes level events percentile part whole',
    'included minimum maximum discount_percent flat_amount unit_amount package_size package_amount rate fixed_amount',
    'per_event_minimum per_event_maximum free_units free_events units_of_first fees places included_units quantity',
  ]
    .join(' ')
    .split(' '),
)

function expectSound(wire: ExplanationWire, charged: Scaled, { currency, rounding }: Payment): void {
  for (const step of wire.steps) {
    const result = evaluate(step.formula, step.values)
    expect([step, isEqual(result, numberOf(step.result))]).toEqual([step, true])
  }
  const results = wire.steps.map(step => step.result)
  expect(results.at(-2)).toBe(formatScaled(charged))
  expect(results.at(-1)).toBe(formatScaled(roundToCurrency(charged, currency, rounding)))
  expect([wire.amount, wire.amount_rounded]).toEqual(results.slice(-2))
}

/** Each step's inputs stand in an earlier line, unless they are given. */
function expectConnected(wire: ExplanationWire): void {
  for (const [index, step] of wire.steps.entries()) {
    const before = wire.steps.slice(0, index).map(one => one.result)
    const names = step.formula.match(/[a-z_][a-z0-9_]*/g) ?? []
    for (const name of names) {
      const value = step.values[name]
      if (value === undefined || given.has(name)) continue
      // The units of the tiers and of the events are parts of what stands above.
      if (step.what === 'tier' || step.what === 'event_fee' || step.what === 'rate') continue
      expect([step, name, before.includes(value)]).toEqual([step, name, true])
    }
  }
}

const ofCharge = { chargeId: 'ch_1', timing: 'in_arrears', fromNs: 0n, untilNs: 1n } as const

function explained(one: Case, trial: boolean, pay: Payment) {
  const basis = { ...one.basis, trial }
  const accumulator = start(one)
  for (const sample of one.arrival) addSample(basis, accumulator, sample)
  const explanation = explainUsage(basis, accumulator, pay)
  const wire = explanationToWire(ofCharge, explanation)
  return { charge: chargeOf(basis, accumulator), explanation, wire }
}

function expectExplained(one: Case, trial: boolean, pay: Payment): void {
  const { charge, explanation, wire } = explained(one, trial, pay)
  expectSound(wire, charge.amount, pay)
  expectConnected(wire)
  const { model, groupBy } = one.basis.price
  if (model.model === 'graduated' && groupBy === undefined && !trial) expectAllUnitsInTiers(wire)
  const whole = wire.steps.find(step => step.what === 'quantity')!
  const quantities = [numberOf(whole.result).toDecimalPlaces(12).toFixed(), formatScaled(charge.quantity)]
  expect(quantities[0]!.replace(/^-0$/, '0')).toBe(quantities[1])
  expect(explanationToText(explanation)).toHaveLength(wire.steps.length)
}

function expectAllUnitsInTiers(wire: ExplanationWire): void {
  const priced = wire.steps.findLast(step => step.what === 'beyond_included' || step.what === 'quantity')!
  const inTiers = wire.steps
    .filter(step => step.what === 'tier')
    .reduce((sum, step) => sum.plus(numberOf(step.values['units']!)), numberOf('0'))
  expect(isEqual(inTiers, numberOf(priced.result))).toBe(true)
}

/** A price by events or cells takes no quotient. */
const byEvents = aggregations.filter(one => !aggregationFacts[one].quotient)

/** Neither is a level of groups. */
const ofGroups = byEvents.filter(one => aggregatorOf(one).level === undefined)

const trial = fc.integer({ min: 0, max: 9 }).map(n => n === 0)

describe('an explanation of usage', () => {
  const families: readonly (readonly [string, fc.Arbitrary<Case>, number])[] = [
    ['models of one quantity', cases(singleQuantityModel, aggregations, quantity), 200],
    ['negative quantities', cases(singleQuantityModel, aggregations, negativeToo, true), 100],
    ['percentage prices', cases(percentage, ['sum', 'count'], quantity), 200],
    ['percentage prices with any aggregation', cases(percentage, byEvents, negativeToo, true), 120],
    ['matrix prices', cases(matrix, byEvents, quantity), 100],
    ['matrix prices with negative quantities', cases(matrix, byEvents, negativeToo, true), 80],
    ['groups', cases(arbitraryPrice, ofGroups, quantity, false, true), 150],
  ]
  for (const [name, family, numRuns] of families) {
    it(`comes to the charge, each line from its values: ${name}`, () => {
      fc.assert(fc.property(family, trial, payment, expectExplained), { numRuns })
    })
  }

  it('is caught by the evaluation when a line is off by the last place', () => {
    const [one] = fc.sample(cases(singleQuantityModel, ['sum'], quantity), { numRuns: 1, seed: 3 }) as [Case]
    const { charge, wire } = explained(one, false, { currency: 'USD', rounding: 'half_up' })
    const off = wire.steps.map(step =>
      step.what === 'model' ? { ...step, result: numberOf(step.result).plus('1e-40').toFixed() } : step,
    )
    const check = (steps: ExplanationWire['steps']) => () =>
      expectSound({ ...wire, steps }, charge.amount, { currency: 'USD', rounding: 'half_up' })
    expect(check(wire.steps)).not.toThrow()
    expect(check(off)).toThrow()
  })
})

const seatTiers = [
  { up_to: '10', unit_amount: '2.5', flat_amount: '3' },
  { up_to: '50', unit_amount: '1.333333333333' },
  { up_to: null, flat_amount: '7' },
]
const seatModels = [
  { model: 'graduated', tiers: seatTiers },
  { model: 'volume', tiers: seatTiers },
  {
    model: 'stairstep',
    tiers: [
      { up_to: '20', flat_amount: '9' },
      { up_to: null, flat_amount: '0' },
    ],
  },
  { model: 'package', package_size: '7', package_amount: '30' },
]

describe('an explanation of a recurring price', () => {
  const june = (second: number) => at('2026-06-01') + nsOf(second * 1_000)

  it('comes to the charge, each line from its values, however the month is cut', () => {
    const seconds = fc.uniqueArray(fc.integer({ min: 1, max: 30 * 86_400 - 1 }), { maxLength: 5 })
    const terms = fc.record({
      proration: fc.constantFrom('second', 'day'),
      currency: fc.constantFrom('USD', 'JPY', 'KWD'),
      rounding: fc.constantFrom<Payment['rounding']>('half_up', 'half_even'),
      amount: fc.bigInt({ min: 0n, max: 10n ** 15n }).map(formatScaled),
      discount: fc.constantFrom('0', '0', '10', '33.333333333333', '100'),
      quantities: fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 6, maxLength: 6 }),
      trialDays: fc.constantFrom(0, 0, 3),
      included: fc.constantFrom<object>({}, {}, { included: '3' }),
      model: fc.oneof(fc.constant(undefined), fc.constantFrom(...seatModels)),
    })
    fc.assert(
      fc.property(seconds, terms, (cuts, { proration, currency, rounding, amount, discount, ...more }) => {
        const { amount: _, ...rest } = seats
        const priced = more.model ?? { amount }
        const price = { ...rest, ...priced, ...more.included, discount_percent: discount }
        const catalog = catalogOf({ plan: 'pro', currency, rounding, proration, prices: [price, base] })
        const trialUntil = more.trialDays === 0 ? {} : { trialUntil: `2026-06-0${1 + more.trialDays}` }
        const quantities = (n: number) => ({ quantities: { seats: String(more.quantities[n]) } })
        const changes = cuts
          .toSorted((a, b) => a - b)
          .map((second, n) => ({
            ...change('amended', n + 2, '2026-06-01', quantities(n + 1)),
            effectiveFromNs: june(second),
          }))
        const created = change('created', 1, '2026-06-01', { plan: 'pro', ...quantities(0), ...trialUntil })
        const lines = pricesOf(catalog, created, ...changes).recurring
        for (const segment of lines.flatMap(line => segmentsBefore(line, at('2026-08-01')))) {
          const wire = explanationToWire(
            { ...segment, timing: segment.line.price.timing },
            explainRecurring(segment),
          )
          expectSound(wire, recurringCharge(segment).amount, { currency, rounding })
          if (segment.line.price.model !== undefined) expectConnected(wire)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('an explanation for people', () => {
  const line = (explanation: Explanation, label: string) =>
    explanationToText(explanation).find(text => text.includes(label))

  it('counts a part of a period in what it was taken in', () => {
    const catalog = catalogOf({ plan: 'pro', prices: [seats] })
    const prices = pricesOf(
      catalog,
      change('created', 1, '2026-06-01', { plan: 'pro', quantities: { seats: '5' } }),
      change('amended', 2, '2026-06-10', { quantities: { seats: '8' } }),
      change('amended', 3, '2026-06-20T12:00:00', { quantities: { seats: '9' } }),
    )
    const texts = prices.recurring
      .flatMap(one => segmentsBefore(one, at('2026-07-01')))
      .map(segment => line(explainRecurring(segment), 'recurring')?.replace(/^.*unit +/, ''))
    expect(texts).toEqual([
      '20 USD × 5 × 9/30 days = 30 USD',
      '20 USD × 8 × 252/720 hours = 56 USD',
      '20 USD × 9 × 252/720 hours = 63 USD',
    ])
  })

  it('gives more than fifty fees or levels as a sum', () => {
    const [one] = fc.sample(cases(percentage, ['max'], quantity), { numRuns: 1 }) as [Case]
    const clamped = {
      model: 'percentage' as const,
      rate: scaled('10'),
      fixedAmount: scaledOne,
      perEventMinimum: scaled('2'),
    }
    const basis = { ...one.basis, price: { ...one.basis.price, model: clamped, included: 0n } }
    const accumulator = start({ ...one, basis, level: 0n })
    for (let n = 0; n < 60; n += 1) {
      const timeNs = basis.fromNs + BigInt(n)
      addSample(basis, accumulator, {
        timeNs,
        quantity: BigInt(n) * scaledOne,
        text: '',
        key: `k${n}`,
        cell: 0,
        group: '',
      })
    }
    const explanation = explainUsage(basis, accumulator, { currency: 'USD', rounding: 'half_up' })
    expect(explanation.steps.filter(step => step.what === 'event_fee')).toHaveLength(50)
    expect(line(explanation, '10 further events')).toContain('= 20 USD')
    expect(line(explanation, 'event by event')).toContain('the 51 lines above')
  })
})
