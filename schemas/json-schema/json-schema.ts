// The JSON Schemas of what crosses the borders, made from the same zod schemas and table descriptions that the code
// reads and writes by. `schemas/json-schema/` holds them as files; a test keeps the files current.

import { z } from 'zod'
import { billingBatchSchema } from '../billing/billing-batch.js'
import { chargeSchema } from '../billing/charge.js'
import { journalEntrySchema } from '../billing/journal-entry.js'
import { mrrMovementSchema } from '../billing/mrr-movement.js'
import { catalogSchema, priceSchema } from '../catalog/catalog-schema.js'
import { deadLetterSchema } from '../event/dead-letter.js'
import { instantField, nameField } from '../json/wire-fields.js'
import {
  amendedData,
  catalogData,
  chargeAddedData,
  chargeCancelledData,
  createdData,
  customerData,
  customerStatusData,
  disputeData,
  fxRateData,
  invoiceData,
  paymentData,
  renewedData,
  retractionData,
  statusData,
  usageAmendedData,
} from '../lifecycle/lifecycle-data.js'
import { taxData } from '../lifecycle/tax-event.js'
import type { ColumnKind, TableDescription } from '../table-description.js'
import { ratedUsageTable } from '../tables.js'

export const cloudEventSchema = z.looseObject({
  specversion: z.literal('1.0'),
  id: nameField,
  source: nameField,
  type: nameField,
  subject: nameField
    .nullish()
    .meta({ description: 'The customer id. Required but for the catalog and fx rates.' }),
  time: instantField.nullish(),
  datacontenttype: z.string().nullish(),
  subscriptionid: nameField.nullish(),
  correlationid: z.string().nullish(),
  traceparent: z.string().nullish(),
  weirstampedtime: z
    .unknown()
    .meta({ description: 'true: time was stamped at this try and is no part of the content.' })
    .optional(),
  data: z.record(z.string(), z.unknown()).nullish().meta({ description: 'Missing: the empty object.' }),
  data_base64: z.base64().nullish().meta({ description: 'Instead of data: a JSON object in base64.' }),
})

const zodSchemas: Readonly<Record<string, z.ZodType>> = {
  'cloud-event': cloudEventSchema,
  catalog: catalogSchema,
  charge: chargeSchema,
  'mrr-movement': mrrMovementSchema,
  'billing-batch': billingBatchSchema,
  'journal-entry': journalEntrySchema,
  'dead-letter': deadLetterSchema,
  'weir.customer.upserted': customerData,
  'weir.customer.status_changed': customerStatusData,
  'weir.subscription.created': createdData.extend({ price_overrides: z.array(priceSchema).nullish() }),
  'weir.subscription.amended': amendedData.extend({ price_overrides: z.array(priceSchema).nullish() }),
  'weir.subscription.renewed': renewedData,
  'weir.subscription.suspended': statusData,
  'weir.subscription.resumed': statusData,
  'weir.subscription.cancelled': statusData,
  'weir.usage.retracted': retractionData,
  'weir.usage.amended': usageAmendedData,
  'weir.charge.added': chargeAddedData,
  'weir.charge.cancelled': chargeCancelledData,
  'weir.invoice.finalized': invoiceData,
  'weir.invoice.paid': invoiceData,
  'weir.invoice.voided': invoiceData,
  'weir.payment.succeeded': paymentData,
  'weir.payment.failed': paymentData,
  'weir.payment.refunded': paymentData,
  'weir.payment.disputed': disputeData,
  'weir.tax.committed': taxData,
  'weir.tax.adjusted': taxData,
  'weir.tax.voided': taxData,
  'weir.tax.pending': taxData,
  'weir.tax.failed': taxData,
  'weir.catalog.published': catalogData.extend({ catalog: catalogSchema }),
  'weir.fx_rate.published': fxRateData,
}

/** By name: a shape's, or an event type for the form of its `data`. */
export function jsonSchemas(): ReadonlyMap<string, object> {
  const schemas = Object.entries(zodSchemas).map(([name, schema]): [string, object] => [
    name,
    { title: name, ...z.toJSONSchema(schema, { io: 'input', reused: 'inline' }) },
  ])
  return new Map([...schemas, ['rated-usage', tableSchema('rated-usage', ratedUsageTable)]])
}

const columnSchemas: Readonly<Record<ColumnKind, object>> = {
  string: { type: 'string' },
  low_cardinality: { type: 'string' },
  instant_ms: { type: 'string', format: 'date-time' },
  instant_ns: { type: 'string', format: 'date-time' },
  nullable_instant_ns: { type: ['string', 'null'], format: 'date-time' },
  date: { type: 'string', format: 'date' },
  decimal: { type: 'string', pattern: '^-?\\d{1,26}(\\.\\d{1,12})?$' },
  uint32: { type: 'integer', minimum: 0 },
  uint64: { type: 'integer', minimum: 0 },
  int8: { type: 'integer' },
  int64: { type: 'integer' },
  map: { type: 'object', additionalProperties: { type: 'string' } },
}

function tableSchema(title: string, table: TableDescription<unknown>): object {
  return {
    title,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: Object.fromEntries(table.columns.map(column => [column.name, columnSchemas[column.kind]])),
    required: table.columns.map(column => column.name),
  }
}
