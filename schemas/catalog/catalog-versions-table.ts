// The table of catalogs by partition; tables.ts lists it with the others.

import { describe, type RowOf } from '../table-description.js'

/** One row is the catalog that a partition rates with, from that commit on until its next row. */
export const catalogVersionsTable = describe('catalog_versions', {
  // SHA-256 of all that is published by then, in canonical JSON.
  catalog_hash: 'string',
  meter_count: 'uint32',
  plan_count: 'uint32',
  recorded_at: 'instant_ms',
  event_source: 'string',
  event_id: 'string',
  correlation_id: 'string',
  partition: 'uint32',
  ledger_sequence: 'uint64',
})

export type CatalogVersionRow = RowOf<typeof catalogVersionsTable>
