// Intervals of totals in which every whole unit costs the same, as doubles: for the most common prices the amount of an
// event is then one multiplication, and exact.
// Invariants: `growthOf` equals the difference of two rounded amounts of the model, or is NaN; a factor or a product that
// a double cannot hold exactly gives NaN.

import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'

export interface Linear {
  /** Whole units, inclusive upper bounds; the last is infinite. */
  readonly bounds: readonly number[]
  /** Scaled amount of one whole unit in each interval. */
  readonly unitAmounts: readonly number[]
}

/** `free`: units that cost nothing, before the others. Undefined when some figure is not exact. */
export function linearPerUnit(unitAmount: Scaled, free: Scaled): Linear | undefined {
  return free === 0n ? linearTiers([], [unitAmount]) : linearTiers([free], [0n, unitAmount])
}

/**
 * How much the scaled amount grows when `by` whole units are added to a total of `before`, neither of them negative.
 * NaN unless both totals lie in one interval, its lower bound excluded: there a flat amount may become due.
 */
export function growthOf({ bounds, unitAmounts }: Linear, before: number, by: number): number {
  const after = before + by
  let interval = 0
  while (bounds[interval]! < after) interval += 1
  const begin = interval === 0 ? 0 : bounds[interval - 1]!
  const growth = unitAmounts[interval]! * by
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
