// Random `volume` prices.

import type { Tiered } from '../../../../schemas/catalog/models/tiers.js'
import { tiers } from '../../tiers/testing/arbitrary.js'

export const volume = tiers.map((list): Tiered<'volume'> => ({ model: 'volume', tiers: list }))
