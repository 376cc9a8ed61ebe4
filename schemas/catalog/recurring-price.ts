// Recurring prices: how their fields are read, written and described. Contract section 3.
// Invariant: a price has either an `amount` or a model that prices the quantity; a written price is read back equal.

import { z } from 'zod'
import { nameField, quantityField } from '../json/wire-fields.js'
import type { Scaled } from '../money/decimal.js'
import { billingPeriodField, billingPeriodToWire, readBillingPeriod } from './billing-period.js'
import type { RecurringPrice } from './catalog.js'
import type { FieldReader } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'
import { currenciesField } from './currencies-field.js'
import { discountFields, discountToWire, readDiscount } from './discount.js'
import { decimal, fromZero, type Wire } from './models/model-shape.js'
import { type QuantityModel, quantityModels } from './models/quantity-models.js'
import { shapeOf } from './models/registry.js'
import { prorationField, prorationToWire, readProration } from './proration.js'

export function readRecurringPrice(
  reader: FieldReader,
  id: string | undefined,
  problems: Problems,
): RecurringPrice | undefined {
  const modelName = reader.choice('model', quantityModels)
  const terms = reader.has('model')
    ? readModelled(reader, modelName, problems)
    : { amount: reader.requiredDecimal('amount', fromZero), per: reader.requiredChoice('per', pers) }
  const timing = reader.requiredChoice('timing', ['in_advance', 'in_arrears'] as const)
  const billingPeriod = readBillingPeriod(reader, problems)
  const proration = readProration(reader, problems)
  const units = readUnits(reader, terms.per)
  const discount = readDiscount(reader)
  reader.refuseOthers(
    modelName === undefined ? 'a recurring price' : `a recurring price with the model ${modelName}`,
  )
  const { per, ...priced } = terms
  const isPriced = Object.values(priced).every(value => value !== undefined)
  if (id === undefined || !isPriced || per === undefined || timing === undefined) return undefined
  return {
    kind: 'recurring',
    price: id,
    ...(priced as Pick<RecurringPrice, 'amount' | 'model'>),
    per,
    ...units,
    timing,
    ...(billingPeriod === undefined ? {} : { billingPeriod }),
    ...(proration === undefined ? {} : { proration }),
    ...discount,
  }
}

const pers = ['subscription', 'unit'] as const
type Per = (typeof pers)[number] | undefined

function readModelled(reader: FieldReader, name: QuantityModel['model'] | undefined, problems: Problems) {
  if (reader.has('amount'))
    reader.fault(
      'amount',
      'unknown_key',
      'A price has an amount or a model: the model says what the quantity costs.',
    )
  const model =
    name === undefined ? undefined : (shapeOf(name).read(reader, problems) as QuantityModel | undefined)
  if (reader.choice('per', pers) === 'subscription')
    reader.fault('per', 'invalid_value', 'A model prices a quantity, so such a price is per unit.')
  return { model, per: 'unit' as Per }
}

/** What only a price per unit has. */
function readUnits(reader: FieldReader, per: Per): { included?: Scaled; defaultQuantity?: Scaled } {
  const included = reader.decimal('included', fromZero)
  const defaultQuantity = reader.decimal('default_quantity', fromZero)
  for (const name of per === 'subscription' ? ['included', 'default_quantity'] : []) {
    const article = name === 'included' ? 'units that are included' : 'a default_quantity'
    if (reader.has(name)) reader.fault(name, 'unknown_key', `Only a price per unit takes ${article}.`)
  }
  return {
    ...(included === undefined || included === 0n ? {} : { included }),
    ...(defaultQuantity === undefined ? {} : { defaultQuantity }),
  }
}

export function recurringPriceToWire(price: RecurringPrice): Wire {
  const { model, billingPeriod, proration } = price
  return {
    price: price.price,
    kind: price.kind,
    ...(model === undefined
      ? decimal('amount', price.amount)
      : { model: model.model, ...shapeOf(model.model).toWire(model) }),
    per: price.per,
    ...decimal('included', price.included),
    ...decimal('default_quantity', price.defaultQuantity),
    timing: price.timing,
    ...(billingPeriod === undefined ? {} : { billing_period: billingPeriodToWire(billingPeriod) }),
    ...(proration === undefined ? {} : { proration: prorationToWire(proration) }),
    ...discountToWire(price),
  }
}

const recurringFields = {
  price: nameField,
  kind: z.literal('recurring'),
  timing: z.enum(['in_advance', 'in_arrears']),
  billing_period: billingPeriodField.optional(),
  proration: prorationField.optional(),
  currencies: currenciesField.optional(),
  ...discountFields,
}

const unitFields = {
  included: quantityField.optional().meta({ description: 'Units that are free.' }),
  default_quantity: quantityField.optional().meta({ description: 'Where a subscription says none.' }),
}

const [firstModel, ...otherModels] = quantityModels.map(model =>
  z.strictObject({
    ...recurringFields,
    model: z.literal(model),
    ...shapeOf(model).fields,
    per: z.literal('unit').optional(),
    ...unitFields,
  }),
)

export const recurringPriceSchema = z.union([
  z.discriminatedUnion('per', [
    z.strictObject({ ...recurringFields, amount: quantityField, per: z.literal('subscription') }),
    z.strictObject({ ...recurringFields, amount: quantityField, per: z.literal('unit'), ...unitFields }),
  ]),
  z.discriminatedUnion('model', [firstModel!, ...otherModels]),
])
