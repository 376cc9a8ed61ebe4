// From usage to money: what a charge amounts to, exactly, from its aggregated quantity. It owns the order
// included -> model -> discount_percent -> minimum -> maximum, and the one rounding, to 12 places, half away from zero.
// rater.ts owns what does not depend on the usage. Contract section 3.
// Invariants: nothing is rounded before the end; a charge follows from (basis, samples) alone.

import { divideRounded, type Scaled } from '../../schemas/money/decimal.js'
import { isLevel, isQuotient } from '../aggregations/registry.js'
import { beyondIncluded } from '../models/included.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { type Accumulator, soleAggregation } from './accumulator.js'
import { whyNotByTotal } from './by-total.js'
import { type Rater, raterDividedBy, raterOf } from './rater.js'

export interface Rated {
  /** Aggregated, before `included`; rounded to 12 places if it does not end. */
  readonly quantity: Scaled
  readonly amount: Scaled
}

/** The charge for the accumulated usage; without usage, the charge for zero. In a trial the amount is 0. */
export function chargeOf(
  basis: ChargeBasis,
  { state, levelsAtStart }: Accumulator,
  rater: Rater = raterOf(basis),
): Rated {
  const { usage, aggregation } = rater
  if (usage !== undefined) {
    const { total, amount } = usage.owed(basis, rater, state, levelsAtStart)
    const quantity = quantityOf(rater, total)
    return { quantity, amount: basis.trial ? 0n : adjusted(rater, amount) }
  }
  if (aggregation.quotient !== undefined) {
    const { over, under } = aggregation.quotient(soleAggregation(state), basis)
    const divided = raterDividedBy(basis, under)
    return { quantity: quantityOf(divided, over), amount: amountOfTotal(divided, over) }
  }
  const total = aggregation.total(soleAggregation(state), basis, levelsAtStart?.get(0) ?? 0n)
  return { quantity: quantityOf(rater, total), amount: amountOfTotal(rater, total) }
}

/** As the charge shows it: to 12 places. */
function quantityOf({ quantityFactor, quantityDenominator }: Rater, total: bigint): Scaled {
  return quantityDenominator === 1n ? total : divideRounded(total * quantityFactor, quantityDenominator)
}

/** Whether `amountOfTotal` can compute the amount: it follows from one aggregated quantity alone. */
export function isRatedByTotal({ price, meter }: ChargeBasis): boolean {
  if (whyNotByTotal(price) !== undefined) return false
  return !isLevel(meter.aggregation) && !isQuotient(meter.aggregation) && meter.window === undefined
}

/** The amount for an aggregated quantity; the basis must satisfy `isRatedByTotal`. */
export function amountOfTotal(rater: Rater, total: bigint): Scaled {
  const { amountOf } = rater
  if (amountOf === undefined) throw new Error('The amount does not follow from one quantity.')
  if (rater.trial) return 0n
  const units = rater.factor === 1n ? total : total * rater.factor
  const beyond = rater.included === 0n ? units : beyondIncluded(units, rater.included)
  return adjusted(rater, amountOf(beyond, rater.terms))
}

/** discount_percent, minimum, maximum, then the one rounding. */
function adjusted(rater: Rater, modelled: bigint): Scaled {
  let amount = rater.kept === undefined ? modelled : modelled * rater.kept
  if (rater.minimum !== undefined && amount < rater.minimum) amount = rater.minimum
  if (rater.maximum !== undefined && amount > rater.maximum) amount = rater.maximum
  // Half away from zero: bigint division goes towards zero, so half a divisor is added away from it.
  return amount >= 0n ? (amount + rater.half) / rater.divisor : (amount - rater.half) / rater.divisor
}
