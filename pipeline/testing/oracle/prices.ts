// The oracle's price lines. Contract section 3, "What restarts when a subscription changes": maximal ranges
// of equal terms of one price, and the segments that service periods cut them into.

import type { BillingPeriod, Catalog, OneOffPrice, Plan, Price } from '../../../schemas/catalog/catalog.js'
import type { Proration } from '../../../schemas/catalog/proration.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { endlessNs } from '../../../schemas/time.js'
import { dateOf, type Period, periodAt, periodStart } from './calendar.js'
import { canonical } from './canonical.js'
import { allInstantsOf, isTrial, planOf, pricesAt } from './stages.js'
import { type Terms, termsAt } from './terms.js'

export { planOf } from './stages.js'

/** `never` is an instant after every other one, `always` one before every other one. */
export const never = endlessNs
const always = -never

export interface Subscription {
  readonly id: string
  readonly customerId: string
  /** Of the customer; undefined: none was told. */
  readonly currency?: string | undefined
  /** The changes in effect. */
  readonly changes: readonly SubscriptionChange[]
  /** What is in force. */
  readonly lines: readonly Line[]
  /** What is billed. */
  readonly billed: readonly Line[]
  readonly oneOffs: readonly OneOff[]
}

/** A one-off price, at the instant at which it is owed. */
export interface OneOff {
  readonly price: OneOffPrice
  readonly plan: Plan
  readonly terms: Terms
  readonly quantity: Scaled
  readonly atNs: bigint
}

/** One price over [fromNs, untilNs) under terms that stay equal. */
export interface Line {
  /** The price, without its discount once the discount has run out. */
  readonly price: Price
  readonly plan: Plan
  /** Of the price, else of the plan. */
  readonly period: BillingPeriod
  /** Of the price, else of the plan. */
  readonly proration: Proration
  readonly terms: Terms
  readonly fromNs: bigint
  readonly untilNs: bigint
  readonly trial: boolean
  /** Whether the whole of the period in which it begins or ends is owed with it. */
  readonly startsWhole?: boolean
  readonly endsWhole?: boolean
  /** The parts of it in which the subscription is suspended. */
  readonly suspensions: readonly Period[]
  readonly quantity: Scaled
  /** The text by which terms are compared: equal texts, equal terms. */
  readonly key: string
}

export interface Segment {
  readonly line: Line
  readonly period: Period
  readonly fromNs: bigint
  readonly untilNs: bigint
}

export function linesOf(changes: readonly SubscriptionChange[], catalog: Catalog): Line[] {
  const done: Line[] = []
  const newest = new Map<string, Line>()
  for (const stretch of stretchesOf(changes, catalog)) {
    const id = stretch.price.price
    const last = newest.get(id)
    if (last?.untilNs === stretch.fromNs && last.key === stretch.key) {
      const suspensions = [...last.suspensions, ...stretch.suspensions]
      newest.set(id, { ...last, suspensions, untilNs: stretch.untilNs })
      continue
    }
    if (last !== undefined) done.push(last)
    newest.set(id, stretch)
  }
  return [...done, ...newest.values()]
}

/** The line's parts of service periods that begin before an instant, in order. */
export function segmentsOf(line: Line, beforeNs: bigint): Segment[] {
  const segments: Segment[] = []
  for (let fromNs = line.fromNs; fromNs < earliest(line.untilNs, beforeNs); ) {
    const { anchorNs, timezone } = line.terms
    const period = periodAt(anchorNs, timezone, line.period, fromNs)
    const untilNs = earliest(period.untilNs, line.untilNs)
    segments.push({ line, period, fromNs, untilNs })
    fromNs = untilNs
  }
  return segments
}

/** The segment's share of its period, by the plan's proration: of elapsed time, or of calendar days in the time zone. */
export function partOf(segment: Segment): { numerator: bigint; denominator: bigint } {
  const { line, period } = segment
  const unit = line.proration.split('/').find(rule => rule !== 'none') ?? 'none'
  const fromNs = line.startsWhole && segment.fromNs === line.fromNs ? period.fromNs : segment.fromNs
  const untilNs = line.endsWhole && segment.untilNs === line.untilNs ? period.untilNs : segment.untilNs
  const isWhole = fromNs === period.fromNs && untilNs === period.untilNs
  if (isWhole || unit === 'none') return { numerator: 1n, denominator: 1n }
  const date = (instantNs: bigint) => dateOf(line.terms.timezone, instantNs)
  const days = date(period.untilNs) - date(period.fromNs)
  if (unit === 'day' && days > 0) {
    return { numerator: BigInt(date(untilNs) - date(fromNs)), denominator: BigInt(days) }
  }
  return { numerator: untilNs - fromNs, denominator: period.untilNs - period.fromNs }
}

export function earliest(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** An override replaces the price of the same id that the plan has then, or is added to those. */
export function pricesInForce(of: readonly Price[], terms: Terms): Price[] {
  return [...new Map([...of, ...terms.overrides].map(price => [price.price, price])).values()]
}

/** Each price in force between two neighbouring instants at which anything may change. */
function stretchesOf(changes: readonly SubscriptionChange[], catalog: Catalog): Line[] {
  const stretches: Line[] = []
  const instants = allInstantsOf(changes, catalog)
  for (const [index, fromNs] of instants.entries()) {
    const untilNs = instants[index + 1] ?? never
    const terms = termsAt(changes, fromNs)
    if (terms === undefined) continue
    const plan = planOf(catalog, terms.plan, terms.planVersion)!
    const trial = isTrial(terms, changes, catalog, fromNs)
    for (const price of pricesInForce(pricesAt(changes, catalog, fromNs), terms)) {
      // one-offs.ts has those.
      if (price.kind === 'one_off') continue
      // Nothing recurring is owed in a suspension; usage terms stay what they are.
      if (price.kind === 'recurring' && terms.status === 'suspended') continue
      const endNs = discountEnd(price, plan, terms)
      for (const cut of cutAt({ fromNs, untilNs }, endNs)) {
        stretches.push(stretchOf(price, plan, terms, cut, trial, cut.fromNs < endNs))
      }
    }
  }
  return stretches
}

/** `discount_periods` are counted from the first anchor; without them a discount lasts for ever. */
function discountEnd(price: Price, plan: Plan, terms: Terms): bigint {
  if (price.discountPercent === 0n) return always
  if (price.discountPeriods === undefined) return never
  const period = price.billingPeriod ?? plan.billingPeriod
  return periodStart(terms.firstAnchorNs, terms.timezone, period, price.discountPeriods)
}

/**
 * The quantity of a price per unit: from the subscription, else the price's default; undefined if neither
 * gives one.
 */
export function quantityOf(price: Price, terms: Terms): Scaled | undefined {
  if (price.kind === 'usage' || price.per === 'subscription') return scaledOne
  return terms.quantities.get(price.price) ?? price.defaultQuantity
}

/**
 * What makes two prices the same price: a default quantity is compared by the quantity that results from it, a period of
 * its own by the period that the price then has, and its proration so, too.
 */
function contentOf(price: Price): object {
  return { ...price, currencies: undefined, defaultQuantity: 0n, billingPeriod: 'day', proration: 'day' }
}

/** Usage knows no direction: of two rules it has the one that counts something. */
function prorationOf(price: Price, plan: Plan): Proration {
  const proration = price.proration ?? plan.proration
  if (price.kind === 'recurring') return proration
  return (proration.split('/').find(rule => rule !== 'none') ?? 'none') as Proration
}

function cutAt({ fromNs, untilNs }: Period, atNs: bigint): Period[] {
  if (atNs <= fromNs || untilNs <= atNs) return [{ fromNs, untilNs }]
  return [
    { fromNs, untilNs: atNs },
    { fromNs: atNs, untilNs },
  ]
}

function stretchOf(
  written: Price,
  plan: Plan,
  terms: Terms,
  span: Period,
  trial: boolean,
  discounted: boolean,
): Line {
  const { discountPeriods: _, ...rest } = written
  const price: Price = discounted ? written : { ...rest, discountPercent: 0n }
  const quantity = quantityOf(price, terms)!
  const { currency, rounding, minimumWhenSuspended } = plan
  const proration = prorationOf(price, plan)
  const period = price.billingPeriod ?? plan.billingPeriod
  const ofPlan = [currency, rounding, period, proration, minimumWhenSuspended]
  const frame = [...ofPlan, terms.anchorNs, terms.timezone]
  return {
    price,
    plan,
    period,
    proration,
    terms,
    ...span,
    trial,
    suspensions: terms.status === 'suspended' ? [span] : [],
    quantity,
    key: canonical([contentOf(price), frame, trial, quantity]),
  }
}
