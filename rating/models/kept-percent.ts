// What is left of an amount after the discount of its price, per cent.

import type { Price } from '../../schemas/catalog/catalog.js'
import { scaledOne } from '../../schemas/money/decimal.js'

export const wholePercent = 100n * scaledOne

/** 100 % less the discount, scaled; a discount over 100 % is one of 100 %. */
export function keptPercent({ discountPercent }: Price): bigint {
  return discountPercent > wholePercent ? 0n : wholePercent - discountPercent
}
