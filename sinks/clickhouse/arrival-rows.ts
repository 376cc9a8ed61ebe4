// Messages of ARRIVAL_OUTCOMES as rows: one for each outcome, and one for each event that an arrival became.

import {
  type ArrivalOutcome,
  type ArrivalOutcomes,
  arrivalOutcomesSchema,
} from '../../schemas/arrival-outcome.js'
import {
  type ArrivalEventRow,
  type ArrivalRow,
  arrivalEventsTable,
  arrivalsTable,
} from '../../schemas/arrival-tables.js'
import { nsOf } from '../../schemas/time.js'
import type { FeedMessage, RefusedRecord } from '../sink.js'
import { insertOf, jsonOf, malformed, type RangeInserts } from './records.js'

export function insertsOfArrivals(messages: readonly FeedMessage[]): RangeInserts {
  const rows: ArrivalRow[] = []
  const events: ArrivalEventRow[] = []
  const refused: Omit<RefusedRecord, 'token'>[] = []
  for (const message of messages) {
    const parsed = arrivalOutcomesSchema.safeParse(jsonOf(message))
    if (!parsed.success) {
      refused.push(malformed(arrivalsTable.name, 'arrival_outcomes', message, parsed.error.message))
      continue
    }
    for (const outcome of parsed.data.outcomes) {
      rows.push(arrivalRow(parsed.data, outcome, message.sequence))
      events.push(...eventRows(parsed.data, outcome, message.sequence))
    }
  }
  const inserts = [...insertOf(arrivalsTable, rows), ...insertOf(arrivalEventsTable, events)]
  return { kind: 'ok', inserts, refused }
}

function arrivalRow(
  { source, kind, at, checkpoint }: ArrivalOutcomes,
  outcome: ArrivalOutcome,
  streamSequence: number,
): ArrivalRow {
  return {
    sourceName: source,
    sourceKind: kind,
    arrivalId: outcome.arrival_id,
    arrivalSequence: outcome.arrival_sequence,
    arrivalType: outcome.arrival_type,
    via: outcome.via,
    eventTimeNs: nsOf(Date.parse(outcome.occurred_at)),
    ingestedAtMs: Date.parse(outcome.received_at),
    state: outcome.state,
    code: outcome.code,
    detail: outcome.detail,
    pointer: outcome.pointer,
    problems: outcome.problems.length > 1 ? JSON.stringify(outcome.problems) : '',
    supersededBy: outcome.superseded_by,
    events: outcome.events.length,
    mappingRevision: checkpoint.revision,
    changedAtMs: Date.parse(at),
    streamSequence,
  }
}

function eventRows(
  { source, kind, at, checkpoint }: ArrivalOutcomes,
  { arrival_id, arrival_sequence, events }: ArrivalOutcome,
  streamSequence: number,
): ArrivalEventRow[] {
  return events.map(({ id, type, customer_id, content_hash }) => ({
    sourceName: source,
    arrivalId: arrival_id,
    arrivalSequence: arrival_sequence,
    eventSource: `weir:${kind}:${source}`,
    eventId: id,
    eventType: type,
    customerId: customer_id,
    contentHash: content_hash,
    mappingRevision: checkpoint.revision,
    changedAtMs: Date.parse(at),
    streamSequence,
  }))
}
