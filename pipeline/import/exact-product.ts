// A quantity times a price, as it was before the other system rounded it.

import {
  divideRounded,
  formatScaled,
  parseDecimal,
  type Scaled,
  scaledOne,
} from '../../schemas/money/decimal.js'

/** Undefined where the billed amount is not the product rounded to `digits`. To 12 places, half away from zero. */
export function nearProduct(
  quantity: string,
  unit: Scaled,
  billed: Scaled,
  digits: number,
): string | undefined {
  const read = parseDecimal(quantity)
  if (read.kind !== 'ok') return undefined
  const product = divideRounded(read.value * unit, scaledOne)
  const away = product > billed ? product - billed : billed - product
  return away < scaledOne / 10n ** BigInt(digits) ? formatScaled(product) : undefined
}
