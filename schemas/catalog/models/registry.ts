// The list of all price models. Each line names a model and its shape; the type
// `PriceModel` follows from it, and rating/models/registry.ts does not compile until it has the same names.

import { matrix } from './matrix.js'
import type { ModelShape } from './model-shape.js'
import { packages } from './package.js'
import { perUnit } from './per-unit.js'
import { percentage } from './percentage.js'
import { stairstep } from './stairstep.js'
import { tieredShape } from './tiers.js'

const shapes = {
  per_unit: perUnit,
  graduated: tieredShape('graduated'),
  volume: tieredShape('volume'),
  stairstep,
  package: packages,
  percentage,
  matrix,
}

type ShapeName = keyof typeof shapes
type ModelOf<S> = S extends ModelShape<infer M> ? M : never
export type PriceModel = ModelOf<(typeof shapes)[ShapeName]>

/** By name. The type ensures that each key is the name of its model. */
export const modelShapes: {
  readonly [N in PriceModel['model']]: ModelShape<Extract<PriceModel, { model: N }>>
} = shapes

export const priceModels = Object.keys(shapes) as readonly ShapeName[]

export function shapeOf(model: PriceModel['model']): ModelShape<PriceModel> {
  return modelShapes[model]
}
