// The catalog's form as a zod schema: the source of its JSON Schema, for editors and other languages.
// catalog-parser.ts decides what is valid; this says the same as far as JSON Schema can (a test compares them).

import { z } from 'zod'
import {
  comparableField,
  currencyField,
  nameField,
  planVersionField,
  positiveField,
  quantityField,
} from '../json/wire-fields.js'
import { type Aggregation, type AggregationFacts, aggregationFacts, aggregations } from './aggregations.js'
import { priceModels, shapeOf } from './models/registry.js'

const meterFields = {
  meter: nameField,
  event_type: nameField,
  filters: z.record(z.string(), z.union([comparableField, z.array(comparableField).min(1)])).optional(),
  dimensions: z.array(nameField).optional(),
  unit: nameField.optional(),
  allow_negative: z.boolean().optional(),
}

const valuePath = nameField.meta({ description: 'Path into data, its steps separated by dots.' })

/** Meters of the aggregations that need the same fields. */
function metersOf(asks: (facts: AggregationFacts) => boolean, fields: z.ZodRawShape) {
  const [first, ...others] = aggregations.filter(name => asks(aggregationFacts[name])) as [
    Aggregation,
    ...Aggregation[],
  ]
  const aggregation = others.length === 0 ? z.literal(first) : z.enum([first, ...others])
  return z.strictObject({ ...meterFields, aggregation, ...fields })
}

const meter = z.union([
  metersOf(({ reads }) => reads === 'nothing', {}),
  metersOf(({ reads, takesPercentile }) => reads !== 'nothing' && !takesPercentile, { value: valuePath }),
  metersOf(({ takesPercentile }) => takesPercentile === true, {
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

const [firstModel, ...otherModels] = priceModels.map(model =>
  z.strictObject({ ...usageFields, model: z.literal(model), ...shapeOf(model).fields }),
)
const usagePrice = z.discriminatedUnion('model', [firstModel!, ...otherModels])

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
  schemas: z
    .array(
      z.strictObject({
        event_type: nameField,
        version: planVersionField,
        from: z.string().optional().meta({
          description:
            'It judges events that arrive from here on; at the earliest a minute after it was published.',
        }),
        schema: z.looseObject({}).meta({ description: 'JSON Schema 2020-12 of the data of such events' }),
      }),
    )
    .optional(),
})
