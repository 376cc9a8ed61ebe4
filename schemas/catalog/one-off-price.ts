// One-off prices: owed once, when the price first comes into force. How their fields are read, written and described.
// Contract section 9.

import { z } from 'zod'
import { nameField, quantityField } from '../json/wire-fields.js'
import type { OneOffPrice } from './catalog.js'
import type { FieldReader } from './catalog-reader.js'
import { currenciesField } from './currencies-field.js'
import { readDiscountPercent } from './discount.js'
import { decimal, fromZero, type Wire } from './models/model-shape.js'

export function readOneOffPrice(reader: FieldReader, id: string | undefined): OneOffPrice | undefined {
  const amount = reader.requiredDecimal('amount', fromZero)
  const per = reader.has('per') ? reader.choice('per', ['subscription', 'unit'] as const) : 'subscription'
  const timing = reader.requiredChoice('timing', ['at_start'] as const)
  const defaultQuantity = reader.decimal('default_quantity', fromZero)
  if (per === 'subscription' && reader.has('default_quantity')) {
    reader.fault('default_quantity', 'unknown_key', 'Only a price per unit takes a default_quantity.')
  }
  const discountPercent = readDiscountPercent(reader)
  if (reader.has('discount_periods')) {
    reader.fault(
      'discount_periods',
      'unknown_key',
      'A one-off price is owed once, so its discount has no periods.',
    )
  }
  reader.refuseOthers('a one-off price')
  if (id === undefined || amount === undefined || per === undefined || timing === undefined) return undefined
  return {
    kind: 'one_off',
    price: id,
    amount,
    per,
    ...(defaultQuantity === undefined ? {} : { defaultQuantity }),
    timing,
    discountPercent,
  }
}

export function oneOffPriceToWire(price: OneOffPrice): Wire {
  return {
    price: price.price,
    kind: price.kind,
    ...decimal('amount', price.amount),
    per: price.per,
    ...decimal('default_quantity', price.defaultQuantity),
    timing: price.timing,
    ...(price.discountPercent === 0n ? {} : decimal('discount_percent', price.discountPercent)),
  }
}

const oneOffFields = {
  price: nameField,
  kind: z.literal('one_off'),
  amount: quantityField,
  timing: z.literal('at_start').meta({ description: 'When the price first comes into force.' }),
  discount_percent: quantityField.optional(),
  currencies: currenciesField.optional(),
}

export const oneOffPriceSchema = z.union([
  z.strictObject({
    ...oneOffFields,
    per: z.literal('subscription').optional().meta({ description: 'Left out: subscription.' }),
  }),
  z.strictObject({
    ...oneOffFields,
    per: z.literal('unit'),
    default_quantity: quantityField.optional().meta({ description: 'Where a subscription says none.' }),
  }),
])
