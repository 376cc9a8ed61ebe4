// Random `matrix` prices with two cells and a default, to which random usage belongs.

import fc from 'fast-check'
import type { Matrix } from '../../../../schemas/catalog/models/matrix.js'
import { price } from '../../../testing/arbitrary-values.js'

export const matrix: fc.Arbitrary<Matrix> = fc
  .tuple(price, price, price)
  .map(([a, b, defaultUnitAmount]) => ({
    model: 'matrix' as const,
    cells: [
      { when: new Map([['region', 'eu']]), unitAmount: a },
      { when: new Map([['region', 'us']]), unitAmount: b },
    ],
    defaultUnitAmount,
  }))
