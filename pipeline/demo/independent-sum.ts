// Computes the expected figures of the demo in the plainest way: decimal.js over the scenario, customer by
// customer, from the catalog's text. It shares no arithmetic with rating/, so it reveals mistakes there.

import { Decimal } from 'decimal.js'
import { parse } from 'yaml'
import type { DemoPlan, DemoUsage, Scenario } from './scenario.js'

const Exact = Decimal.clone({ precision: 80, rounding: Decimal.ROUND_HALF_UP })

/** Sums as decimal text: no exponent, no trailing zeros. */
export interface IndependentSum {
  readonly inputTokens: string
  readonly outputTokens: string
  /** Exact, at 12 decimal places per charge. */
  readonly usageAmount: string
  /** Recurring charges of the month, and those of the next month that are paid in advance. */
  readonly recurringAmount: string
  /** The sum of all charges, each rounded to the cent. */
  readonly invoiced: string
  /** Monthly recurring revenue when the month ends. */
  readonly mrr: string
}

interface PriceText {
  readonly price: string
  readonly kind: 'recurring' | 'usage'
  readonly timing?: 'in_advance' | 'in_arrears'
  readonly amount?: string
  readonly per?: 'subscription' | 'unit'
  readonly unit_amount?: string
  readonly tiers?: readonly { up_to: string | null; unit_amount?: string; flat_amount?: string }[]
}

interface Stretch {
  readonly fromMs: number
  readonly untilMs: number
  readonly plan: DemoPlan
  readonly seats: number
}

export function independentSum(scenario: Scenario, catalogText: string): IndependentSum {
  const plans = (parse(catalogText) as { plans: { plan: DemoPlan; prices: PriceText[] }[] }).plans
  const pricesOf = (plan: DemoPlan): PriceText[] => plans.find(one => one.plan === plan)?.prices ?? []
  const usageOf: DemoUsage[][] = scenario.customers.map(() => [])
  for (const usage of scenario.usage) usageOf[usage.customer]?.push(usage)
  let usageAmount = new Exact(0)
  let recurringAmount = new Exact(0)
  let invoiced = new Exact(0)
  let mrr = new Exact(0)
  scenario.customers.forEach((_, index) => {
    const stretches = stretchesOf(scenario, index)
    for (const stretch of joined(stretches, (a, b) => a.plan === b.plan)) {
      for (const amount of usageCharges(pricesOf(stretch.plan), stretch, usageOf[index] ?? [])) {
        usageAmount = usageAmount.plus(amount)
        invoiced = invoiced.plus(amount.toDecimalPlaces(2))
      }
    }
    for (const price of ['base', 'seats']) {
      const same = (a: Stretch, b: Stretch) => a.plan === b.plan && (price === 'base' || a.seats === b.seats)
      for (const stretch of joined(stretches, same)) {
        const monthly = monthlyAmount(pricesOf(stretch.plan), price, stretch.seats)
        const part = new Exact(stretch.untilMs - stretch.fromMs)
        const amount = monthly
          .times(part)
          .div(scenario.untilMs - scenario.fromMs)
          .toDecimalPlaces(12)
        recurringAmount = recurringAmount.plus(amount)
        invoiced = invoiced.plus(amount.toDecimalPlaces(2))
      }
      const last = stretches.at(-1)
      if (last === undefined) continue
      const prices = pricesOf(last.plan)
      const monthly = monthlyAmount(prices, price, last.seats)
      mrr = mrr.plus(monthly)
      // The run at the end of the month also bills the next month's fees that are paid in advance.
      if (prices.find(one => one.price === price)?.timing !== 'in_advance') continue
      recurringAmount = recurringAmount.plus(monthly)
      invoiced = invoiced.plus(monthly)
    }
  })
  const tokens = (field: 'inputTokens' | 'outputTokens') =>
    scenario.usage.reduce((sum, usage) => sum.plus(usage[field]), new Exact(0)).toFixed()
  return {
    inputTokens: tokens('inputTokens'),
    outputTokens: tokens('outputTokens'),
    usageAmount: usageAmount.toFixed(),
    recurringAmount: recurringAmount.toFixed(),
    invoiced: invoiced.toFixed(),
    mrr: mrr.toFixed(),
  }
}

function stretchesOf(scenario: Scenario, index: number): Stretch[] {
  const customer = scenario.customers[index]
  if (customer === undefined) return []
  const first = {
    fromMs: customer.fromMs,
    untilMs: scenario.untilMs,
    plan: customer.plan,
    seats: customer.seats,
  }
  const amendment = scenario.amendments.find(one => one.customer === index)
  if (amendment === undefined) return [first]
  const atMs = Math.max(amendment.effectiveFromMs, customer.fromMs)
  const after = { ...first, fromMs: atMs, plan: amendment.plan ?? customer.plan, seats: amendment.seats }
  return [{ ...first, untilMs: atMs }, after].filter(stretch => stretch.fromMs < stretch.untilMs)
}

/** Joins adjacent ranges that are the same. */
function joined(stretches: readonly Stretch[], same: (a: Stretch, b: Stretch) => boolean): Stretch[] {
  const result: Stretch[] = []
  for (const stretch of stretches) {
    const last = result.at(-1)
    if (last !== undefined && same(last, stretch))
      result[result.length - 1] = { ...last, untilMs: stretch.untilMs }
    else result.push(stretch)
  }
  return result
}

function usageCharges(
  prices: readonly PriceText[],
  stretch: Stretch,
  usage: readonly DemoUsage[],
): Decimal[] {
  const within = usage.filter(one => one.timeMs >= stretch.fromMs && one.timeMs < stretch.untilMs)
  return prices
    .filter(price => price.kind === 'usage')
    .map(price => {
      const field = price.price === 'input' ? 'inputTokens' : 'outputTokens'
      const quantity = within.reduce((sum, one) => sum.plus(one[field]), new Exact(0))
      return usageAmountOf(price, quantity).toDecimalPlaces(12)
    })
}

function usageAmountOf(price: PriceText, quantity: Decimal): Decimal {
  if (price.unit_amount !== undefined) return quantity.times(price.unit_amount)
  let amount = new Exact(0)
  let below = new Exact(0)
  for (const [index, tier] of (price.tiers ?? []).entries()) {
    if (index > 0 && quantity.lte(below)) break
    const upTo = tier.up_to === null ? quantity : Decimal.min(quantity, tier.up_to)
    amount = amount.plus(upTo.minus(below).times(tier.unit_amount ?? 0)).plus(tier.flat_amount ?? 0)
    below = new Exact(tier.up_to ?? quantity)
  }
  return amount
}

function monthlyAmount(prices: readonly PriceText[], id: string, seats: number): Decimal {
  const price = prices.find(one => one.price === id)
  if (price?.amount === undefined) return new Exact(0)
  return new Exact(price.amount).times(price.per === 'unit' ? seats : 1)
}
