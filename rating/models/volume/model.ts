// `volume`: all units at the price of the tier that holds q, plus that tier's flat amount.
// Worked example: up to 10 at 5 + flat 2, then 3 + flat 7. q = 10: 10 x 5 + 2 = 52; q = 12: 12 x 3 + 7 = 43.
// The first tier's flat amount is due at q = 0, and with a negative quantity, which the first tier holds.
// Source: Stripe, "Volume-based pricing" (tiers_mode volume); Lago, "Volume charges".

import type { Tiered } from '../../../schemas/catalog/models/tiers.js'
import { isAbove, ofScaled } from '../../steps/ratio.js'
import { money, sumStep } from '../../steps/step.js'
import type { TotalModel } from '../model.js'
import { explainTier } from '../tiers/explain-tier.js'
import { type TierTable, tieredModel, tierIndex } from '../tiers/tier-table.js'

export const volume: TotalModel<Tiered<'volume'>, TierTable> = {
  ...tieredModel(),
  kind: 'total',
  amountOf(units, { bounds, unitAmounts, flatAmounts }) {
    const tier = tierIndex(bounds, units)
    return units * unitAmounts[tier]! + flatAmounts[tier]!
  },
  linear: { why: 'all units are priced anew where the quantity enters another tier' },
  explain(steps, { tiers }, units, part) {
    const index = tiers.findIndex(({ upTo }) => upTo === null || !isAbove(units, ofScaled(upTo)))
    const amount = explainTier(steps, tiers, index, units, part)
    return sumStep(steps, 'model', 'volume', 'tier', [amount], money)
  },
}
