// Random `graduated` prices.

import type { Tiered } from '../../../../schemas/catalog/models/tiers.js'
import { tiers } from '../../tiers/testing/arbitrary.js'

export const graduated = tiers.map((list): Tiered<'graduated'> => ({ model: 'graduated', tiers: list }))
