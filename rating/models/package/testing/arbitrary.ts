// Random `package` prices, also with sizes that are not whole numbers.

import fc from 'fast-check'
import type { Package } from '../../../../schemas/catalog/models/package.js'
import { scaledOne } from '../../../../schemas/money/decimal.js'
import { price } from '../../../testing/arbitrary-values.js'

export const packages = fc.tuple(fc.integer({ min: 1, max: 80 }), price).map(
  ([size, packageAmount]): Package => ({
    model: 'package',
    packageSize: (BigInt(size) * scaledOne) / 4n,
    packageAmount,
  }),
)
