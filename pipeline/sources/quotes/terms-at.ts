// The terms of a subscription on one day, from the lines that hold then: plan, quantities, and prices that differ from the
// plan's as overrides. What cannot be said in our words is told by name.

import { periodText } from '../../../schemas/catalog/billing-period.js'
import type { Plan, Price } from '../../../schemas/catalog/catalog.js'
import { priceToWire } from '../../../schemas/catalog/catalog-parser.js'
import { pricesOfPlan } from '../../../schemas/catalog/phases.js'
import { currenciesOfPlan } from '../../../schemas/catalog/plan-currencies.js'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import { formatScaled, type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { nearestHint } from '../../../schemas/nearest-name.js'
import type { MapContext } from '../source-kind.js'
import type { QuoteRules } from './quote-rules.js'
import type { Day, SoldLine, SoldStep } from './sold.js'

export interface Terms {
  readonly plan: string
  readonly planVersion: number | undefined
  readonly quantities: ReadonlyMap<string, Scaled>
  /** Prices in the wire form of a catalog. */
  readonly overrides: readonly Wire[]
  /** Prices for a subscription that lines are of, as the catalog has them. */
  readonly singles: ReadonlyMap<string, Wire>
}

export type Wire = Readonly<Record<string, unknown>>

/** `none`: nothing is sold on that day. Undefined: something is wrong and was told. */
export function termsAt(
  step: SoldStep,
  lines: readonly SoldLine[],
  day: Day,
  context: MapContext<QuoteRules>,
): Terms | 'none' | undefined {
  const held = lines.filter(one => one.from <= day && (one.until === undefined || day < one.until))
  const sold = held.filter(one => one.quantity > 0n)
  if (sold.length === 0) return 'none'
  const named = new Map(
    sold.flatMap(({ rule }) =>
      rule.kind === 'plan' ? [[`${rule.plan} ${rule.version ?? ''}`, rule] as const] : [],
    ),
  )
  const [plan, second] = [...named.values()]
  const [first] = sold
  if (plan === undefined || second !== undefined) {
    const [code, detail] =
      plan === undefined
        ? ['no_plan', `On ${day} no line is of a plan.`]
        : ['several_plans', `On ${day} the lines are of several plans: ${plan.plan} and ${second?.plan}.`]
    context.fault(code!, detail!, first?.pointer)
    return undefined
  }
  const known = planOf(plan, context.rules.plans)
  checkPlan(step, known, sold, context)
  const quantities = new Map<string, Scaled>()
  const overrides: Wire[] = []
  const singles = new Map<string, Wire>()
  for (const [price, own] of byPrice(held, plan.plan, known, context)) {
    const quantity = own.reduce((sum, one) => sum + one.quantity, 0n)
    const inPlan = known && pricesOfPlan(known).find(one => one.price === price)
    if (inPlan === undefined || isPerUnit(inPlan)) quantities.set(price, quantity)
    else if (inPlan.kind !== 'usage' && quantity > scaledOne)
      fault(
        context,
        own[0]!,
        'quantity_cannot_be_said',
        `the price ${price} is for a subscription, not for a unit.`,
      )
    if (quantity === 0n) continue
    if (inPlan?.kind === 'recurring' && inPlan.per === 'subscription') singles.set(price, wireOf(inPlan))
    const override = overrideOf(price, own, inPlan, context)
    if (override !== undefined) overrides.push(override)
  }
  return { plan: plan.plan, planVersion: plan.version, quantities, overrides, singles }
}

export function sameTerms(one: Terms, other: Terms): boolean {
  const textOf = ({ plan, planVersion, quantities, overrides }: Terms) => {
    const said = [...quantities].map(([price, quantity]) => [price, formatScaled(quantity)]).sort()
    return canonicalJson([plan, planVersion ?? null, said, overrides])
  }
  return textOf(one) === textOf(other)
}

/** Of what was sold before and is not any more the quantity is 0, or the amount where it has no quantity. */
export function withRemoved(terms: Terms, before: Terms): Terms {
  if (before.plan !== terms.plan || before.planVersion !== terms.planVersion) return terms
  const units = [...before.quantities.keys()].filter(price => !terms.quantities.has(price))
  const singles = [...before.singles].filter(([price]) => !terms.singles.has(price))
  return {
    ...terms,
    quantities: new Map([...terms.quantities, ...units.map(price => [price, 0n] as const)]),
    overrides: [...terms.overrides, ...singles.map(([, wire]) => ({ ...wire, amount: '0' }))],
    singles: new Map([...terms.singles, ...singles]),
  }
}

function planOf(
  { plan, version }: { readonly plan: string; readonly version: number | undefined },
  plans: readonly Plan[] | undefined,
): Plan | undefined {
  const all = plans?.filter(one => one.plan === plan) ?? []
  if (version !== undefined) return all.find(one => one.version === version)
  return all.toSorted((a, b) => b.version - a.version)[0]
}

function checkPlan(
  step: SoldStep,
  plan: Plan | undefined,
  sold: readonly SoldLine[],
  context: MapContext<QuoteRules>,
): void {
  if (plan === undefined) return
  const { plan: name, billingPeriod } = plan
  const currencies = currenciesOfPlan(plan)
  const [first] = sold
  if (step.currency !== undefined && !currencies.includes(step.currency) && first !== undefined)
    fault(
      context,
      first,
      'currency_mismatch',
      `the quote is in ${step.currency}, the plan ${name} in ${currencies.join(', ')}.`,
    )
  for (const line of sold) {
    const { rule } = line
    const price = rule.kind === 'price' ? pricesOfPlan(plan).find(one => one.price === rule.price) : undefined
    const period = price?.billingPeriod ?? billingPeriod
    if (line.frequency === undefined || line.frequency === period) continue
    const whose = price?.billingPeriod === undefined ? `plan ${name}` : `price ${price.price}`
    const detail = `it is billed by the ${periodText(line.frequency)}, the ${whose} by the ${periodText(period)}.`
    fault(context, line, 'frequency_mismatch', detail)
  }
}

/** A line of the plan is of its price for a subscription, where it has exactly one. */
function byPrice(
  held: readonly SoldLine[],
  plan: string,
  known: Plan | undefined,
  context: MapContext<QuoteRules>,
): ReadonlyMap<string, readonly SoldLine[]> {
  const found = new Map<string, SoldLine[]>()
  for (const line of held) {
    if (line.rule.kind !== 'price') continue
    const { price } = line.rule
    const names = known && pricesOfPlan(known).map(one => one.price)
    if (names !== undefined && !names.includes(price)) {
      const detail = `the plan ${plan} has no price ${price}${nearestHint(price, names)}.`
      fault(context, line, 'price_not_in_plan', detail)
      continue
    }
    found.set(price, [...(found.get(price) ?? []), line])
  }
  return found
}

function isPerUnit(price: Price): boolean {
  return price.kind !== 'usage' && price.per === 'unit'
}

function overrideOf(
  price: string,
  lines: readonly SoldLine[],
  inPlan: Price | undefined,
  context: MapContext<QuoteRules>,
): Wire | undefined {
  const sold = lines.filter(one => one.quantity > 0n)
  const [first] = sold
  if (first?.rule.kind !== 'price' || first.rule.netPrice === 'not_ours') return undefined
  const prices = [...new Set(sold.map(one => one.unitPrice))]
  const refuse = (code: string, detail: string) => fault(context, first, code, detail)
  if (prices.length > 1)
    return refuse('several_prices', `lines of the price ${price} have several net prices at once.`)
  const [net] = prices
  if (net === undefined) return undefined
  if (inPlan === undefined) {
    const isListed = sold.every(one => one.listPrice === undefined || one.listPrice === net)
    return isListed
      ? undefined
      : refuse(
          'discount_cannot_be_said',
          `a discount needs the plan's price ${price}: the mapping names no catalog.`,
        )
  }
  const usual = amountOf(inPlan)
  if (usual === net) return undefined
  if (usual === undefined)
    return refuse(
      'discount_cannot_be_said',
      `the price ${price} has no amount for a unit that a quote could change.`,
    )
  if (first.rule.netPrice === 'refuse')
    return refuse(
      'discount_not_taken',
      `the net price is ${formatScaled(net)}, that of the plan ${formatScaled(usual)}.`,
    )
  return { ...wireOf(inPlan), [inPlan.kind === 'usage' ? 'unit_amount' : 'amount']: formatScaled(net) }
}

function wireOf(price: Price): Wire {
  const { discount_percent: _, discount_periods: __, ...wire } = priceToWire(price)
  return wire
}

/** Of one unit, or of the subscription. */
function amountOf(price: Price): Scaled | undefined {
  if (price.discountPercent !== 0n) return undefined
  if (price.kind !== 'usage') return price.amount
  return price.model.model === 'per_unit' ? price.model.unitAmount : undefined
}

function fault(
  context: MapContext<QuoteRules>,
  { product, pointer }: SoldLine,
  code: string,
  detail: string,
): undefined {
  context.fault(code, `${product}: ${detail}`, pointer)
}
