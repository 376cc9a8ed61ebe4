// What coupons take off the charges of a subscription. Contract section 9, `coupons`; docs/pricing.md, "Coupons".
// Invariants: no discount is negative or more than its charge, so `amount` stays at 0 or above; a charge's discounts and its
// net amount add up to the charge before coupons; an amount off is taken at most once in a billing period and currency; what a
// charge gets does not depend on charges that become due after it, so what was billed first is never changed by what comes.
//
// Which coupons a charge has is judged at the start of its segment. The charges of one billing period are taken in the order
// in which they become due, those due at one instant together; then coupon by coupon, by their place in the terms, each on what
// the one before left. Per cent: of each charge, rounded to 12 places, half away from zero. An amount: what is left of it for
// the period, shared in proportion to what is left of the charges, by largest remainder (share.ts).
// Worked example: base 20 in advance, usage 30 in arrears, 25 off: the base is due first and gets 20, the usage gets 5.

import type { Discount } from '../../schemas/billing/discount.js'
import type { Coupon } from '../../schemas/catalog/catalog.js'
import { divideRounded, type Scaled } from '../../schemas/money/decimal.js'
import { compareInstants } from '../../schemas/time.js'
import { wholePercent } from '../models/kept-percent.js'
import { shareInProportion } from './share.js'

/** A charge before coupons. */
export interface Discountable {
  readonly chargeId: string
  readonly price: string
  readonly currency: string
  readonly amount: Scaled
  readonly dueNs: bigint
  /** Names the billing period of the plan that holds the start of its segment. */
  readonly period: string
  /** Those in force at the start of its segment, by their place in the terms. */
  readonly coupons: readonly (Coupon | undefined)[]
  /** Of a one-off price: only a coupon that lists it takes something off. */
  readonly isOnlyIfListed?: boolean
}

/** What is left of a charge while coupons are taken off. */
interface Open extends Discountable {
  left: Scaled
  readonly discounts: Discount[]
}

/** By charge id; a charge that nothing is taken off is left out. */
export function discountsOf(charges: readonly Discountable[]): ReadonlyMap<string, readonly Discount[]> {
  const found = new Map<string, readonly Discount[]>()
  const open = charges.filter(isOpen).map((one): Open => ({ ...one, left: one.amount, discounts: [] }))
  for (const ofPeriod of groups(open, one => one.period).values()) {
    /** By code and currency: what of an amount off is taken already in this period. */
    const taken = new Map<string, Scaled>()
    const byDue = [...groups(ofPeriod, one => one.dueNs)].sort(([a], [b]) => compareInstants(a, b))
    for (const [, due] of byDue) takeOff(due.sort(byPriceThenId), taken)
  }
  for (const { chargeId, discounts } of open) if (discounts.length > 0) found.set(chargeId, discounts)
  return found
}

/** A credit is not made smaller by a coupon. */
function isOpen({ amount, coupons }: Discountable): boolean {
  return amount > 0n && coupons.some(one => one !== undefined)
}

function takeOff(due: readonly Open[], taken: Map<string, Scaled>): void {
  const places = Math.max(...due.map(one => one.coupons.length))
  for (let place = 0; place < places; place += 1) {
    const here = new Map<string, Coupon>()
    for (const { coupons } of due) {
      const coupon = coupons[place]
      if (coupon !== undefined) here.set(coupon.code, coupon)
    }
    for (const [code, coupon] of [...here].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const its = due.filter(
        one =>
          one.coupons[place]?.code === code &&
          appliesTo(coupon, one) &&
          (coupon.appliesTo !== undefined || one.isOnlyIfListed !== true),
      )
      if (coupon.percentOff === undefined)
        for (const alike of groups(its, one => one.currency).values()) takeAmount(coupon, alike, taken)
      else for (const one of its) take(one, code, divideRounded(one.left * coupon.percentOff, wholePercent))
    }
  }
}

export function appliesTo(
  { appliesTo: prices, currency }: Coupon,
  charge: Pick<Discountable, 'price' | 'currency'>,
): boolean {
  return (prices?.includes(charge.price) ?? true) && (currency ?? charge.currency) === charge.currency
}

/** Charges of one currency share what is left of the amount in it. */
function takeAmount(coupon: Coupon, its: readonly Open[], taken: Map<string, Scaled>): void {
  const { code, amountOff = 0n } = coupon
  const key = `${code} ${its[0]?.currency}`
  const before = taken.get(key) ?? 0n
  const total = its.reduce((sum, one) => sum + one.left, 0n)
  const rest = amountOff - before
  const amount = rest < total ? rest : total
  if (amount <= 0n) return
  taken.set(key, before + amount)
  const shares = shareInProportion(
    amount,
    its.map(one => one.left),
  )
  for (const [index, one] of its.entries()) take(one, code, shares[index]!)
}

function take(one: Open, code: string, amount: Scaled): void {
  if (amount === 0n) return
  one.left -= amount
  one.discounts.push({ code, amount })
}

function groups<K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const found = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = found.get(key)
    if (group === undefined) found.set(key, [item])
    else group.push(item)
  }
  return found
}

function byPriceThenId(a: Discountable, b: Discountable): number {
  return compareTexts(a.price, b.price) || compareTexts(a.chargeId, b.chargeId)
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
