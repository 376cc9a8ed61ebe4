// Checks that a charge with one more value fits into the 38 digits, 26 before the point, of quantities and amounts on the
// wire, also rounded to be paid. The check precedes the addition, because an accumulator cannot undo one. It is exact
// where the amount follows from one total; elsewhere it uses an upper bound and may refuse slightly early.
// Invariant: a value that passes never causes a quantity, an amount or a row that is cut off.

import type { UsagePrice } from '../../schemas/catalog/catalog.js'
import { magnitude, type Rounding, type Scaled, scaledMax, scaledOne } from '../../schemas/money/decimal.js'
import { heldIn } from '../aggregations/registry.js'
import { type Accumulator, soleAggregation } from '../charges/accumulator.js'
import { amountOfTotal, isRatedByTotal } from '../charges/rate.js'
import { raterOf } from '../charges/rater.js'
import { roundToCurrency } from '../charges/rounding.js'
import { groupLimit } from '../models/grouped/group.js'
import type { Bound } from '../models/model.js'
import { oncePer } from '../models/once-per.js'
import { partOf } from '../models/registry.js'
import type { ChargeBasis } from '../periods/charge-basis.js'

/** How an amount is rounded to be paid. */
export interface PaidIn {
  readonly currency: string
  readonly rounding: Rounding
}

/** The charge before the value. */
export interface Held {
  /** The sum of the charge's values, from `heldBy` or `heldAfter`. */
  readonly total: Scaled
  readonly events: number
  /** The sum of its rows; 0 where they are written anew. */
  readonly emitted: Scaled
}

/** The largest whole number within 38 digits: no rounding to a currency makes it larger. */
const largestWhole = scaledMax + 1n - scaledOne

/** Whether a quantity or an exact amount, also as a row carries it, has more than 38 digits. */
export function isBeyond(value: Scaled): boolean {
  return magnitude(value) > scaledMax
}

/** Whether an amount, or what is paid for it, has more than 38 digits. */
export function isBeyondPayable(amount: Scaled, { currency, rounding }: PaidIn): boolean {
  if (magnitude(amount) <= largestWhole) return false
  return isBeyond(amount) || isBeyond(roundToCurrency(amount, currency, rounding))
}

export function wouldExceed(basis: ChargeBasis, paidIn: PaidIn, held: Held, quantity: Scaled): boolean {
  if (!isRatedByTotal(basis)) {
    const { price, meter } = basis
    // From the lowest to the highest is twice as far, and a row is the step between two amounts.
    const sides = meter.allowNegative ? 2n : 1n
    const total = magnitude(held.total) + magnitude(quantity)
    const { unit, flat, perEvent } = steepest(price)
    const owed = (total * unit) / scaledOne + 1n + flat + perEvent * BigInt(held.events + 1)
    return total * sides > scaledMax || owed * sides > largestWhole
  }
  const total = held.total + quantity
  const owed = amountOfTotal(raterOf(basis), total)
  return isBeyond(total) || isBeyondPayable(owed, paidIn) || isBeyond(owed - held.emitted)
}

/**
 * Whether a value can bring the level of a meter beyond what one of the meter's prices can charge, be it the price of a later
 * segment; `reach`: the magnitudes of all that moved the level before.
 */
export function levelWouldExceed(prices: Iterable<UsagePrice>, reach: Scaled, quantity: Scaled): boolean {
  for (const price of prices) {
    if (reach + magnitude(quantity) > largestQuantity(price)) return true
  }
  return false
}

/** The sum that the next value is added to; 0 where values are not added up. */
export function heldBy({ price }: ChargeBasis, { state, levelsAtStart }: Accumulator): Scaled {
  const part = partOf(price)
  if (part.kind === 'usage') return part.held(state, levelsAtStart)
  return heldIn(soleAggregation(state), levelsAtStart?.values() ?? [])
}

/** Up to this quantity no amount of the price can exceed the digits. */
const largestQuantity = oncePer((price: UsagePrice): Scaled => {
  const { unit, flat, perEvent } = steepest(price)
  const left = largestWhole - flat - perEvent
  const priced = unit === 0n ? scaledMax : (left * scaledOne) / unit
  return left <= 0n ? 0n : priced < scaledMax ? priced : scaledMax
})

const steepest = oncePer((price: UsagePrice): Required<Bound> => {
  const { flat = 0n, ...bound } = partOf(price).bound(price.model)
  // Each group owes its own flat amount.
  const times = price.groupBy === undefined ? 1n : BigInt(groupLimit(price))
  return { perEvent: 0n, ...bound, flat: flat * times }
})
