// Shares an amount in proportion to weights so that the shares add up to it to the last digit: the method of the largest
// remainder, at 12 places. Where two remainders are equal, the earlier weight gets the digit.
// Worked example: 10 over 1, 1, 1 is 3.333333333334, 3.333333333333, 3.333333333333.

import type { Scaled } from '../../schemas/money/decimal.js'

/** Nothing is negative, the weights add up to more than 0, and to no less than the amount: no share exceeds its weight. */
export function shareInProportion(amount: Scaled, weights: readonly Scaled[]): Scaled[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0n)
  const shares = weights.map(weight => (amount * weight) / total)
  const left = Number(amount - shares.reduce((sum, share) => sum + share, 0n))
  const remainders = weights.map((weight, index) => ({ index, remainder: (amount * weight) % total }))
  // The sort is stable.
  remainders.sort((a, b) => (a.remainder > b.remainder ? -1 : Number(a.remainder < b.remainder)))
  for (const { index } of remainders.slice(0, left)) shares[index]! += 1n
  return shares
}
