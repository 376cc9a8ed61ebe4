// The `data` of every `weir.*` event as zod schemas, from which their JSON Schemas are made. Contract section
// 2.
// Invariants: an unknown field is refused, so that a change never takes effect in part; `metadata` holds the
// sender's own fields. Null in an optional field means the same as an absent field, except in
// `effective_until` and `trial_until`, where null means that there is no end and no trial, and in `bill_to_customer_id` and
// `parent_customer_id`, where null means that there is none any more.

import { z } from 'zod'
import {
  closedObject,
  currencyField,
  decimalField,
  endField,
  instantField,
  nameField,
  planVersionField,
  positiveField,
  quantityField,
  timezoneField,
  wholeField,
} from '../json/wire-fields.js'
import { commitmentsField } from './commitment.js'
import { gates } from './gates.js'
import { movedReadingsField } from './moved-readings.js'

/** Of one subscription at a time. */
const mostCoupons = 20

/** The sender's own fields, allowed in every `weir.*` event. */
const own = { metadata: z.record(z.string(), z.unknown()).nullish() }

const subscriptionFields = {
  subscription_id: nameField,
  customer_id: nameField,
  sequence: wholeField(0, Number.MAX_SAFE_INTEGER),
  effective_from: instantField,
  ...own,
}

type Refine = z.core.$RefinementCtx

function refuseData(context: Refine, field: string, message: string): void {
  context.addIssue({ code: 'custom', path: [field], message, params: { code: 'invalid_data' } })
}

/** Codes of coupons, in the order in which they are taken off; each once. An empty list ends them all. */
const couponsField = z
  .array(nameField)
  .max(mostCoupons)
  .superRefine((codes, context) => {
    const again = codes.findIndex((code, index) => codes.indexOf(code) < index)
    if (again === -1) return
    const message = `names the coupon ${codes[again]} twice`
    context.addIssue({ code: 'custom', path: [again], message, params: { code: 'invalid_data' } })
  })
  .nullish()

const termFields = {
  plan_version: planVersionField.nullish(),
  quantities: z.record(z.string(), quantityField).nullish(),
  price_overrides: z.array(z.unknown()).nullish(),
  entity_id: nameField.nullish(),
  billing_anchor: instantField.nullish(),
  trial_until: instantField.nullish(),
  coupons: couponsField,
  commitments: commitmentsField,
}

export const createdData = closedObject({
  ...subscriptionFields,
  ...termFields,
  plan: nameField,
  effective_until: endField.optional(),
  timezone: timezoneField.nullish(),
  contract_id: nameField.nullish(),
  po_number: nameField.nullish(),
})

const onlyCreated = 'cannot be amended; it is set when the subscription is created'

export const amendedData = closedObject(
  {
    ...subscriptionFields,
    ...termFields,
    change: z.string().nullish(),
    plan: nameField.nullish(),
    effective_until: endField.optional(),
  },
  { timezone: onlyCreated, contract_id: onlyCreated, po_number: onlyCreated },
)

export const renewedData = closedObject({ ...subscriptionFields, effective_until: endField })

export const statusData = closedObject({ ...subscriptionFields, reason: z.string().nullish() })

export const customerData = closedObject({
  customer_id: nameField,
  name: z.string().nullish(),
  entity_id: nameField.nullish(),
  currency: currencyField.nullish(),
  external_ids: closedObject({
    crm: z.string().nullish(),
    billing: z.string().nullish(),
    erp: z.string().nullish(),
  }).nullish(),
  /** Who pays, and whose part the customer is: customers of ours. */
  bill_to_customer_id: nameField.nullish(),
  parent_customer_id: nameField.nullish(),
  ...own,
})

/** How a check of a customer stands: a word of ours or of a vendor, which pipeline/gates folds. */
export const customerStatusData = closedObject({
  customer_id: nameField.nullish(),
  gate: z.enum(gates),
  status: nameField,
  until: instantField.nullish().meta({ description: 'From then on it counts as expired.' }),
  reason: z.string().nullish(),
  reference: z.string().nullish().meta({ description: 'The proof, such as a consultation number.' }),
  ...own,
})

export const retractionData = closedObject({
  event_source: nameField,
  event_id: nameField,
  reason: z.string().nullish(),
  ...own,
})

/** What a usage event ought to have been; what is left out stays as the event brought it. */
export const usageAmendedData = closedObject({
  event_source: nameField,
  event_id: nameField,
  type: nameField
    .refine(type => !type.startsWith('weir.'), {
      message: 'is a type of usage, so it does not begin with weir.',
    })
    .nullish(),
  time: instantField.nullish(),
  subject: nameField.nullish(),
  subscriptionid: nameField.nullish(),
  data: z.record(z.string(), z.unknown()).nullish(),
  withdrawn: z
    .literal(true)
    .nullish()
    .meta({ description: 'The event counts for nothing as long as this amendment is the latest.' }),
  reason: z.string().nullish(),
  readings: movedReadingsField.optional(),
  ...own,
}).superRefine(({ type, time, subject, subscriptionid, data, withdrawn }, context) => {
  const amended = [type, time, subject, subscriptionid, data].filter(one => one != null)
  if (withdrawn != null && amended.length > 0) {
    refuseData(context, 'withdrawn', 'stands alone: an event that is withdrawn is not amended')
  } else if (withdrawn == null && amended.length === 0) {
    refuseData(
      context,
      'data',
      'is missing, as are time, subject, type and subscriptionid: nothing is amended',
    )
  } else if (type != null && data == null) {
    refuseData(context, 'data', 'is missing: a type comes with the data that its meters read')
  }
})

/** A fee or a credit that no plan names; both have an amount from 0 on. */
export const chargeAddedData = closedObject({
  subscription_id: nameField
    .nullish()
    .meta({ description: 'Whose entity, plan and time zone the charge takes.' }),
  customer_id: nameField,
  charge: nameField.meta({ description: 'Its name, which stands where other charges have their price.' }),
  amount: quantityField,
  currency: currencyField,
  quantity: quantityField.nullish().meta({ description: 'Left out: 1. The amount is that of all of it.' }),
  effective_from: instantField.meta({ description: 'When it is due.' }),
  kind: z.enum(['one_off', 'credit']).nullish().meta({ description: 'Left out: one_off.' }),
  reason: z.string().nullish(),
  ...own,
})

/** The event named is a `weir.charge.added` of this customer. */
export const chargeCancelledData = closedObject({
  customer_id: nameField,
  event_source: nameField,
  event_id: nameField,
  reason: z.string().nullish(),
  ...own,
})

export const invoiceData = closedObject({
  invoice_id: nameField,
  customer_id: nameField,
  currency: currencyField,
  total: decimalField,
  due_at: instantField.nullish(),
  subscription_id: nameField.nullish(),
  ...own,
})

export const paymentData = closedObject({
  payment_id: nameField,
  customer_id: nameField,
  currency: currencyField,
  amount: decimalField,
  invoice_id: nameField.nullish(),
  reason: z.string().nullish(),
  ...own,
})

export const disputeStatuses = ['opened', 'won', 'lost'] as const
export type DisputeStatus = (typeof disputeStatuses)[number]

/** How a dispute of a payment stands; `amount` is what is disputed, and with `lost` what is lost. */
export const disputeData = paymentData.extend({
  dispute_id: nameField,
  status: z.enum(disputeStatuses).meta({ description: 'won and lost are for the one who was paid.' }),
})

export const fxRateData = closedObject({
  base: currencyField,
  quote: currencyField,
  rate: positiveField,
  effective_from: instantField,
  ...own,
})

/** catalog-parser.ts reads the catalog itself. */
export const catalogData = closedObject({ catalog: z.unknown(), ...own })
