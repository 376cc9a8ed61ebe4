// The price models: the one list of them, and the one place that finds a model by its name. A name of the catalog's
// (schemas/catalog/models/registry.ts) that is missing here does not compile.

import type { PriceModel, UsagePrice } from '../../schemas/catalog/catalog.js'
import { graduated } from './graduated/model.js'
import { matrix } from './matrix/model.js'
import type { ModelPart, UsageModel } from './model.js'
import { packages } from './package/model.js'
import { perUnit } from './per-unit/model.js'
import { percentage } from './percentage/model.js'
import { volume } from './volume/model.js'

const models = {
  per_unit: perUnit,
  graduated,
  volume,
  package: packages,
  percentage,
  matrix,
} satisfies { readonly [N in PriceModel['model']]: ModelPart<Extract<PriceModel, { model: N }>> }

type UsageOf<P> = P extends UsageModel<infer _M, infer _T, infer U> ? U : never
/** What the models remember that need more than one aggregated quantity. */
export type ModelUsage = UsageOf<(typeof models)[keyof typeof models]>

export function modelPart({ model }: PriceModel): ModelPart<PriceModel> {
  return models[model]
}

/** Where an event with these dimensions belongs: 0 for a model without cells; undefined: no cell and no default. */
export function cellOf({ model }: UsagePrice, dimensions: ReadonlyMap<string, string>): number | undefined {
  const part = modelPart(model)
  return part.kind === 'usage' && part.cellOf !== undefined ? part.cellOf(model, dimensions) : 0
}
