// Random prices of every model, by its name. They are in folders named `testing`, which the build and the ladder keep
// out of what ships.

import fc from 'fast-check'
import type { PriceModel } from '../../../schemas/catalog/catalog.js'
import { graduated } from '../graduated/testing/arbitrary.js'
import { matrix } from '../matrix/testing/arbitrary.js'
import { packages } from '../package/testing/arbitrary.js'
import { perUnit } from '../per-unit/testing/arbitrary.js'
import { percentage } from '../percentage/testing/arbitrary.js'
import { modelPart } from '../registry.js'
import { stairstep } from '../stairstep/testing/arbitrary.js'
import { volume } from '../volume/testing/arbitrary.js'

export const arbitraryModels: {
  readonly [N in PriceModel['model']]: fc.Arbitrary<Extract<PriceModel, { model: N }>>
} = { per_unit: perUnit, graduated, volume, stairstep, package: packages, percentage, matrix }

export const arbitraryPrice: fc.Arbitrary<PriceModel> = fc.oneof(...Object.values(arbitraryModels))

/** Of the models whose amount follows from one aggregated quantity. */
export const singleQuantityModel: fc.Arbitrary<PriceModel> = fc.oneof(
  ...Object.values(arbitraryModels).filter(
    one => modelPart(fc.sample<PriceModel>(one, 1)[0]!).kind === 'total',
  ),
)
