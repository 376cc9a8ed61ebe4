// The tables of the books: lines of entries, parts of their schedules, lines of summaries.

import { describe, type RowOf } from '../table-description.js'

/** The message of POSTINGS that a row is made from. */
const streamOrigin = { stream_sequence: 'uint64' } as const

/** One row is one line of an entry. */
export const journalEntriesTable = describe('journal_entries', {
  journal_id: 'string',
  idempotency_key: 'string',
  line: 'uint32',
  entity_id: 'low_cardinality',
  currency: 'low_cardinality',
  accounting_date: 'date',
  account: 'low_cardinality',
  debit: 'decimal',
  credit: 'decimal',
  segments: 'map',
  charge_id: 'string',
  contract_id: 'string',
  customer_id: 'string',
  subscription_id: 'string',
  subscription_version: 'uint64',
  period_from: 'instant_ns',
  period_until: 'instant_ns',
  performance_obligation: 'low_cardinality',
  correlation_id: 'string',
  billing_run_id: 'string',
  batch_id: 'string',
  posted_at: 'instant_ms',
  // journal, release, rounding.
  entry_kind: 'low_cardinality',
  // What the account stands for.
  role: 'low_cardinality',
  accounting_period: 'low_cardinality',
  // The date that it would have if its period were open; '' where nothing was moved.
  moved_from: 'low_cardinality',
  corrects: 'string',
  plan: 'low_cardinality',
  plan_version: 'uint32',
  price: 'low_cardinality',
  meter: 'low_cardinality',
  charge_kind: 'low_cardinality',
  timing: 'low_cardinality',
  // Local days, both included; '' in entries that were posted before there was this column.
  first_service_day: 'low_cardinality',
  last_service_day: 'low_cardinality',
  timezone: 'low_cardinality',
  // Of a release: the order that posted it, and which part of which entry's schedule it is.
  release_id: 'string',
  releases_journal_id: 'string',
  releases_part: 'uint32',
  // Of a line of role tax: '' and 0 in others, and where the source did not say.
  tax_id: 'string',
  tax_document: 'string',
  tax_document_status: 'low_cardinality',
  tax_code: 'low_cardinality',
  tax_jurisdiction: 'low_cardinality',
  tax_rate: 'decimal',
  taxable_amount: 'decimal',
  exempt_amount: 'decimal',
  ...streamOrigin,
})

/** One row is one line of a summary: `covers_from` and `covers_to` are the messages of POSTINGS that it adds up. */
export const journalSummariesTable = describe('journal_summaries', {
  journal_id: 'string',
  line: 'uint32',
  entity_id: 'low_cardinality',
  currency: 'low_cardinality',
  accounting_date: 'date',
  accounting_period: 'low_cardinality',
  account: 'low_cardinality',
  role: 'low_cardinality',
  debit: 'decimal',
  credit: 'decimal',
  segments: 'map',
  // One of the two is empty.
  billing_run_id: 'string',
  release_id: 'string',
  covers_from: 'uint64',
  covers_to: 'uint64',
  posted_at: 'instant_ms',
  ...streamOrigin,
})

/** One row is one part of the schedule of an entry: the amount earned in one month of the subscription's time zone. */
export const revenueScheduleTable = describe('revenue_schedule', {
  journal_id: 'string',
  // From 1, in the order of the schedule.
  part: 'uint32',
  entity_id: 'low_cardinality',
  currency: 'low_cardinality',
  // First day of the local month.
  month: 'date',
  earned_from: 'instant_ns',
  earned_until: 'instant_ns',
  amount: 'decimal',
  charge_id: 'string',
  contract_id: 'string',
  customer_id: 'string',
  subscription_id: 'string',
  subscription_version: 'uint64',
  performance_obligation: 'low_cardinality',
  correlation_id: 'string',
  billing_run_id: 'string',
  batch_id: 'string',
  posted_at: 'instant_ms',
  ...streamOrigin,
})

export type JournalEntryRow = RowOf<typeof journalEntriesTable>
export type JournalSummaryRow = RowOf<typeof journalSummariesTable>
export type RevenueScheduleRow = RowOf<typeof revenueScheduleTable>
