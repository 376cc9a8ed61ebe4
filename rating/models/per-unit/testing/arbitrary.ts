// Random `per_unit` prices, now and then below 0.

import fc from 'fast-check'
import type { PerUnit } from '../../../../schemas/catalog/models/per-unit.js'
import { price } from '../../../testing/arbitrary-values.js'

const negative = price.map(amount => -amount)

export const perUnit = fc
  .oneof({ weight: 4, arbitrary: price }, { weight: 1, arbitrary: negative })
  .map((unitAmount): PerUnit => ({ model: 'per_unit', unitAmount }))
