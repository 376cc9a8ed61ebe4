// `package`: every package begun is paid whole: ceil(q / size) x amount.
// Worked example: packages of 100 at 5. q = 0: 0; q = 100: 5; q = 101: 10.
// The ceiling of a negative quotient is towards zero: only whole packages given back are credited (-150: -5).
// Source: Stripe, "Package pricing" (transform_quantity, round up); Lago, "Package charges".

import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { quantityBound, type Scale } from './scale.js'

export interface Package {
  readonly size: bigint
  /** Of one package, at the scale of amounts. */
  readonly amount: bigint
}

export function compilePackage(scale: Scale, packageSize: Scaled, packageAmount: Scaled): Package {
  return { size: quantityBound(scale, packageSize), amount: packageAmount * scaledOne * scale.denominator }
}

export function packageAmountOf(quantity: bigint, price: Package): bigint {
  const whole = quantity / price.size
  const packages = quantity > whole * price.size ? whole + 1n : whole
  return packages * price.amount
}
