// Currencies: the number of decimal places in which amounts are paid.

import { currenciesByMinorUnits } from './currency-table.js'

const minorUnitsByCode: ReadonlyMap<string, number> = new Map(
  currenciesByMinorUnits.flatMap(([digits, codes]) => codes.split(' ').map(code => [code, digits] as const)),
)

/** Digits after the point of an ISO 4217 code in upper case; undefined for a code that cannot be billed. */
export function minorUnits(currency: string): number | undefined {
  return minorUnitsByCode.get(currency)
}

/** Like `minorUnits`, for a currency that was checked before. Throws for one that cannot be billed. */
export function minorUnitsOf(currency: string): number {
  const digits = minorUnits(currency)
  if (digits === undefined) throw new Error(`The currency ${currency} has no minor unit.`)
  return digits
}

/** Every code that has a minor unit. */
export const currencyCodes: readonly string[] = [...minorUnitsByCode.keys()].sort()
