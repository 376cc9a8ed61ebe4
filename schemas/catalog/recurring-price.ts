// Recurring prices: how their fields are read, written and described. Contract section 3.

import { z } from 'zod'
import { nameField, quantityField } from '../json/wire-fields.js'
import { billingPeriodField, billingPeriodToWire, readBillingPeriod } from './billing-period.js'
import type { RecurringPrice } from './catalog.js'
import type { FieldReader } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'
import { discountFields, discountToWire, readDiscount } from './discount.js'
import { decimal, fromZero, type Wire } from './models/model-shape.js'

export function readRecurringPrice(
  reader: FieldReader,
  id: string | undefined,
  problems: Problems,
): RecurringPrice | undefined {
  const amount = reader.requiredDecimal('amount', fromZero)
  const per = reader.requiredChoice('per', ['subscription', 'unit'] as const)
  const timing = reader.requiredChoice('timing', ['in_advance', 'in_arrears'] as const)
  const billingPeriod = readBillingPeriod(reader, problems)
  const defaultQuantity = reader.decimal('default_quantity', fromZero)
  if (per === 'subscription' && reader.has('default_quantity')) {
    reader.fault('default_quantity', 'unknown_key', 'Only a price per unit takes a default_quantity.')
  }
  const discount = readDiscount(reader)
  reader.refuseOthers('a recurring price')
  if (id === undefined || amount === undefined || per === undefined || timing === undefined) return undefined
  return {
    kind: 'recurring',
    price: id,
    amount,
    per,
    ...(defaultQuantity === undefined ? {} : { defaultQuantity }),
    timing,
    ...(billingPeriod === undefined ? {} : { billingPeriod }),
    ...discount,
  }
}

export function recurringPriceToWire(price: RecurringPrice): Wire {
  return {
    price: price.price,
    kind: price.kind,
    ...decimal('amount', price.amount),
    per: price.per,
    ...decimal('default_quantity', price.defaultQuantity),
    timing: price.timing,
    ...(price.billingPeriod === undefined
      ? {}
      : { billing_period: billingPeriodToWire(price.billingPeriod) }),
    ...discountToWire(price),
  }
}

const recurringFields = {
  price: nameField,
  kind: z.literal('recurring'),
  amount: quantityField,
  timing: z.enum(['in_advance', 'in_arrears']),
  billing_period: billingPeriodField.optional(),
  ...discountFields,
}

export const recurringPriceSchema = z.discriminatedUnion('per', [
  z.strictObject({ ...recurringFields, per: z.literal('subscription') }),
  z.strictObject({
    ...recurringFields,
    per: z.literal('unit'),
    default_quantity: quantityField.optional().meta({ description: 'Where a subscription says none.' }),
  }),
])
