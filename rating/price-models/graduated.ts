// `graduated`: each unit at the price of the tier it falls in, plus the flat amount of every tier that q enters.
// Worked example: up to 10 at 5 + flat 2, then 3 + flat 7. q = 10: 10 x 5 + 2 = 52; q = 12: 52 + 7 + 2 x 3 = 65.
// The first tier's flat amount is due even at q = 0. A negative quantity is priced at the first tier's unit amount.
// Source: Stripe, "Graduated pricing" (tiers_mode graduated, up_to inclusive); Lago, "Graduated charges".

import { type TierTable, tierIndex } from './tier-table.js'

export function graduatedAmount(quantity: bigint, table: TierTable): bigint {
  const tier = tierIndex(table.bounds, quantity)
  return (
    (table.amountsAtStart[tier] as bigint) +
    (quantity - (table.starts[tier] as bigint)) * (table.unitAmounts[tier] as bigint)
  )
}
