// The ClickHouse tables of what systems of record sent, fed by the stream ARRIVAL_OUTCOMES. Contract section 12.

import { describe, type RowOf } from './table-description.js'

/** One row is one outcome of one arrival; the last one by `stream_sequence` holds. */
export const arrivalsTable = describe('arrivals', {
  source_name: 'low_cardinality',
  source_kind: 'low_cardinality',
  arrival_id: 'string',
  arrival_sequence: 'uint64',
  arrival_type: 'low_cardinality',
  // webhook, listen, fetch or catch_up.
  via: 'low_cardinality',
  event_time: 'instant_ns',
  ingested_at: 'instant_ms',
  // mapped, ignored, waiting or superseded.
  state: 'low_cardinality',
  code: 'low_cardinality',
  detail: 'string',
  pointer: 'low_cardinality',
  // Everything that is wrong, as JSON; empty where it is one thing.
  problems: 'string',
  superseded_by: 'string',
  // Events that it became.
  events: 'uint32',
  // How often the mapping had changed.
  mapping_revision: 'uint32',
  changed_at: 'instant_ms',
  stream_sequence: 'uint64',
})

/** One row is one event that an arrival became. */
export const arrivalEventsTable = describe('arrival_events', {
  source_name: 'low_cardinality',
  arrival_id: 'string',
  arrival_sequence: 'uint64',
  event_source: 'string',
  event_id: 'string',
  event_type: 'low_cardinality',
  customer_id: 'string',
  content_hash: 'string',
  mapping_revision: 'uint32',
  changed_at: 'instant_ms',
  stream_sequence: 'uint64',
})

export type ArrivalRow = RowOf<typeof arrivalsTable>
export type ArrivalEventRow = RowOf<typeof arrivalEventsTable>
