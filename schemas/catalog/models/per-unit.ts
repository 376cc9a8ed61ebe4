// The shape of a `per_unit` price: one amount for each unit.
// Invariant: an amount below 0, by which the seller pays, is only read beside `allow_negative: true`, and written with it.

import { z } from 'zod'
import { decimalField } from '../../json/wire-fields.js'
import type { Scaled } from '../../money/decimal.js'
import { decimal, type ModelShape } from './model-shape.js'

export interface PerUnit {
  readonly model: 'per_unit'
  readonly unitAmount: Scaled
}

export const perUnit: ModelShape<PerUnit> = {
  fields: {
    unit_amount: decimalField,
    allow_negative: z.boolean().optional().meta({ description: 'Whether unit_amount may be below 0.' }),
  },
  read(reader) {
    const isNegativeAllowed = reader.flag('allow_negative') ?? false
    const unitAmount = reader.requiredDecimal('unit_amount', { sign: 'any' })
    if (unitAmount === undefined) return undefined
    if (unitAmount >= 0n || isNegativeAllowed) return { model: 'per_unit', unitAmount }
    const message = 'The field unit_amount is not negative, unless the price says allow_negative: true.'
    return reader.fault('unit_amount', 'negative_value', message)
  },
  toWire: ({ unitAmount }) => ({
    ...decimal('unit_amount', unitAmount),
    ...(unitAmount < 0n ? { allow_negative: true } : {}),
  }),
}
