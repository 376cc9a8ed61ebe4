// `graduated`: each unit at the price of the tier it falls in, plus the flat amount of every tier that q enters.
// Worked example: up to 10 at 5 + flat 2, then 3 + flat 7. q = 10: 10 x 5 + 2 = 52; q = 12: 52 + 7 + 2 x 3 = 65.
// The first tier's flat amount is due even at q = 0. A negative quantity is priced at the first tier's unit amount.
// Source: Stripe, "Graduated pricing" (tiers_mode graduated, up_to inclusive); Lago, "Graduated charges".

import type { Tiered } from '../../../schemas/catalog/models/tiers.js'
import { isAbove, lesser, minus, ofScaled, type Ratio, zero } from '../../steps/ratio.js'
import { money, sumStep } from '../../steps/step.js'
import { linearTiers } from '../linear.js'
import type { TotalModel } from '../model.js'
import { explainTier } from '../tiers/explain-tier.js'
import { type TierTable, tieredModel, tierIndex } from '../tiers/tier-table.js'

export const graduated: TotalModel<Tiered<'graduated'>, TierTable> = {
  ...tieredModel(),
  kind: 'total',
  amountOf(units, { bounds, starts, unitAmounts, amountsAtStart }) {
    const tier = tierIndex(bounds, units)
    return amountsAtStart[tier]! + (units - starts[tier]!) * unitAmounts[tier]!
  },
  linear: {
    of: (tiers, included) => (included === 0n ? linearTiers(tiers.bounds, tiers.unitAmounts) : undefined),
  },
  explain(steps, { tiers }, units, part) {
    const amounts: Ratio[] = []
    let start: Ratio = zero
    for (const [index, tier] of tiers.entries()) {
      if (index > 0 && !isAbove(units, start)) break
      const end = tier.upTo === null ? units : lesser(units, ofScaled(tier.upTo))
      amounts.push(explainTier(steps, tiers, index, minus(end, start), part))
      if (tier.upTo === null) break
      start = ofScaled(tier.upTo)
    }
    return sumStep(steps, 'model', 'graduated', 'tier', amounts, money)
  },
}
