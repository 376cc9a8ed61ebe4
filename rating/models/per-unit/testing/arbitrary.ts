// Random `per_unit` prices.

import type { PerUnit } from '../../../../schemas/catalog/models/per-unit.js'
import { price } from '../../../testing/arbitrary-values.js'

export const perUnit = price.map((unitAmount): PerUnit => ({ model: 'per_unit', unitAmount }))
