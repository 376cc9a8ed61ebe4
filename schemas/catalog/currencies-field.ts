// The field `currencies` of a price as editors and other languages see it, and which fields of a price hold amounts.

import { z } from 'zod'
import { currencyField, quantityField } from '../json/wire-fields.js'

/** The fields of a price that hold amounts, whatever its kind and model. */
export const moneyFields = [
  ...['amount', 'unit_amount', 'tiers', 'package_amount', 'fixed_amount', 'per_event_minimum'],
  ...['per_event_maximum', 'cells', 'default_unit_amount', 'default', 'minimum', 'maximum'],
] as const

const lists: readonly string[] = ['tiers', 'cells']

function fieldOf(name: string): z.ZodType {
  if (name === 'default') return z.looseObject({})
  return lists.includes(name) ? z.array(z.looseObject({})) : quantityField
}

export const currenciesField = z
  .record(
    currencyField,
    z.strictObject(Object.fromEntries(moneyFields.map(name => [name, fieldOf(name).optional()]))),
  )
  .meta({ description: 'The amounts of the price in further currencies, each with all of them.' })
