// The shape of a `per_unit` price: one amount for each unit.

import { quantityField } from '../../json/wire-fields.js'
import type { Scaled } from '../../money/decimal.js'
import { decimal, fromZero, type ModelShape } from './model-shape.js'

export interface PerUnit {
  readonly model: 'per_unit'
  readonly unitAmount: Scaled
}

export const perUnit: ModelShape<PerUnit> = {
  fields: { unit_amount: quantityField },
  read(reader) {
    const unitAmount = reader.requiredDecimal('unit_amount', fromZero)
    return unitAmount === undefined ? undefined : { model: 'per_unit', unitAmount }
  },
  toWire: model => decimal('unit_amount', model.unitAmount),
}
