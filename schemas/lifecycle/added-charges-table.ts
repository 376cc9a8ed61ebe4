// The table of fees and credits that no plan names: a row when one takes effect, and one when it is cancelled.

import { describe, type RowOf } from '../table-description.js'

export const addedChargesTable = describe('added_charges', {
  charge_id: 'string',
  customer_id: 'string',
  // '' for one of the customer alone.
  subscription_id: 'string',
  // Its name.
  price: 'low_cardinality',
  kind: 'low_cardinality',
  // added, cancelled.
  change: 'low_cardinality',
  quantity: 'decimal',
  // Of a credit below 0.
  amount: 'decimal',
  currency: 'low_cardinality',
  effective_from: 'instant_ns',
  reason: 'string',
  event_time: 'instant_ns',
  // The event of this change.
  event_source: 'string',
  event_id: 'string',
  correlation_id: 'string',
  partition: 'uint32',
  ledger_sequence: 'uint64',
})

export type AddedChargeRow = RowOf<typeof addedChargesTable>
