// The table of the audit trail; tables.ts lists it with the others.

import { describe, type RowOf } from '../table-description.js'

/** One row is one entry of the audit trail; schemas/audit has how its hash is made. */
export const auditLogTable = describe('audit_log', {
  audit_sequence: 'uint64',
  previous_hash: 'string',
  entry_hash: 'string',
  entry_id: 'string',
  recorded_at: 'instant_ms',
  by_kind: 'low_cardinality',
  by_id: 'string',
  by_name: 'string',
  act: 'low_cardinality',
  object_kind: 'low_cardinality',
  object_id: 'string',
  reason: 'string',
  // Canonical JSON; `null`: nothing.
  before: 'string',
  after: 'string',
  // The message of AUDIT that the row is made from.
  stream_sequence: 'uint64',
})

export type AuditLogRow = RowOf<typeof auditLogTable>
