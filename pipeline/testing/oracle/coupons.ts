// The oracle's coupons. docs/pricing.md, "Coupons": which of them hold when a charge begins, and what each takes off it.
// Charges of one billing period of the plan are settled in the order in which they become due; those due together share an
// amount off in proportion, the digits that are left over going to the largest remainders.

import { Exact } from '../../../rating/testing/exact.js'
import { exactly, toPlaces } from '../../../rating/testing/slow-oracle.js'
import type { ChargeWire } from '../../../schemas/billing/charge.js'
import type { DiscountWire } from '../../../schemas/billing/discount.js'
import type { Catalog, Coupon } from '../../../schemas/catalog/catalog.js'
import { parseBoundary } from '../../../schemas/time.js'
import { dueNs } from './books.js'
import { type Period, periodAt } from './calendar.js'
import { never, planOf, type Subscription } from './prices.js'
import { instantsOf, termsAt } from './terms.js'

type Changes = Pick<Subscription, 'changes'>

/** By their place in the terms; undefined where the coupon does not hold at the instant. */
export function couponsAt(one: Changes, catalog: Catalog, atNs: bigint): (Coupon | undefined)[] {
  return (termsAt(one.changes, atNs)?.coupons ?? []).map(code => {
    const coupon = catalog.coupons!.find(other => other.code === code)!
    const span = spanOf(one, catalog, coupon)
    return span !== undefined && span.fromNs <= atNs && atNs < span.untilNs ? coupon : undefined
  })
}

/** Every instant at which a coupon of the subscription begins or ends by itself. */
export function couponInstants(one: Changes, catalog: Catalog): bigint[] {
  const spans = (catalog.coupons ?? []).map(coupon => spanOf(one, catalog, coupon))
  return spans.flatMap(span => (span === undefined ? [] : [span.fromNs, span.untilNs]))
}

/** From the first instant at which the terms name it, on or after its `from`, for so many periods of the plan of then. */
function spanOf({ changes }: Changes, catalog: Catalog, coupon: Coupon): Period | undefined {
  const instants = [...instantsOf(changes), coupon.fromNs ?? 0n].sort((a, b) => (a < b ? -1 : 1))
  const fromNs = instants.find(
    atNs => atNs >= (coupon.fromNs ?? 0n) && termsAt(changes, atNs)?.coupons.includes(coupon.code),
  )
  if (fromNs === undefined) return undefined
  let untilNs = coupon.untilNs ?? never
  if (coupon.durationPeriods !== undefined) {
    let endNs = fromNs
    for (let n = 0; n < coupon.durationPeriods; n += 1)
      endNs = planPeriod({ changes }, catalog, fromNs, endNs).untilNs
    if (endNs < untilNs) untilNs = endNs
  }
  return { fromNs, untilNs }
}

/** The period that holds an instant, in the calendar of the terms of another one. */
export function planPeriod({ changes }: Changes, catalog: Catalog, termsNs: bigint, atNs: bigint): Period {
  const { plan, planVersion, anchorNs, timezone } = termsAt(changes, termsNs)!
  return periodAt(anchorNs, timezone, planOf(catalog, plan, planVersion)!.billingPeriod, atNs)
}

export function isFor(coupon: Coupon, { price, currency }: { price: string; currency: string }): boolean {
  if (coupon.appliesTo !== undefined && !coupon.appliesTo.includes(price)) return false
  return coupon.currency === undefined || coupon.currency === currency
}

interface Left {
  readonly wire: ChargeWire
  readonly coupons: readonly (Coupon | undefined)[]
  amount: Exact
  readonly off: DiscountWire[]
}

/** What is taken off each charge, in their order. */
export function discountsOf(one: Changes, catalog: Catalog, wires: readonly ChargeWire[]): DiscountWire[][] {
  const all = wires.map((wire): Left => {
    const coupons = couponsAt(one, catalog, parseBoundary(wire.service_period.from)!)
    return { wire, coupons, amount: Exact.of(wire.amount), off: [] }
  })
  const periodOf = ({ wire }: Left) => {
    const fromNs = parseBoundary(wire.service_period.from)!
    const period = planPeriod(one, catalog, fromNs, fromNs)
    return `${period.fromNs} ${period.untilNs}`
  }
  const open = all.filter(each => each.amount.gt(0) && each.coupons.some(coupon => coupon !== undefined))
  for (const period of new Set(open.map(periodOf))) {
    const spent = new Map<string, Exact>()
    const its = open.filter(each => periodOf(each) === period)
    for (const due of [...new Set(its.map(each => dueNs(each.wire)))].sort((a, b) => (a < b ? -1 : 1)))
      settle(
        its.filter(each => dueNs(each.wire) === due),
        spent,
      )
  }
  return all.map(each => each.off)
}

/** Those due together: coupon by coupon, by their place. `spent`: of each amount off and currency, in this period. */
function settle(due: readonly Left[], spent: Map<string, Exact>): void {
  for (let place = 0; due.some(each => each.coupons.length > place); place += 1) {
    const here = due.flatMap(each => each.coupons[place] ?? [])
    const currencies = [...new Set(due.map(each => each.wire.currency))]
    const codes = [...new Set(here.map(coupon => coupon.code))].sort()
    for (const [code, currency] of codes.flatMap(one => currencies.map(each => [one, each] as const))) {
      const coupon = here.find(each => each.code === code)!
      const its = due
        .filter(each => each.coupons[place]?.code === code && isFor(coupon, each.wire))
        .filter(each => each.wire.currency === currency)
        .filter(each => each.wire.kind !== 'one_off' || coupon.appliesTo !== undefined)
        .sort((a, b) => (key(a) < key(b) ? -1 : 1))
      const shares =
        coupon.percentOff === undefined
          ? sharesOf(coupon, its, spent)
          : its.map(each => toPlaces(each.amount.times(exactly(coupon.percentOff!)).div(100)))
      for (const [n, each] of its.entries()) {
        if (shares[n] === '0') continue
        each.amount = each.amount.minus(shares[n]!)
        each.off.push({ code, amount: shares[n]! })
      }
    }
  }
}

/** A text that orders by price, then id: no price has a character before the space. */
function key({ wire }: Left): string {
  return `${wire.price} ${wire.charge_id}`
}

const digit = Exact.of(1).div(10n ** 12n)

function sharesOf({ code, amountOff }: Coupon, its: readonly Left[], spent: Map<string, Exact>): string[] {
  const total = its.reduce((sum, each) => sum.plus(each.amount), Exact.of(0))
  const key = `${code} ${its[0]?.wire.currency}`
  const rest = exactly(amountOff!).minus(spent.get(key) ?? 0)
  const amount = Exact.min(rest, total)
  if (amount.lte(0)) return its.map(() => '0')
  spent.set(key, (spent.get(key) ?? Exact.of(0)).plus(amount))
  const exact = its.map(each => amount.times(each.amount).div(total))
  // Rounded down: a whole number is its own ceiling, any other has one digit more.
  const shares = exact.map(share => {
    const up = share.div(digit).ceil().times(digit)
    return up.eq(share) ? share : up.minus(digit)
  })
  const given = () => shares.reduce((sum, share) => sum.plus(share), Exact.of(0))
  while (given().lt(amount)) {
    const remainders = exact.map((share, n) => share.minus(shares[n]!))
    const largest = remainders.reduce((most, one) => (one.gt(most) ? one : most))
    const at = remainders.findIndex(one => one.eq(largest))
    shares[at] = shares[at]!.plus(digit)
  }
  return shares.map(share => toPlaces(share))
}
