// The oracle's MRR. Contract section 4: recurring prices normalised to a month, net of discounts, 0 in trial
// and in suspension. A movement occurs wherever a subscription's MRR changes; its kind depends on what the
// customer paid before and pays now in any currency. MRR is recomputed at every instant from what is in force
// just before it and at it.

import { Exact } from '../../../rating/testing/exact.js'
import { exactly, toPlaces } from '../../../rating/testing/slow-oracle.js'
import type { MovementKind, MrrMovementWire } from '../../../schemas/billing/mrr-movement.js'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { formatInstant } from '../../../schemas/time.js'
import { inUnits } from './calendar.js'
import { keptShare, wholePeriod } from './charges.js'
import { couponInstants, couponsAt, isFor } from './coupons.js'
import { type Line, never, planOf, type Subscription } from './prices.js'
import { correlationAt, instantsOf, termsAt } from './terms.js'

/** A movement without its id. */
export type OracleMovement = Omit<MrrMovementWire, 'movement_id'>

const timesTwelve = {
  year: 1,
  quarter: 4,
  month: 12,
  week: 52,
  day: 365,
} as const

export function movementsOf(
  customerId: string,
  subscriptions: readonly Subscription[],
  catalog: Catalog,
): OracleMovement[] {
  const lines = subscriptions.flatMap(one => one.lines)
  const instants = [
    ...new Set([
      ...lines.flatMap(line => [line.fromNs, line.untilNs]),
      ...subscriptions.flatMap(one => [...instantsOf(one.changes), ...couponInstants(one, catalog)]),
    ]),
  ]
  const currencies = [...new Set(lines.map(line => line.plan.currency))].sort()
  let everPaid = false
  return instants
    .filter(atNs => atNs !== never)
    .sort((a, b) => (a < b ? -1 : 1))
    .flatMap(atNs => {
      const nets = currencies.map(currency => ({
        currency,
        before: total(subscriptions.map(one => netMrrOf(one, catalog, currency, atNs - 1n))),
        after: total(subscriptions.map(one => netMrrOf(one, catalog, currency, atNs))),
      }))
      const moved = nets.flatMap(net =>
        movementsAt(customerId, subscriptions, catalog, net, atNs, kindOf(net, nets, everPaid)),
      )
      everPaid ||= nets.some(net => net.after.gt(0))
      return moved.sort((a, b) => compare(a.subscription_id, b.subscription_id))
    })
}

/** The customer's MRR in one currency just before an instant (a nanosecond) and at it. */
interface Net {
  readonly currency: string
  readonly before: Exact
  readonly after: Exact
}

function movementsAt(
  customerId: string,
  subscriptions: readonly Subscription[],
  catalog: Catalog,
  { currency, before }: Net,
  atNs: bigint,
  kind: MovementKind,
): OracleMovement[] {
  const movements: OracleMovement[] = []
  let running = before
  for (const one of subscriptions) {
    const before = netMrrOf(one, catalog, currency, atNs - 1n)
    const amount = netMrrOf(one, catalog, currency, atNs).minus(before)
    if (amount.eq(0)) continue
    movements.push({
      customer_id: customerId,
      subscription_id: one.id,
      effective_at: formatInstant(atNs),
      kind,
      amount: toPlaces(amount),
      currency,
      mrr_before: toPlaces(running),
      mrr_after: toPlaces(running.plus(amount)),
      correlation_id: correlationAt(one.changes, atNs),
    })
    running = running.plus(amount)
  }
  return movements
}

/** The kind of a movement in this currency, decided from all of the customer's currencies. */
function kindOf({ before, after }: Net, all: readonly Net[], everPaid: boolean): MovementKind {
  if (all.every(one => one.before.eq(0))) return everPaid ? 'reactivation' : 'new_business'
  if (all.every(one => one.after.eq(0))) return 'churn'
  const isMore = all.some(one => one.after.gt(one.before))
  const isLess = all.some(one => one.before.gt(one.after))
  if (after.eq(before) || (isMore && isLess)) return 'transfer'
  return isMore ? 'expansion' : 'contraction'
}

/** A subscription's MRR at an instant less the coupons without an end (or that say `net`), rounded once. */
function netMrrOf(one: Subscription, catalog: Catalog, currency: string, atNs: bigint): Exact {
  const terms = termsAt(one.changes, atNs)
  const lines = one.lines.filter(line => isPaid(line, currency, atNs))
  let left = lines.map(line => ({ price: line.price.price, currency, mrr: monthly(line) }))
  for (const coupon of terms === undefined ? [] : couponsAt(one, catalog, atNs)) {
    const hasEnd = coupon?.durationPeriods !== undefined || coupon?.untilNs !== undefined
    if (coupon === undefined || (coupon.mrr ?? (hasEnd ? 'gross' : 'net')) === 'gross') continue
    const all = total(left.filter(each => isFor(coupon, each)).map(each => each.mrr))
    const period = planOf(catalog, terms!.plan, terms!.planVersion)!.billingPeriod
    const [count, unit] = inUnits(period)
    const off =
      coupon.percentOff === undefined
        ? exactly(coupon.amountOff!).times(timesTwelve[unit]).div(count).div(12)
        : all.times(exactly(coupon.percentOff)).div(100)
    const rest = Exact.max(all.minus(off), 0)
    left = left.map(each =>
      isFor(coupon, each) && all.gt(0) ? { ...each, mrr: each.mrr.times(rest).div(all) } : each,
    )
  }
  return Exact.of(toPlaces(total(left.map(each => each.mrr))))
}

function isPaid(line: Line, currency: string, atNs: bigint): boolean {
  return line.fromNs <= atNs && atNs < line.untilNs && !line.trial && line.plan.currency === currency
}

function monthly({ price, period: billed, quantity }: Line): Exact {
  if (price.kind !== 'recurring') return Exact.of(0)
  const period = wholePeriod(price, quantity).times(keptShare(price))
  const [count, unit] = inUnits(billed)
  return period.times(timesTwelve[unit]).div(count).div(12)
}

/** A subscription's MRR at an instant before coupons, rounded once. */
export function mrrOf({ lines }: Pick<Subscription, 'lines'>, currency: string, atNs: bigint): Exact {
  const exact = lines.filter(line => isPaid(line, currency, atNs)).map(monthly)
  return Exact.of(toPlaces(total(exact)))
}

function total(amounts: readonly Exact[]): Exact {
  return amounts.reduce((sum, amount) => sum.plus(amount), exactly(0n))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
