// The table of what tax engines say: a row for each event.

import { describe, type RowOf } from '../table-description.js'

/** What a tax engine said of a tax; the highest sequence holds. */
export const taxTransactionsTable = describe('tax_transactions', {
  tax_id: 'string',
  customer_id: 'string',
  sequence: 'uint64',
  // committed, adjusted, voided, pending, failed.
  status: 'low_cardinality',
  currency: 'low_cardinality',
  document: 'string',
  document_status: 'low_cardinality',
  invoice_id: 'string',
  total: 'decimal',
  total_taxable: 'decimal',
  total_exempt: 'decimal',
  total_tax: 'decimal',
  // JSON; the view `tax_lines` has a row for each.
  lines: 'string',
  code: 'low_cardinality',
  reason: 'string',
  event_time: 'instant_ns',
  event_source: 'string',
  event_id: 'string',
  correlation_id: 'string',
  partition: 'uint32',
  ledger_sequence: 'uint64',
})

export type TaxTransactionRow = RowOf<typeof taxTransactionsTable>
