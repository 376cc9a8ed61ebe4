// The list of all price models, and the only place that looks a model up by its name. A name that the catalog has
// (schemas/catalog/models/registry.ts) and this list lacks does not compile.

import type { PriceModel, UsagePrice } from '../../schemas/catalog/catalog.js'
import { graduated } from './graduated/model.js'
import type { GroupedUsage } from './grouped/group.js'
import { grouped } from './grouped/model.js'
import { matrix } from './matrix/model.js'
import type { ModelPart, UsageModel } from './model.js'
import { packages } from './package/model.js'
import { perUnit } from './per-unit/model.js'
import { percentage } from './percentage/model.js'
import { stairstep } from './stairstep/model.js'
import { volume } from './volume/model.js'

const models = {
  per_unit: perUnit,
  graduated,
  volume,
  stairstep,
  package: packages,
  percentage,
  matrix,
} satisfies { readonly [N in PriceModel['model']]: ModelPart<Extract<PriceModel, { model: N }>> }

type UsageOf<P> = P extends UsageModel<infer _M, infer _T, infer U> ? U : never
/** The states of the models that need more than one aggregated quantity. */
export type ModelUsage = UsageOf<(typeof models)[keyof typeof models]> | GroupedUsage

export function modelPart({ model }: PriceModel): ModelPart<PriceModel> {
  return models[model]
}

/** The model of a usage price, group by group where it has `group_by`. */
export function partOf({ model, groupBy }: UsagePrice): ModelPart<PriceModel> {
  return groupBy === undefined ? modelPart(model) : grouped(modelPart(model))
}

/** The cell of an event with these dimensions: 0 for a model without cells; undefined: no cell and no default. */
export function cellOf({ model }: UsagePrice, dimensions: ReadonlyMap<string, string>): number | undefined {
  const part = modelPart(model)
  return part.kind === 'usage' && part.cellOf !== undefined ? part.cellOf(model, dimensions) : 0
}
