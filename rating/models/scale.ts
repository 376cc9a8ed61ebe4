// The whole-number scale that every price model computes in, so that nothing is rounded inside a model.
// A quantity q stands for q / (denominator x 10^12) units; an amount a for a / (denominator x 10^24) of the currency.
// `denominator` is 1 unless a quantity is an average over time or the price is prorated.

import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'

export interface Scale {
  readonly denominator: bigint
  /** `denominator` x the segment's fraction if the price is prorated, else `denominator`: exact. */
  readonly prorated: bigint
}

/** A price per unit needs no scale: quantity x price is an amount already. A bound on quantities does. */
export function quantityBound(scale: Scale, bound: Scaled): bigint {
  return bound * scale.denominator
}

/** An amount that is prorated with its price: a tier's flat amount. */
export function flatAmountOf(scale: Scale, amount: Scaled): bigint {
  return amount * scaledOne * scale.prorated
}
