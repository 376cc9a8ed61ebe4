// Close: the charges of a subscription as of an instant. Contract section 4, "Charge", and section 5, `simulate`.
// It owns which segments have a charge and when a charge is due; the caller passes in the totals of usage.
// Invariants: one charge per segment, net of what coupons take off; an open charge is computed as if nothing more happened until its segment ends.
//
// Every one-off price that came into force has a charge, whose service period is that instant: it is due at once.
// Every recurring segment has a charge, in a trial one of 0 that records the terms in force. A usage segment has one when it
// was used (an event, or a level carried into it) or owes something without usage (a flat amount, a minimum).

import type { Charge } from '../../schemas/billing/charge.js'
import { discountTotal } from '../../schemas/billing/discount.js'
import type { UsagePrice } from '../../schemas/catalog/catalog.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import { compareInstants } from '../../schemas/time.js'
import type { CouponTerms } from '../timeline/coupon-terms.js'
import { type ChargePlace, placeOfOneOff } from '../timeline/one-off-lines.js'
import { type Segment, type SubscriptionPrices, segmentsBefore } from '../timeline/price-lines.js'
import { commitmentCharges } from './commitments.js'
import { discountsOf } from './coupons.js'
import { oneOffCharge } from './one-off.js'
import { recurringCharge } from './recurring.js'
import { roundToCurrency } from './rounding.js'

/** The totals of a segment's usage; without usage, the amount owed for zero. */
export type UsageTotals = (segment: Segment<UsagePrice>) => {
  readonly quantity: Scaled
  readonly amount: Scaled
  readonly events: number
}

/** The charges of all segments that begin before `asOfNs`, by start, then price. */
export function chargesOf(prices: SubscriptionPrices, asOfNs: bigint, usage: UsageTotals): Charge[] {
  const charges: Charge[] = []
  const places: Place[] = []
  const add = (segment: Segment, quantity: Scaled, amount: Scaled) => {
    charges.push(chargeOfSegment(segment, quantity, amount, asOfNs))
    places.push(segment)
  }
  for (const line of prices.recurring) {
    for (const segment of segmentsBefore(line, asOfNs)) {
      const { quantity, amount } = recurringCharge(segment)
      add(segment, quantity, amount)
    }
  }
  for (const lines of prices.usage.values()) {
    for (const line of lines) {
      for (const segment of segmentsBefore(line, asOfNs)) {
        const { quantity, amount, events } = usage(segment)
        if (events === 0 && quantity === 0n && amount === 0n) continue
        add(segment, quantity, amount)
      }
    }
  }
  for (const line of prices.oneOff.filter(one => one.fromNs < asOfNs)) {
    const { quantity, amount } = oneOffCharge(line)
    const place = placeOfOneOff(line)
    charges.push(chargeOfSegment(place, quantity, amount, asOfNs))
    places.push(place)
  }
  const owed = prices.coupons === undefined ? charges : lessCoupons(prices.coupons, charges, places)
  return [...owed, ...commitmentCharges(prices.bounds, owed, asOfNs)].sort(byStartThenPrice)
}

type Place = Pick<Segment, 'line' | 'version'>

/** `places` are those of the charges, in their order. */
function lessCoupons(coupons: CouponTerms, charges: readonly Charge[], places: readonly Place[]): Charge[] {
  const discounts = discountsOf(
    charges.map((charge, index) => {
      const { version } = places[index]!
      const period = coupons.periodAt(version, charge.fromNs)
      return {
        chargeId: charge.chargeId,
        price: charge.price,
        currency: charge.currency,
        amount: charge.amount,
        dueNs: dueAt(charge),
        period: `${period.fromNs} ${period.untilNs}`,
        coupons: coupons.inForce(version, charge.fromNs),
        isOnlyIfListed: charge.kind === 'one_off',
      }
    }),
  )
  return charges.map((charge, index) => {
    const off = discounts.get(charge.chargeId)
    if (off === undefined) return charge
    const amount = charge.amount - discountTotal(off)
    const { currency, rounding } = places[index]!.line
    return { ...charge, amount, amountRounded: roundToCurrency(amount, currency, rounding), discounts: off }
  })
}

/** A charge is due when its service period has ended, or, in advance, when it begins. */
export function dueAt(charge: Pick<Charge, 'timing' | 'fromNs' | 'untilNs'>): bigint {
  return charge.timing === 'in_advance' ? charge.fromNs : charge.untilNs
}

/** Plan, entity and contract are those in force at its beginning. */
function chargeOfSegment(place: ChargePlace, quantity: Scaled, amount: Scaled, asOfNs: bigint): Charge {
  const { line, version, fromNs, untilNs } = place
  const { terms } = version
  const { price } = line
  return {
    chargeId: place.chargeId,
    customerId: line.customerId,
    subscriptionId: line.subscriptionId,
    subscriptionVersion: terms.sequence,
    entityId: terms.entityId,
    contractId: terms.contractId,
    correlationId: terms.correlationId,
    plan: terms.plan,
    planVersion: terms.planVersion,
    price: price.price,
    meter: price.kind === 'usage' ? price.meter : '',
    kind: price.kind,
    timing: price.kind === 'recurring' ? price.timing : 'in_arrears',
    quantity,
    fromNs,
    untilNs,
    timezone: line.timezone,
    amount,
    amountRounded: roundToCurrency(amount, line.currency, line.rounding),
    currency: line.currency,
    status: untilNs <= asOfNs ? 'closed' : 'open',
  }
}

function byStartThenPrice(a: Charge, b: Charge): number {
  return compareInstants(a.fromNs, b.fromNs) || (a.price < b.price ? -1 : Number(a.price > b.price))
}
