// The catalog's form as a zod schema: the source of its JSON Schema, for editors and other languages.
// catalog-parser.ts is what decides; this says the same as far as JSON Schema can (a test holds them together).

import { z } from 'zod'
import {
  currencyField,
  nameField,
  planVersionField,
  positiveField,
  quantityField,
} from '../json/wire-fields.js'

const comparable = z.union([z.string(), z.number(), z.boolean()])

const meterFields = {
  meter: nameField,
  event_type: nameField,
  filters: z.record(z.string(), z.union([comparable, z.array(comparable).min(1)])).optional(),
  dimensions: z.array(nameField).optional(),
  unit: nameField.optional(),
  allow_negative: z.boolean().optional(),
}

const valuePath = nameField.meta({ description: 'Path into data, its steps separated by dots.' })

const meter = z.union([
  z.strictObject({ ...meterFields, aggregation: z.literal('count') }),
  z.strictObject({
    ...meterFields,
    aggregation: z.enum(['sum', 'max', 'min', 'latest', 'unique_count', 'weighted_sum', 'time_average']),
    value: valuePath,
  }),
  z.strictObject({
    ...meterFields,
    aggregation: z.literal('percentile'),
    value: valuePath,
    percentile: positiveField,
  }),
])

const discount = {
  discount_percent: quantityField.optional(),
  discount_periods: z.int().min(1).optional(),
}

const recurringFields = {
  price: nameField,
  kind: z.literal('recurring'),
  amount: quantityField,
  timing: z.enum(['in_advance', 'in_arrears']),
  ...discount,
}

const recurringPrice = z.discriminatedUnion('per', [
  z.strictObject({ ...recurringFields, per: z.literal('subscription') }),
  z.strictObject({
    ...recurringFields,
    per: z.literal('unit'),
    default_quantity: quantityField.optional().meta({ description: 'Where a subscription says none.' }),
  }),
])

const usageFields = {
  price: nameField,
  kind: z.literal('usage'),
  meter: nameField,
  timing: z.literal('in_arrears').optional(),
  included: quantityField.optional(),
  ...discount,
  minimum: quantityField.optional(),
  maximum: quantityField.optional(),
  prorate: z.boolean().optional(),
}

const tier = z.strictObject({
  up_to: positiveField.nullable().meta({ description: 'Inclusive; null in the last tier.' }),
  unit_amount: quantityField.optional(),
  flat_amount: quantityField.optional(),
})

const usagePrice = z.discriminatedUnion('model', [
  z.strictObject({ ...usageFields, model: z.literal('per_unit'), unit_amount: quantityField }),
  z.strictObject({ ...usageFields, model: z.literal('graduated'), tiers: z.array(tier).min(1) }),
  z.strictObject({ ...usageFields, model: z.literal('volume'), tiers: z.array(tier).min(1) }),
  z.strictObject({
    ...usageFields,
    model: z.literal('package'),
    package_size: positiveField,
    package_amount: quantityField,
  }),
  z.strictObject({
    ...usageFields,
    model: z.literal('percentage'),
    rate: quantityField.meta({ description: 'Per cent.' }),
    fixed_amount: quantityField.optional(),
    free_units: quantityField.optional(),
    free_events: z.int().min(0).optional(),
    per_event_minimum: quantityField.optional(),
    per_event_maximum: quantityField.optional(),
  }),
  z.strictObject({
    ...usageFields,
    model: z.literal('matrix'),
    cells: z
      .array(z.strictObject({ when: z.record(z.string(), comparable), unit_amount: quantityField }))
      .meta({
        description:
          'Of several cells that match an event, the one with the most dimensions wins. Two that could match one event ' +
          'with equally many are refused.',
      }),
    default_unit_amount: quantityField.optional(),
  }),
])

export const priceSchema = z.union([recurringPrice, usagePrice])

export const catalogSchema = z.strictObject({
  meters: z.array(meter).optional(),
  plans: z
    .array(
      z.strictObject({
        plan: nameField,
        version: planVersionField,
        currency: currencyField,
        billing_period: z.enum(['day', 'week', 'month', 'quarter', 'year']),
        proration: z.enum(['second', 'day']).optional(),
        rounding: z.enum(['half_up', 'half_even']).optional(),
        minimum_when_suspended: z
          .boolean()
          .optional()
          .meta({
            description:
              'Whether minimums and flat amounts are owed for a service period that lies in a suspension from end to end. ' +
              'Left out: they are not.',
          }),
        prices: z.array(priceSchema),
      }),
    )
    .optional(),
})
