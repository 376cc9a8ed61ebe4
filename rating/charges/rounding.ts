// From an exact amount to one that can be paid: the currency's ISO 4217 minor unit.
// Invariant: rounded once, from the amount at 12 places, by the plan's rounding.

import { minorUnitsOf } from '../../schemas/money/currency.js'
import { decimalScale, divideRounded, type Rounding, type Scaled } from '../../schemas/money/decimal.js'

/** Throws for a currency without a minor unit: the catalog's parser takes none. */
export function roundToCurrency(amount: Scaled, currency: string, rounding: Rounding): Scaled {
  const step = 10n ** BigInt(decimalScale - minorUnitsOf(currency))
  return divideRounded(amount, step, rounding) * step
}
