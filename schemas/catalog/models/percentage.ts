// The shape of a `percentage` price: a rate per cent and what goes with each event.

import { z } from 'zod'
import { present, quantityField } from '../../json/wire-fields.js'
import type { Scaled } from '../../money/decimal.js'
import { decimal, fromZero, type ModelShape } from './model-shape.js'

export interface Percentage {
  readonly model: 'percentage'
  readonly rate: Scaled
  readonly fixedAmount?: Scaled
  readonly freeUnits?: Scaled
  readonly freeEvents?: number
  readonly perEventMinimum?: Scaled
  readonly perEventMaximum?: Scaled
}

export const percentage: ModelShape<Percentage> = {
  fields: {
    rate: quantityField.meta({ description: 'Per cent.' }),
    fixed_amount: quantityField.optional(),
    free_units: quantityField.optional(),
    free_events: z.int().min(0).optional(),
    per_event_minimum: quantityField.optional(),
    per_event_maximum: quantityField.optional(),
  },
  read(reader) {
    const rate = reader.requiredDecimal('rate', fromZero)
    const fixedAmount = reader.decimal('fixed_amount', fromZero)
    const freeUnits = reader.decimal('free_units', fromZero)
    const freeEvents = reader.whole('free_events', 0, Number.MAX_SAFE_INTEGER)
    const perEventMinimum = reader.decimal('per_event_minimum', fromZero)
    const perEventMaximum = reader.decimal('per_event_maximum', fromZero)
    if (perEventMinimum !== undefined && perEventMaximum !== undefined && perEventMinimum > perEventMaximum) {
      reader.fault('per_event_maximum', 'value_out_of_range', 'It is not less than per_event_minimum.')
    }
    if (rate === undefined) return undefined
    const perEvent = { perEventMinimum, perEventMaximum }
    return { model: 'percentage', rate, ...present({ fixedAmount, freeUnits, freeEvents, ...perEvent }) }
  },
  toWire: model => ({
    ...decimal('rate', model.rate),
    ...decimal('fixed_amount', model.fixedAmount),
    ...decimal('free_units', model.freeUnits),
    ...(model.freeEvents === undefined ? {} : { free_events: model.freeEvents }),
    ...decimal('per_event_minimum', model.perEventMinimum),
    ...decimal('per_event_maximum', model.perEventMaximum),
  }),
}
