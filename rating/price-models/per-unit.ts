// `per_unit`: q x unit amount.
// Worked example: 1234 units at 0.002 = 2.468. A negative quantity gives a negative amount.
// Source: Stripe, "Per-unit pricing"; Lago, "Standard charges".

import type { Scaled } from '../../schemas/money/decimal.js'

export function perUnitAmount(quantity: bigint, unitAmount: Scaled): bigint {
  return quantity * unitAmount
}
