// Random `matrix` prices with two cells and a default, to which random usage belongs; a cell may have a model of its own.

import fc from 'fast-check'
import type { Matrix } from '../../../../schemas/catalog/models/matrix.js'
import type { CellModel, CellPrice } from '../../../../schemas/catalog/models/matrix-cell.js'
import { price } from '../../../testing/arbitrary-values.js'
import { graduated } from '../../graduated/testing/arbitrary.js'
import { packages } from '../../package/testing/arbitrary.js'
import { stairstep } from '../../stairstep/testing/arbitrary.js'
import { volume } from '../../volume/testing/arbitrary.js'

const model: fc.Arbitrary<CellModel> = fc.oneof(graduated, volume, stairstep, packages)

const cell: fc.Arbitrary<CellPrice> = fc.oneof(
  price.map(unitAmount => ({ unitAmount })),
  fc.record({ unitAmount: price, flatAmount: price }),
  model.map(own => ({ model: own })),
)

export const matrix: fc.Arbitrary<Matrix> = fc.tuple(cell, cell, cell).map(([a, b, otherwise]) => ({
  model: 'matrix' as const,
  cells: [
    { when: new Map([['region', 'eu']]), ...a },
    { when: new Map([['region', 'us']]), ...b },
  ],
  ...(otherwise.model === undefined && otherwise.flatAmount === undefined
    ? { defaultUnitAmount: otherwise.unitAmount }
    : { default: otherwise }),
}))
