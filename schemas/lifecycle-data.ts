// The `data` of every `weir.*` event as zod schemas, which are also where their JSON Schemas come from.
// Contract section 2. Keys beyond these are tolerated; null in an optional field is as good as leaving it out.

import { z } from 'zod'
import {
  currencyField,
  decimalField,
  instantField,
  nameField,
  planVersionField,
  positiveField,
  quantityField,
  timezoneField,
} from './wire-fields.js'

const subscriptionFields = {
  subscription_id: nameField,
  customer_id: nameField,
  sequence: z.int().min(0),
  effective_from: instantField,
}

const termFields = {
  plan_version: planVersionField.nullish(),
  quantities: z.record(z.string(), quantityField).nullish(),
  price_overrides: z.array(z.unknown()).nullish(),
  entity_id: nameField.nullish(),
}

export const createdData = z.object({
  ...subscriptionFields,
  ...termFields,
  plan: nameField,
  effective_until: instantField.nullish(),
  billing_anchor: instantField.nullish(),
  timezone: timezoneField.nullish(),
  contract_id: nameField.nullish(),
  trial_until: instantField.nullish(),
})

export const amendedData = z.object({
  ...subscriptionFields,
  ...termFields,
  change: z.string().nullish(),
  plan: nameField.nullish(),
  // Null is refused: it could mean to keep the end or to take it away, and Weir does not guess.
  effective_until: instantField.optional(),
})

export const renewedData = z.object({ ...subscriptionFields, effective_until: instantField })

export const statusData = z.object({ ...subscriptionFields, reason: z.string().nullish() })

export const customerData = z.object({
  customer_id: nameField,
  name: z.string().nullish(),
  entity_id: nameField.nullish(),
  currency: currencyField.nullish(),
  external_ids: z
    .object({ crm: z.string().nullish(), billing: z.string().nullish(), erp: z.string().nullish() })
    .nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
})

export const retractionData = z.object({
  event_source: nameField,
  event_id: nameField,
  reason: z.string().nullish(),
})

export const invoiceData = z.object({
  invoice_id: nameField,
  customer_id: nameField,
  currency: currencyField,
  total: decimalField,
  due_at: instantField.nullish(),
  subscription_id: nameField.nullish(),
})

export const paymentData = z.object({
  payment_id: nameField,
  customer_id: nameField,
  currency: currencyField,
  amount: decimalField,
  invoice_id: nameField.nullish(),
  reason: z.string().nullish(),
})

export const fxRateData = z.object({
  base: currencyField,
  quote: currencyField,
  rate: positiveField,
  effective_from: instantField,
})
