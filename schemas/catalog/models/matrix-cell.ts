// What a cell of a `matrix` price, or its default, costs: an amount for each unit with a flat amount, or a model of its own.
// Invariant: a written cell is read back equal.

import { z } from 'zod'
import { quantityField } from '../../json/wire-fields.js'
import type { Scaled } from '../../money/decimal.js'
import type { FieldReader } from '../catalog-reader.js'
import type { Problems } from '../catalog-source.js'
import { decimal, fromZero, type ModelShape, type Wire } from './model-shape.js'
import { type Package, packages } from './package.js'
import { stairstep } from './stairstep.js'
import { type Tiered, tieredShape } from './tiers.js'

export type CellModel = Tiered<'graduated'> | Tiered<'volume'> | Tiered<'stairstep'> | Package

export type CellPrice =
  | {
      readonly unitAmount: Scaled
      /** Due once in a service period, also without usage. Absent: none. */
      readonly flatAmount?: Scaled
      readonly model?: undefined
    }
  | { readonly model: CellModel }

const shapes: { readonly [N in CellModel['model']]: ModelShape<Extract<CellModel, { model: N }>> } = {
  graduated: tieredShape('graduated'),
  volume: tieredShape('volume'),
  stairstep,
  package: packages,
}

export const cellModels = Object.keys(shapes) as readonly CellModel['model'][]

function shapeOf(model: CellModel['model']): ModelShape<CellModel> {
  return shapes[model]
}

/** `what` names it in faults. Undefined when a field is missing or wrong; the reader then has the fault. */
export function readCellPrice(reader: FieldReader, what: string, problems: Problems): CellPrice | undefined {
  if (reader.has('model')) {
    const name = reader.choice('model', cellModels)
    if (name === undefined) return undefined
    const model = shapeOf(name).read(reader, problems)
    reader.refuseOthers(`${what} with the model ${name}`)
    return model && { model }
  }
  const unitAmount = reader.requiredDecimal('unit_amount', fromZero)
  const flatAmount = reader.decimal('flat_amount', fromZero)
  reader.refuseOthers(what)
  if (unitAmount === undefined) return undefined
  return { unitAmount, ...(flatAmount === undefined || flatAmount === 0n ? {} : { flatAmount }) }
}

export function cellPriceToWire(price: CellPrice): Wire {
  if (price.model !== undefined)
    return { model: price.model.model, ...shapeOf(price.model.model).toWire(price.model) }
  return { ...decimal('unit_amount', price.unitAmount), ...decimal('flat_amount', price.flatAmount) }
}

/** `fields`: what it has besides. */
export function cellPriceField<S extends z.ZodRawShape>(fields: S) {
  return z.union([
    z.strictObject({ ...fields, unit_amount: quantityField, flat_amount: quantityField.optional() }),
    ...cellModels.map(name => z.strictObject({ ...fields, model: z.literal(name), ...shapeOf(name).fields })),
  ])
}
