// What bounds make of the charges of a subscription: a charge of kind `commitment` for what is missing to a minimum or a commitment, or, below
// 0, for what is beyond a maximum. Contract section 9; docs/pricing.md, "Minimum, maximum and commitments".
// Invariants: with its charge, what counts comes to the bound; where the bound is kept there is no charge; each charge counts to a bound in
// the period in which it is booked, net of coupons, and over the segments of that period to no more than its amount.
//
// Booked: in advance at its start, in arrears on the last instant of its service period. Where the bound is in force for a part of the
// period alone, a charge counts by the part of its service period, within that period, that lies in the segment. Bounds are settled one after
// the other: one over all prices also counts what those before it charged.
// Worked example: at least 500 a month; base 99 in advance, usage 120.5: 500 - 219.5 = 280.5 is due with the end of the month.

import type { Charge } from '../../schemas/billing/charge.js'
import type { MadeUpFor } from '../../schemas/billing/made-up-for.js'
import { divideRounded, type Scaled, scaledMax, scaledOne } from '../../schemas/money/decimal.js'
import { earlier, later } from '../../schemas/time.js'
import { toScaled } from '../steps/ratio.js'
import {
  type BoundLine,
  type BoundSegment,
  boundAmount,
  boundSegmentsBefore,
} from '../timeline/bound-lines.js'
import { roundToCurrency } from './rounding.js'

/** `charges`: of the subscription, net, as of the same instant. */
export function commitmentCharges(
  lines: readonly BoundLine[],
  charges: readonly Charge[],
  asOfNs: bigint,
): Charge[] {
  if (lines.length === 0) return []
  const own: Charge[] = []
  const booked = new BookedCharges(charges)
  for (const segment of boundSegmentsBefore(lines, asOfNs)) {
    const charge = chargeOf(segment, booked, asOfNs)
    if (charge === undefined) continue
    own.push(charge)
    booked.add(charge, segment.line)
  }
  return own
}

function chargeOf(segment: BoundSegment, booked: BookedCharges, asOfNs: bigint): Charge | undefined {
  const { line, version, fromNs, dueNs, chargeId } = segment
  const bound = toScaled(boundAmount(segment))
  const counted = booked.countedIn(segment)
  const missing = bound - [...counted.values()].reduce((sum, amount) => sum + amount, 0n)
  const amount = sayable(missing)
  if (line.kind === 'maximum' ? amount >= 0n : amount <= 0n) return undefined
  const { terms } = version
  const madeUpFor: MadeUpFor = {
    bound: line.kind,
    amount: bound,
    counted: [...counted].map(([price, sum]) => ({ price, amount: sayable(sum) })).sort(byPrice),
  }
  return {
    chargeId,
    customerId: line.timeline.customerId,
    subscriptionId: line.timeline.subscriptionId,
    subscriptionVersion: terms.sequence,
    entityId: terms.entityId,
    contractId: terms.contractId,
    correlationId: terms.correlationId,
    plan: terms.plan,
    planVersion: terms.planVersion,
    price: line.name,
    meter: '',
    kind: 'commitment',
    timing: 'in_arrears',
    quantity: amount < 0n ? -scaledOne : scaledOne,
    fromNs,
    untilNs: dueNs,
    timezone: line.timezone,
    amount,
    amountRounded: roundToCurrency(amount, line.currency, line.rounding),
    currency: line.currency,
    status: dueNs <= asOfNs ? 'closed' : 'open',
    madeUpFor,
  }
}

/** What is beyond it cannot be said: charges of a period may come to more than the 38 digits of one amount. */
export const mostSayable = scaledMax + 1n - scaledOne

function sayable(amount: Scaled): Scaled {
  return amount > mostSayable ? mostSayable : amount < -mostSayable ? -mostSayable : amount
}

function byPrice(a: { readonly price: string }, b: { readonly price: string }): number {
  return a.price < b.price ? -1 : Number(a.price > b.price)
}

/** When a charge is booked: the instant that decides to which period it counts. */
function bookedAt({ timing, fromNs, untilNs }: Pick<Charge, 'timing' | 'fromNs' | 'untilNs'>): bigint {
  return timing === 'in_advance' || untilNs <= fromNs ? fromNs : untilNs - 1n
}

/** The charges that may count, in the order in which they are booked. */
class BookedCharges {
  readonly #all: { readonly atNs: bigint; readonly charge: Charge; readonly ofBound: BoundLine | undefined }[]

  constructor(charges: readonly Charge[]) {
    this.#all = charges.map(charge => ({ atNs: bookedAt(charge), charge, ofBound: undefined }))
    this.#all.sort((a, b) => (a.atNs < b.atNs ? -1 : Number(a.atNs > b.atNs)))
  }

  add(charge: Charge, ofBound: BoundLine): void {
    const atNs = bookedAt(charge)
    this.#all.splice(this.#firstAt(atNs), 0, { atNs, charge, ofBound })
  }

  /** By price, without those that come to nothing. */
  countedIn(segment: BoundSegment): ReadonlyMap<string, Scaled> {
    const sums = new Map<string, Scaled>()
    const { line, period } = segment
    for (let at = this.#firstAt(period.fromNs); at < this.#all.length; at += 1) {
      const { atNs, charge, ofBound } = this.#all[at]!
      if (atNs >= period.untilNs) break
      if (charge.currency !== line.currency || !isCountedBy(line, charge, ofBound)) continue
      const share = shareOf(charge, atNs, segment)
      if (share !== 0n) sums.set(charge.price, (sums.get(charge.price) ?? 0n) + share)
    }
    for (const [price, sum] of sums) if (sum === 0n) sums.delete(price)
    return sums
  }

  #firstAt(atNs: bigint): number {
    let [low, high] = [0, this.#all.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#all[middle]!.atNs < atNs) low = middle + 1
      else high = middle
    }
    return low
  }
}

function isCountedBy(line: BoundLine, charge: Charge, ofBound: BoundLine | undefined): boolean {
  if (ofBound !== undefined)
    return line.appliesTo === undefined && (ofBound.kind !== line.kind || ofBound.name !== line.name)
  return line.appliesTo?.includes(charge.price) ?? charge.kind !== 'one_off'
}

/** All of it, or, of a bound that is in force for a part of the period, the part of the charge's own period that lies in it. */
function shareOf(charge: Charge, atNs: bigint, { period, fromNs, untilNs }: BoundSegment): Scaled {
  const startNs = later(charge.fromNs, period.fromNs)
  const endNs = earlier(charge.untilNs, period.untilNs)
  if (startNs >= endNs) return fromNs <= atNs && atNs < untilNs ? charge.amount : 0n
  const overlapNs = earlier(endNs, untilNs) - later(startNs, fromNs)
  if (overlapNs <= 0n) return 0n
  return divideRounded(charge.amount * overlapNs, endNs - startNs)
}
