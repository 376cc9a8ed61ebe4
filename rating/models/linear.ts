// Stretches of totals over which an amount grows by the same for every whole unit, in doubles: for the prices that are
// most common, an event's amount is one multiplication, and exact.
// Invariants: `growthOf` says what the models and the final rounding would, or nothing; a factor or a product that a
// double does not hold exactly is left to them.

import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'

export interface Linear {
  /** Whole units, inclusive upper bounds; the last is infinite. */
  readonly bounds: readonly number[]
  /** Scaled amount of one whole unit of each stretch. */
  readonly unitAmounts: readonly number[]
}

/** `free`: units that cost nothing, before the others. Undefined when some figure is not exact. */
export function linearPerUnit(unitAmount: Scaled, free: Scaled): Linear | undefined {
  return free === 0n ? linearTiers([], [unitAmount]) : linearTiers([free], [0n, unitAmount])
}

/**
 * What an amount grows by, scaled, when a total of `before` whole units becomes `by` units more, neither of them negative.
 * NaN where it is not one stretch: at its very beginning too, where a flat amount may be due.
 */
export function growthOf({ bounds, unitAmounts }: Linear, before: number, by: number): number {
  const after = before + by
  let stretch = 0
  while (bounds[stretch]! < after) stretch += 1
  const begin = stretch === 0 ? 0 : bounds[stretch - 1]!
  const growth = unitAmounts[stretch]! * by
  return before > begin && after <= Number.MAX_SAFE_INTEGER && growth <= Number.MAX_SAFE_INTEGER
    ? growth
    : Number.NaN
}

export function linearTiers(bounds: readonly Scaled[], unitAmounts: readonly Scaled[]): Linear | undefined {
  const areWhole = bounds.every(bound => bound > 0n && bound % scaledOne === 0n && isExact(bound / scaledOne))
  if (!areWhole || !unitAmounts.every(isExact)) return undefined
  return {
    bounds: [...bounds.map(bound => Number(bound / scaledOne)), Number.POSITIVE_INFINITY],
    unitAmounts: unitAmounts.map(Number),
  }
}

function isExact(value: bigint): boolean {
  return value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)
}
