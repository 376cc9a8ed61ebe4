// Every ClickHouse table that the ledger feeds: its columns in order, and from them the type of a row.
// The one description that the core's rows, the Arrow encoding, the migrations and the sink share.
// Invariants:
// 1. A column is added at the end of its group and never renamed or dropped; analysts query them by name.
// 2. One thing has one name in all tables, and one name means one thing (tables.test.ts).

import { arrivalEventsTable, arrivalsTable } from './arrival-tables.js'
import { auditLogTable } from './audit/audit-log-table.js'
import { journalEntriesTable, journalSummariesTable, revenueScheduleTable } from './billing/journal-tables.js'
import { catalogVersionsTable } from './catalog/catalog-versions-table.js'
import { addedChargesTable } from './lifecycle/added-charges-table.js'
import { taxTransactionsTable } from './lifecycle/tax-table.js'
import { describe, type RowOf, type TableDescription } from './table-description.js'

/** Which partition wrote the row, and in which of its commits. */
const origin = { partition: 'uint32', ledger_sequence: 'uint64' } as const

/** The message of BILLING, POSTINGS, DELIVERIES, RESOLUTIONS, ARRIVAL_OUTCOMES or AUDIT that a row is made from. */
const streamOrigin = { stream_sequence: 'uint64' } as const

/** The message that brought the event: a stream and the sequence there. '' and 0 where none did. */
const broughtBy = { input_stream: 'low_cardinality', input_sequence: 'uint64' } as const

/** The event that caused a row. */
const cause = { event_source: 'string', event_id: 'string', correlation_id: 'string' } as const

export const ratedUsageTable = describe('rated_usage', {
  event_source: 'string',
  event_id: 'string',
  event_type: 'low_cardinality',
  event_time: 'instant_ns',
  ingested_at: 'instant_ms',
  rated_at: 'instant_ms',
  customer_id: 'string',
  // What the event asked for by `subscriptionid`; empty when it did not.
  pinned_subscription_id: 'string',
  subscription_id: 'string',
  subscription_version: 'uint64',
  plan: 'low_cardinality',
  plan_version: 'uint32',
  price: 'low_cardinality',
  meter: 'low_cardinality',
  charge_id: 'string',
  period_from: 'instant_ns',
  period_until: 'instant_ns',
  // The reading's text, from which the event can be rated again.
  value: 'string',
  quantity: 'decimal',
  amount: 'decimal',
  currency: 'low_cardinality',
  entity_id: 'low_cardinality',
  kind: 'low_cardinality',
  // 1: a row of an event; -1: one taken back; 0: what a correction leaves over.
  event_count: 'int8',
  dimensions: 'map',
  correlation_id: 'string',
  traceparent: 'string',
  ...broughtBy,
  ...origin,
})

export const subscriptionVersionsTable = describe('subscription_versions', {
  subscription_id: 'string',
  customer_id: 'string',
  sequence: 'uint64',
  // The commit that wrote the row; the greatest revision of a sequence is the valid one.
  revision: 'uint64',
  change: 'low_cardinality',
  status: 'low_cardinality',
  plan: 'low_cardinality',
  plan_version: 'uint32',
  effective_from: 'instant_ns',
  effective_until: 'nullable_instant_ns',
  quantities: 'map',
  mrr: 'decimal',
  currency: 'low_cardinality',
  entity_id: 'low_cardinality',
  contract_id: 'string',
  po_number: 'string',
  // JSON of an object, as this change sent it.
  metadata: 'string',
  // By the pointer of a value in the event: why it has no effect yet.
  notices: 'map',
  ...cause,
  ...origin,
})

export const chargesTable = describe('charges', {
  charge_id: 'string',
  customer_id: 'string',
  subscription_id: 'string',
  subscription_version: 'uint64',
  entity_id: 'low_cardinality',
  contract_id: 'string',
  plan: 'low_cardinality',
  plan_version: 'uint32',
  price: 'low_cardinality',
  meter: 'low_cardinality',
  kind: 'low_cardinality',
  timing: 'low_cardinality',
  period_from: 'instant_ns',
  period_until: 'instant_ns',
  timezone: 'low_cardinality',
  quantity: 'decimal',
  amount: 'decimal',
  amount_rounded: 'decimal',
  currency: 'low_cardinality',
  status: 'low_cardinality',
  corrects: 'string',
  billing_run_id: 'string',
  recorded_at: 'instant_ms',
  correlation_id: 'string',
  ...origin,
  // What coupons took off: with `amount` the charge before coupons.
  discount_amount: 'decimal',
  // Both as JSON, with decimals as text; empty where there is nothing.
  discounts: 'string',
  makes_up_for: 'string',
})

export const billingBatchesTable = describe('billing_batches', {
  batch_id: 'string',
  billing_run_id: 'string',
  entity_id: 'low_cardinality',
  currency: 'low_cardinality',
  number: 'uint32',
  of: 'uint32',
  line_count: 'uint32',
  amount_total: 'decimal',
  amount_rounded_total: 'decimal',
  sha256: 'string',
  sealed_at: 'instant_ms',
  ...streamOrigin,
})

/** One row is one line of one batch, as connections get it: `line_id` is the id of its record there. */
export const batchLinesTable = describe('batch_lines', {
  line_id: 'string',
  batch_id: 'string',
  billing_run_id: 'string',
  entity_id: 'low_cardinality',
  currency: 'low_cardinality',
  // The last local day that it bills, or the first of a line that is billed in advance.
  billing_date: 'date',
  charge_id: 'string',
  customer_id: 'string',
  // Both as of the sealing.
  bill_to_customer_id: 'string',
  parent_customer_id: 'string',
  correlation_id: 'string',
  amount: 'decimal',
  amount_rounded: 'decimal',
  sealed_at: 'instant_ms',
  ...streamOrigin,
})

/** One row is one change of one delivery; the last one by `stream_sequence` is its current state. */
export const deliveriesTable = describe('deliveries', {
  delivery_id: 'string',
  connection: 'low_cardinality',
  record_kind: 'low_cardinality',
  record_id: 'string',
  key: 'string',
  state: 'low_cardinality',
  external_id: 'string',
  changed_at: 'instant_ms',
  attempt_count: 'uint32',
  // Of the last attempt or look-up; of a held one code and detail say what holds it.
  outcome: 'low_cardinality',
  code: 'low_cardinality',
  detail: 'string',
  customer_id: 'string',
  entity_id: 'low_cardinality',
  correlation_id: 'string',
  ...streamOrigin,
})

export const mrrMovementsTable = describe('mrr_movements', {
  movement_id: 'string',
  customer_id: 'string',
  subscription_id: 'string',
  effective_at: 'instant_ns',
  kind: 'low_cardinality',
  amount: 'decimal',
  currency: 'low_cardinality',
  mrr_before: 'decimal',
  mrr_after: 'decimal',
  recorded_at: 'instant_ms',
  correlation_id: 'string',
  ...origin,
})

export const paymentsTable = describe('payments', {
  payment_id: 'string',
  customer_id: 'string',
  invoice_id: 'string',
  status: 'low_cardinality',
  currency: 'low_cardinality',
  amount: 'decimal',
  reason: 'string',
  dispute_id: 'string',
  dispute_status: 'low_cardinality',
  event_time: 'instant_ns',
  ...cause,
  ...origin,
})

export const invoicesTable = describe('invoices', {
  invoice_id: 'string',
  customer_id: 'string',
  subscription_id: 'string',
  status: 'low_cardinality',
  currency: 'low_cardinality',
  total: 'decimal',
  due_at: 'nullable_instant_ns',
  event_time: 'instant_ns',
  ...cause,
  ...origin,
})

export const customersTable = describe('customers', {
  customer_id: 'string',
  name: 'string',
  entity_id: 'low_cardinality',
  currency: 'low_cardinality',
  crm_id: 'string',
  billing_id: 'string',
  erp_id: 'string',
  // What the event says; of an event that leaves a field out the flag is 0.
  bill_to_customer_id: 'string',
  sets_bill_to: 'int8',
  parent_customer_id: 'string',
  sets_parent: 'int8',
  metadata: 'string',
  event_time: 'instant_ns',
  ...cause,
  ...origin,
})

/** How a check of a customer stood from an instant on; the latest by time, then by id, holds. */
export const customerStatusesTable = describe('customer_statuses', {
  customer_id: 'string',
  gate: 'low_cardinality',
  // As the sender said it.
  status: 'low_cardinality',
  until: 'nullable_instant_ns',
  reason: 'string',
  reference: 'string',
  event_time: 'instant_ns',
  ...cause,
  ...origin,
})

export const deadLettersTable = describe('dead_letters', {
  event_source: 'string',
  event_id: 'string',
  event_type: 'low_cardinality',
  code: 'low_cardinality',
  detail: 'string',
  // JSON pointer of the value that was refused; empty where it is the event as a whole.
  pointer: 'low_cardinality',
  customer_id: 'string',
  event_time: 'nullable_instant_ns',
  ingested_at: 'instant_ms',
  recorded_at: 'instant_ms',
  content_hash: 'string',
  // Of the event that was kept, where this one conflicts with it.
  other_content_hash: 'string',
  payload: 'string',
  // 1: the event failed; -1: it was freed, and its dead letter is taken back.
  event_count: 'int8',
  correlation_id: 'string',
  ...broughtBy,
  ...origin,
})

/** What became of events that have no row in rated_usage or dead_letters: duplicates, unmetered, parked, applied. */
export const eventOutcomesTable = describe('event_outcomes', {
  event_source: 'string',
  event_id: 'string',
  event_type: 'low_cardinality',
  customer_id: 'string',
  event_time: 'instant_ns',
  ingested_at: 'instant_ms',
  recorded_at: 'instant_ms',
  disposition: 'low_cardinality',
  // Why, where there is more than one reason.
  code: 'low_cardinality',
  detail: 'string',
  // -1: the event has left that disposition.
  event_count: 'int8',
  // JSON of a parked event as it was sent; '' elsewhere.
  payload: 'string',
  // The usage event that this one takes back or amends.
  target_source: 'string',
  target_id: 'string',
  correlation_id: 'string',
  ...broughtBy,
  ...origin,
})

export const fxRatesTable = describe('fx_rates', {
  base: 'low_cardinality',
  quote: 'low_cardinality',
  rate: 'decimal',
  effective_from: 'instant_ns',
  recorded_at: 'instant_ms',
  ...cause,
  ...origin,
})

/** One row is a meter of the catalog and one type of events that it reads: how its readings add up. A published meter never changes. */
export const metersTable = describe('meters', {
  meter: 'low_cardinality',
  event_type: 'low_cardinality',
  aggregation: 'low_cardinality',
  recorded_at: 'instant_ms',
  ...origin,
})

/** Differences of one commit, so that a sum over any range holds the conservation law. */
export const eventDispositionsTable = describe('event_dispositions', {
  recorded_at: 'instant_ms',
  received: 'int64',
  rated: 'int64',
  applied: 'int64',
  duplicate: 'int64',
  conflicting: 'int64',
  parked: 'int64',
  dead_lettered: 'int64',
  unmetered: 'int64',
  ...origin,
})

/** One row is one answer of a person or a job to one exception; the last one by `stream_sequence` holds. */
export const exceptionResolutionsTable = describe('exception_resolutions', {
  exception_id: 'string',
  exception_kind: 'low_cardinality',
  resolution: 'low_cardinality',
  code: 'low_cardinality',
  event_source: 'string',
  event_id: 'string',
  customer_id: 'string',
  // How far the exception had come when it was answered: what fails again after that is open again.
  revision: 'uint64',
  job_id: 'string',
  reason: 'string',
  // Id and name of the key that asked for it.
  key_id: 'string',
  key_name: 'string',
  resolved_at: 'instant_ms',
  ...streamOrigin,
})

export type RatedUsageRow = RowOf<typeof ratedUsageTable>
export type SubscriptionVersionRow = RowOf<typeof subscriptionVersionsTable>
export type ChargeRow = RowOf<typeof chargesTable>
export type BillingBatchRow = RowOf<typeof billingBatchesTable>
export type BatchLineRow = RowOf<typeof batchLinesTable>
export type DeliveryRow = RowOf<typeof deliveriesTable>
export type MrrMovementRow = RowOf<typeof mrrMovementsTable>
export type PaymentRow = RowOf<typeof paymentsTable>
export type InvoiceRow = RowOf<typeof invoicesTable>
export type CustomerRow = RowOf<typeof customersTable>
export type CustomerStatusRow = RowOf<typeof customerStatusesTable>
export type DeadLetterRow = RowOf<typeof deadLettersTable>
export type EventOutcomeRow = RowOf<typeof eventOutcomesTable>
export type FxRateRow = RowOf<typeof fxRatesTable>
export type MeterRow = RowOf<typeof metersTable>
export type EventDispositionsRow = RowOf<typeof eventDispositionsTable>
export type ExceptionResolutionRow = RowOf<typeof exceptionResolutionsTable>

export const tables: readonly TableDescription<unknown>[] = [
  ratedUsageTable,
  subscriptionVersionsTable,
  chargesTable,
  billingBatchesTable,
  batchLinesTable,
  journalEntriesTable,
  revenueScheduleTable,
  journalSummariesTable,
  deliveriesTable,
  mrrMovementsTable,
  paymentsTable,
  invoicesTable,
  customersTable,
  customerStatusesTable,
  taxTransactionsTable,
  addedChargesTable,
  deadLettersTable,
  eventOutcomesTable,
  fxRatesTable,
  metersTable,
  eventDispositionsTable,
  exceptionResolutionsTable,
  catalogVersionsTable,
  auditLogTable,
  arrivalsTable,
  arrivalEventsTable,
]
