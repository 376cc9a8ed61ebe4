// What the oracle takes to be paid of an amount.

import { Exact } from '../../../rating/testing/exact.js'
import type { Plan } from '../../../schemas/catalog/catalog.js'
import { minorUnits } from '../../../schemas/money/currency.js'

/** The amount in the currency's minor unit, half away from zero unless the plan says half to even. */
export function payable(amount: string, { currency, rounding }: Plan): string {
  return Exact.of(amount).toPlaces(minorUnits(currency)!, rounding === 'half_even' ? 'even' : 'away')
}
