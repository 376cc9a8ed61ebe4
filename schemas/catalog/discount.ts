// The discount of a price: how its fields are read, written and described.

import { z } from 'zod'
import { quantityField } from '../json/wire-fields.js'
import { type Scaled, scaledOne } from '../money/decimal.js'
import type { Price } from './catalog.js'
import type { FieldReader } from './catalog-reader.js'
import { decimal, type Wire } from './models/model-shape.js'

const perCent = { sign: 'from_zero', max: 100n * scaledOne } as const

export function readDiscountPercent(reader: FieldReader): Scaled {
  return reader.decimal('discount_percent', perCent) ?? 0n
}

export function readDiscount(reader: FieldReader): { discountPercent: Scaled; discountPeriods?: number } {
  const discountPercent = readDiscountPercent(reader)
  const discountPeriods = reader.whole('discount_periods', 1, Number.MAX_SAFE_INTEGER)
  if (discountPeriods !== undefined && !reader.has('discount_percent')) {
    reader.fault('discount_periods', 'missing_field', 'The field discount_periods needs discount_percent.')
  }
  return {
    discountPercent,
    ...(discountPeriods === undefined ? {} : { discountPeriods }),
  }
}

/** A discount of 0 % that lasts for ever is none, and is left out. */
export function discountToWire({ discountPercent, discountPeriods }: Price): Wire {
  return {
    ...(discountPercent === 0n && discountPeriods === undefined
      ? {}
      : decimal('discount_percent', discountPercent)),
    ...(discountPeriods === undefined ? {} : { discount_periods: discountPeriods }),
  }
}

export const discountFields = {
  discount_percent: quantityField.optional(),
  discount_periods: z.int().min(1).optional(),
}
