// `volume`: all units at the price of the tier that holds q, plus that tier's flat amount.
// Worked example: up to 10 at 5 + flat 2, then 3 + flat 7. q = 10: 10 x 5 + 2 = 52; q = 12: 12 x 3 + 7 = 43.
// The first tier's flat amount is due at q = 0, and with a negative quantity, which the first tier holds.
// Source: Stripe, "Volume-based pricing" (tiers_mode volume); Lago, "Volume charges".

import { type TierTable, tierIndex } from './tier-table.js'

export function volumeAmount(quantity: bigint, table: TierTable): bigint {
  const tier = tierIndex(table.bounds, quantity)
  return quantity * (table.unitAmounts[tier] as bigint) + (table.flatAmounts[tier] as bigint)
}
