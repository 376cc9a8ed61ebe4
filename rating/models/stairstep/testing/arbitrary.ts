// Random `stairstep` prices.

import type { Tiered } from '../../../../schemas/catalog/models/tiers.js'
import { tiers } from '../../tiers/testing/arbitrary.js'

export const stairstep = tiers.map(
  (list): Tiered<'stairstep'> => ({
    model: 'stairstep',
    tiers: list.map(tier => ({ ...tier, unitAmount: 0n })),
  }),
)
