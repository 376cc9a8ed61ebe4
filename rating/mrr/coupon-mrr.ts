// The MRR of a subscription with coupons: recurring prices a month, less the coupons that count. docs/pricing.md, "Coupons".
// Invariants: exact fractions, rounded once per instant and currency to 12 places; never below 0.
//
// Which coupons count: those without an end, as at Stripe; a coupon says otherwise with `mrr: net` or `mrr: gross`. Coupons
// are taken off in their order, each from what the one before left: per cent of each price it applies to, an amount, made
// monthly like the plan's billing period, from all of them together.

import type { BillingPeriod, Coupon, RecurringPrice } from '../../schemas/catalog/catalog.js'
import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { compareInstants, endlessNs } from '../../schemas/time.js'
import { appliesTo } from '../charges/coupons.js'
import { keptPercent, wholePercent } from '../models/kept-percent.js'
import { wholePeriodAmount } from '../models/quantity-price.js'
import {
  isAbove,
  minus,
  ofScaled,
  one,
  over,
  type Ratio,
  ratio,
  sumOf,
  times,
  toScaled,
  zero,
} from '../steps/ratio.js'
import type { CouponTerms } from '../timeline/coupon-terms.js'
import type { PriceLine, SubscriptionPrices } from '../timeline/price-lines.js'
import { versionAt } from '../timeline/timeline.js'

export interface MrrAt {
  readonly atNs: bigint
  readonly byCurrency: ReadonlyMap<string, Scaled>
}

/** How much of an amount a billing period is one month's. */
export type MonthlyPart = (period: BillingPeriod) => Ratio

/** A price's MRR while coupons are taken off. */
interface Monthly {
  readonly price: string
  readonly currency: string
  left: Ratio
}

/** At every instant at which it may change, ascending. */
export function mrrLessCoupons(
  { timeline, recurringInForce }: SubscriptionPrices,
  coupons: CouponTerms,
  monthlyPart: MonthlyPart,
): MrrAt[] {
  const paid = recurringInForce.filter(line => !line.trial)
  return instantsOf(timeline.versions, paid, coupons).map(atNs => {
    const monthly = paid
      .filter(line => line.fromNs <= atNs && atNs < line.untilNs)
      .map(line => monthlyOf(line, monthlyPart(line.billingPeriod)))
    const version = versionAt(timeline, atNs)
    if (version !== undefined) {
      const { billingPeriod } = coupons.planOf(version.terms)
      for (const coupon of coupons.inForce(version, atNs)) {
        if (coupon !== undefined && counts(coupon)) takeOff(coupon, monthly, monthlyPart(billingPeriod))
      }
    }
    return { atNs, byCurrency: sumsOf(monthly) }
  })
}

function instantsOf(
  versions: readonly { readonly fromNs: bigint; readonly untilNs: bigint }[],
  lines: readonly PriceLine[],
  coupons: CouponTerms,
): bigint[] {
  const spans = [...versions, ...lines, ...coupons.spans]
  const instants = new Set(spans.flatMap(({ fromNs, untilNs }) => [fromNs, untilNs]))
  return [...instants].filter(atNs => atNs !== endlessNs).sort(compareInstants)
}

function monthlyOf({ price, quantity, currency }: PriceLine<RecurringPrice>, part: Ratio): Monthly {
  const ofPeriod = ratio(
    wholePeriodAmount(price, quantity) * keptPercent(price),
    scaledOne * scaledOne * wholePercent,
  )
  return { price: price.price, currency, left: times(ofPeriod, part) }
}

export function counts({ mrr, durationPeriods, untilNs }: Coupon): boolean {
  if (mrr !== undefined) return mrr === 'net'
  return durationPeriods === undefined && untilNs === undefined
}

function takeOff(coupon: Coupon, monthly: readonly Monthly[], part: Ratio): void {
  const its = monthly.filter(each => appliesTo(coupon, each))
  const kept = keptOf(coupon, sumOf(its.map(each => each.left)), part)
  for (const each of its) each.left = times(each.left, kept)
}

function keptOf({ percentOff, amountOff = 0n }: Coupon, total: Ratio, part: Ratio): Ratio {
  if (percentOff !== undefined) return minus(one, ratio(percentOff, wholePercent))
  const off = times(ofScaled(amountOff), part)
  return isAbove(total, off) ? over(minus(total, off), total) : zero
}

function sumsOf(monthly: readonly Monthly[]): Map<string, Scaled> {
  const sums = new Map<string, Ratio[]>()
  for (const { currency, left } of monthly) sums.set(currency, [...(sums.get(currency) ?? []), left])
  return new Map([...sums].map(([currency, parts]) => [currency, toScaled(sumOf(parts))]))
}
