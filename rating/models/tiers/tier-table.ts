// What `graduated` and `volume` share: tiers compiled for look-up. The tier that holds a quantity is found by binary
// search, and what all the tiers below it amount to is known beforehand. Invariant: `bounds` ascend; tier i holds bounds[i-1] < q <= bounds[i].

import type { Tier, Tiered } from '../../../schemas/catalog/models/tiers.js'
import { greatest, magnitude, type Scaled } from '../../../schemas/money/decimal.js'
import type { TotalModel } from '../model.js'
import { flatAmountOf, quantityBound, type Scale } from '../scale.js'

export interface TierTable {
  /** Inclusive upper bounds of all tiers but the last, which has none. */
  readonly bounds: readonly bigint[]
  readonly unitAmounts: readonly Scaled[]
  readonly flatAmounts: readonly bigint[]
  /** Where each tier begins: 0, then the bound of the tier below. */
  readonly starts: readonly bigint[]
  /** Amount of all units below the tier, with the flat amounts of these tiers and its own. */
  readonly amountsAtStart: readonly bigint[]
}

type TieredModel<N extends string> = Omit<
  TotalModel<Tiered<N>, TierTable>,
  'kind' | 'amountOf' | 'linear' | 'explain'
>

/** The parts that graduated and volume share: all but the amount. */
export function tieredModel<N extends string>(): TieredModel<N> {
  return {
    compile: ({ tiers }, scale) => compileTiers(tiers, scale),
    bound: ({ tiers }) => ({
      unit: greatest(tiers.map(tier => tier.unitAmount)),
      flat: tiers.reduce((sum, tier) => sum + magnitude(tier.flatAmount), 0n),
    }),
    dueUnused: ({ tiers }) => tiers[0]?.flatAmount ?? 0n,
    withoutFlatAmounts: model => ({
      ...model,
      tiers: model.tiers.map(tier => ({ ...tier, flatAmount: 0n })),
    }),
  }
}

function compileTiers(tiers: readonly Tier[], scale: Scale): TierTable {
  const bounds: bigint[] = []
  const starts: bigint[] = []
  const amountsAtStart: bigint[] = []
  const flatAmounts = tiers.map(tier => flatAmountOf(scale, tier.flatAmount))
  let start = 0n
  let below = 0n
  for (const [index, tier] of tiers.entries()) {
    below += flatAmounts[index] as bigint
    starts.push(start)
    amountsAtStart.push(below)
    if (tier.upTo === null) break
    const bound = quantityBound(scale, tier.upTo)
    bounds.push(bound)
    below += (bound - start) * tier.unitAmount
    start = bound
  }
  return { bounds, unitAmounts: tiers.map(tier => tier.unitAmount), flatAmounts, starts, amountsAtStart }
}

/** Index of the tier that holds the quantity; 0, the first, for zero and below. */
export function tierIndex(bounds: readonly bigint[], quantity: bigint): number {
  let low = 0
  let high = bounds.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((bounds[middle] as bigint) < quantity) low = middle + 1
    else high = middle
  }
  return low
}
