// `package`: every package begun is paid whole: ceil(q / size) x amount.
// Worked example: packages of 100 at 5. q = 0: 0; q = 100: 5; q = 101: 10.
// The ceiling of a negative quotient is towards zero: only whole packages given back are credited (-150: -5).
// Source: Stripe, "Package pricing" (transform_quantity, round up); Lago, "Package charges".

import type { Package } from '../../../schemas/catalog/models/package.js'
import { magnitude, scaledOne } from '../../../schemas/money/decimal.js'
import { ceilingOf, ofScaled, over, times } from '../../steps/ratio.js'
import { money, quantity, scaledMoney } from '../../steps/step.js'
import type { TotalModel } from '../model.js'
import { quantityBound } from '../scale.js'

export interface PackageTerms {
  readonly size: bigint
  /** Of one package, at the scale of amounts. */
  readonly amount: bigint
}

export const packages: TotalModel<Package, PackageTerms> = {
  kind: 'total',
  compile: ({ packageSize, packageAmount }, scale) => ({
    size: quantityBound(scale, packageSize),
    amount: packageAmount * scaledOne * scale.denominator,
  }),
  amountOf(units, { size, amount }) {
    const whole = units / size
    return (units > whole * size ? whole + 1n : whole) * amount
  },
  linear: { why: 'a package begun is paid whole' },
  bound({ packageSize, packageAmount }) {
    const flat = magnitude(packageAmount)
    // Rounded up to whole packages, the last of which may be nearly empty.
    return { unit: (flat * scaledOne) / packageSize + 1n, flat }
  },
  explain(steps, { packageSize, packageAmount }, units) {
    const size = ofScaled(packageSize)
    const begun = ceilingOf(over(units, size))
    steps.push({
      what: 'packages',
      label: 'packages begun',
      formula: 'ceil(units / package_size)',
      values: { units: quantity(units), package_size: quantity(size) },
      result: quantity(begun),
    })
    const result = times(begun, ofScaled(packageAmount))
    steps.push({
      what: 'model',
      label: 'package',
      formula: 'packages * package_amount',
      values: { packages: quantity(begun), package_amount: scaledMoney(packageAmount) },
      result: money(result),
    })
    return result
  },
}
