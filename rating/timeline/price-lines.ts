// Price lines: which prices of a subscription are in force when, as intervals of equal terms, as long as possible. Contract section
// 3, "What restarts when a subscription changes". segment.ts cuts them at service periods.
// Invariants: a line is as long as its terms stay equal, whatever else changes beside it (seats leave usage lines
// alone, a plan change with an equal price does not cut it); of one price, no two lines overlap. A one-off price has one line
// in the life of a subscription, without length (one-off-lines.ts).
//
// Equal terms: the price's content, currency, rounding, billing period, proration, anchor, time zone, whether a
// minimum is owed in a suspension, trial or not, and for recurring prices the quantity. An ended discount is not part of the content, so a line is cut
// where the discount ends. Nothing recurring is owed in a suspension, so it cuts recurring lines; usage lines run through it.

import type {
  BillingPeriod,
  OneOffPrice,
  Plan,
  Price,
  RecurringPrice,
  UsagePrice,
} from '../../schemas/catalog/catalog.js'
import { pricesOfPlan } from '../../schemas/catalog/phases.js'
import { prorationUnit } from '../../schemas/catalog/proration.js'
import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { beginninglessNs, compareInstants, endlessNs } from '../../schemas/time.js'
import { type ServiceCalendar, serviceCalendar } from '../periods/service-period.js'
import { billedLines } from './billed-lines.js'
import { type BoundLine, boundLinesOf } from './bound-lines.js'
import type { CatalogIndex } from './catalog-index.js'
import { CouponTerms } from './coupon-terms.js'
import { isSameLine } from './line-terms.js'
import { planIn } from './plan-currency.js'
import { planStart, stagesOf, withOverrides } from './plan-stages.js'
import { planTrialEnd } from './plan-trial.js'
import { withoutDiscount } from './price-content.js'
import { newSegmentCache, type PriceLine } from './segment.js'
import type { ResolvedTerms, Timeline, Version } from './timeline.js'

export { lineKeyOf } from './line-terms.js'
export { type PriceLine, type Segment, segmentAt, segmentsBefore } from './segment.js'

export interface SubscriptionPrices {
  readonly timeline: Timeline
  /** By meter, in order of their start. */
  readonly usage: ReadonlyMap<string, readonly PriceLine<UsagePrice>[]>
  /** What is billed. */
  readonly recurring: readonly PriceLine<RecurringPrice>[]
  /** What is in force, which the MRR follows; it differs where something is not prorated. */
  readonly recurringInForce: readonly PriceLine<RecurringPrice>[]
  /** Without length, at the instant at which each is owed. */
  readonly oneOff: readonly PriceLine<OneOffPrice>[]
  /** Undefined: it has no coupon at any time. They cut no line. */
  readonly coupons: CouponTerms | undefined
  /** What the charges have to come to; empty for most. They cut no line. */
  readonly bounds: readonly BoundLine[]
}

/** A line while it may still grow. */
type GrowingLine<P extends Price = Price> = { -readonly [K in keyof PriceLine<P>]: PriceLine<P>[K] }

/** The catalog holds every plan of the timeline, and every quantity that one needs is set. */
export function resolvePrices(timeline: Timeline, catalog: CatalogIndex): SubscriptionPrices {
  const resolver = new Resolver(timeline, catalog)
  for (const version of timeline.versions) resolver.add(version)
  const { usage, recurring, oneOff } = resolver
  const billed = billedLines(timeline, recurring)
  const coupons = CouponTerms.of(timeline, catalog)
  const bounds = boundLinesOf(timeline, catalog)
  return { timeline, usage, recurring: billed, recurringInForce: recurring, oneOff, coupons, bounds }
}

/** Adds the versions of a timeline in order, so that what stays equal stays one line. */
class Resolver {
  readonly usage = new Map<string, PriceLine<UsagePrice>[]>()
  readonly recurring: PriceLine<RecurringPrice>[] = []
  readonly oneOff: PriceLine<OneOffPrice>[] = []
  readonly #newest = new Map<string, GrowingLine>()
  readonly #timeline: Timeline
  readonly #catalog: CatalogIndex
  readonly #planTrialNs: bigint
  /** The version with which the plan in force began. */
  #start: Version | undefined

  constructor(timeline: Timeline, catalog: CatalogIndex) {
    this.#timeline = timeline
    this.#catalog = catalog
    this.#planTrialNs = planTrialEnd(timeline, catalog)
  }

  add(version: Version): void {
    const { terms } = version
    const published = this.#catalog.plan(terms.plan, terms.planVersion)
    if (published === undefined)
      throw new Error(`The plan ${terms.plan} ${terms.planVersion} is not published.`)
    const plan = planIn(published, this.#timeline.currency)
    this.#start = planStart(version, this.#start)
    for (const stage of stagesOf(version, this.#start, plan)) {
      const { fromNs, untilNs } = stage
      for (const price of withOverrides(stage.prices, terms.priceOverrides))
        this.#addPrice(price, plan, { fromNs, untilNs, terms })
    }
  }

  /** `version`: the part of it in which the plan has the price. */
  #addPrice(price: Price, plan: Plan, version: Version): void {
    const { terms, fromNs } = version
    const period = price.billingPeriod ?? plan.billingPeriod
    const calendar = serviceCalendar(terms.billingAnchorNs, terms.timezone, period)
    const trialUntilNs = terms.trialUntilNs ?? this.#planTrialNs
    if (price.kind === 'one_off') {
      // Once for each id, whatever its content is later.
      if (this.oneOff.some(one => one.price.price === price.price)) return
      const instant = { price, fromNs, untilNs: fromNs, trial: fromNs < trialUntilNs }
      const line = newLine(this.#timeline, plan, terms, calendar, instant)
      this.oneOff.push(line as PriceLine<OneOffPrice>)
      return
    }
    if (price.kind === 'recurring' && terms.status !== 'active') return
    for (const interval of intervalsOf(price, version, trialUntilNs, discountEnd(price, terms, period)))
      this.#addLine(newLine(this.#timeline, plan, terms, calendar, interval))
  }

  #addLine(line: GrowingLine): void {
    const { price } = line.price
    const before = this.#newest.get(price)
    if (before?.untilNs === line.fromNs && isSameLine(before, line)) {
      before.untilNs = line.untilNs
      return
    }
    this.#newest.set(price, line)
    if (line.price.kind === 'usage') addTo(this.usage, line.price.meter, line as PriceLine<UsagePrice>)
    else this.recurring.push(line as PriceLine<RecurringPrice>)
  }
}

/** Ids of the prices per unit whose quantity neither the terms nor the price say: a reason to refuse the change. */
export function missingQuantities(terms: ResolvedTerms, catalog: CatalogIndex): string[] {
  const missing = unitPrices(terms, catalog)
    .filter(({ price, defaultQuantity }) => defaultQuantity === undefined && !terms.quantities.has(price))
    .map(({ price }) => price)
  return [...new Set(missing)]
}

/** The prices per unit that these terms have, in any phase of the plan. */
export function unitPrices(terms: ResolvedTerms, catalog: CatalogIndex): (RecurringPrice | OneOffPrice)[] {
  const plan = catalog.plan(terms.plan, terms.planVersion)
  const prices = plan === undefined ? [] : pricesOfTerms(plan, terms)
  return prices.filter(price => price.kind !== 'usage').filter(price => price.per === 'unit')
}

/** All prices that these terms have, in any phase of the plan: an override in the place of every price of that id. */
export function pricesOfTerms(plan: Plan, terms: ResolvedTerms): readonly Price[] {
  const { priceOverrides } = terms
  if (plan.phases === undefined) return withOverrides(plan.prices, priceOverrides)
  const isOverridden = ({ price }: Price) => priceOverrides.some(one => one.price === price)
  return [...pricesOfPlan(plan).filter(price => !isOverridden(price)), ...priceOverrides]
}

interface Interval {
  readonly price: Price
  readonly fromNs: bigint
  readonly untilNs: bigint
  readonly trial: boolean
}

/** A version cut where the trial and where the price's discount ends. */
function intervalsOf(
  price: Price,
  version: Version,
  trialUntilNs: bigint,
  discountUntilNs: bigint,
): Interval[] {
  const cuts = [trialUntilNs, discountUntilNs]
    .filter(cutNs => version.fromNs < cutNs && cutNs < version.untilNs)
    .sort(compareInstants)
  const intervals: Interval[] = []
  let fromNs = version.fromNs
  for (const untilNs of [...cuts, version.untilNs]) {
    if (untilNs === fromNs) continue
    const discounted = fromNs < discountUntilNs
    const inForce = discounted ? price : withoutDiscount(price)
    intervals.push({ price: inForce, fromNs, untilNs, trial: fromNs < trialUntilNs })
    fromNs = untilNs
  }
  return intervals
}

/** Counted in the price's periods from the first anchor, so that a new anchor does not lengthen it. Without a discount: the beginning of time. */
function discountEnd(price: Price, terms: ResolvedTerms, period: BillingPeriod): bigint {
  if (price.discountPercent === 0n) return beginninglessNs
  if (price.discountPeriods === undefined) return endlessNs
  return serviceCalendar(terms.firstAnchorNs, terms.timezone, period).startOf(price.discountPeriods)
}

function newLine(
  timeline: Timeline,
  plan: Plan,
  terms: ResolvedTerms,
  calendar: ServiceCalendar,
  { price, fromNs, untilNs, trial }: Interval,
): GrowingLine {
  const proration = price.proration ?? plan.proration
  return {
    subscriptionId: timeline.subscriptionId,
    customerId: timeline.customerId,
    price,
    fromNs,
    untilNs,
    currency: plan.currency,
    rounding: plan.rounding,
    minimumWhenSuspended: plan.minimumWhenSuspended,
    billingPeriod: price.billingPeriod ?? plan.billingPeriod,
    proration: price.kind === 'usage' ? prorationUnit(proration) : proration,
    isStartWhole: false,
    isEndWhole: false,
    billingAnchorNs: terms.billingAnchorNs,
    timezone: terms.timezone,
    calendar,
    trial,
    quantity: quantityOf(price, terms),
    segments: newSegmentCache(timeline),
  }
}

function quantityOf(price: Price, terms: ResolvedTerms): Scaled {
  if (price.kind === 'usage' || price.per === 'subscription') return scaledOne
  const quantity = terms.quantities.get(price.price) ?? price.defaultQuantity
  if (quantity === undefined) throw new Error(`The price ${price.price} is per unit and has no quantity.`)
  return quantity
}

function addTo<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}
