// The list of all price models. Each line names a model and its shape; the type
// `PriceModel` follows from it, and rating/models/registry.ts does not compile until it has the same names.

import { type Aggregation, aggregationFacts } from '../aggregations.js'
import type { MeterValue } from '../meter-value.js'
import type { MeterWindow } from '../meter-window.js'
import { matrix } from './matrix.js'
import type { ModelFault, ModelShape } from './model-shape.js'
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

/** Why the model cannot price this meter, and the field at fault; undefined: it can. */
export function modelFault(model: PriceModel, meter: PricedMeter): ModelFault | undefined {
  return quantityFault(model, meter) ?? shapeOf(model.model).fault?.(model, meter)
}

/** Why the model cannot follow the quantity of this meter. */
export function quantityFault({ model }: PriceModel, meter: PricedMeter): ModelFault | undefined {
  const { aggregation, convert } = meter
  if ((model === 'percentage' || model === 'matrix') && aggregationFacts[aggregation].quotient) {
    const message =
      `The model ${model} prices usage event by event or by cells; the meter ${meter.meter} has one quantity for all of ` +
      'them. Use a model of one quantity, such as per_unit or graduated.'
    return { field: 'model', code: 'model_cannot_price_meter', message }
  }
  if ((model === 'percentage' || model === 'matrix') && aggregation === 'persistent_unique_count') {
    const message =
      `The model ${model} prices usage event by event or by cells; the meter ${meter.meter} has an operation and is of who is ` +
      'present. Use a model of one quantity, such as per_unit or graduated, and a filter on the meter for each cell.'
    return { field: 'model', code: 'model_cannot_price_meter', message }
  }
  if (model === 'percentage' && convert !== undefined && convert.round === undefined) {
    const message =
      `The model percentage prices usage event by event; the meter ${meter.meter} converts their sum. Give its convert ` +
      'a round, such as round: half_up with places: 12.'
    return { field: 'model', code: 'model_cannot_price_meter', message }
  }
  if (model === 'percentage' && meter.window !== undefined) {
    const message = `The model percentage prices usage event by event; the meter ${meter.meter} has a quantity by ${meter.window.unit}.`
    return { field: 'model', code: 'model_cannot_price_meter', message }
  }
  return undefined
}

interface PricedMeter extends Pick<MeterValue, 'convert'> {
  readonly meter: string
  readonly dimensions: readonly string[]
  readonly aggregation: Aggregation
  readonly window?: MeterWindow
}
