// The one list of exceptions as SQL: what failed, from every place that keeps failures, with its state, owner, meter
// and the columns that filters and groups name. It decides nothing about paging and shapes (read-exceptions.ts).
// Invariants:
// 1. An exception's id follows from what it is, not from when it was read: the same failure has the same id for ever.
// 2. An event is open as often as its dead letters and parkings are not taken back (event_count), and an answer holds
//    for what was there when it was given: a later failure of the same event opens it again.
// 3. `first_at` and the id never change while an exception lives, so that a list ordered by them has a stable cursor.

import type { TaxTrouble } from '../../schemas/tax-trouble.js'
import { waitsFor } from '../core/rows/outcome.js'
import { type ConflictRow, conflictsTable } from './conflict-rows.js'
import type { OwnerRule } from './owner-rules.js'
import { ownerExpression } from './owner-rules.js'
import type { QueryParameters } from './query-parameters.js'
import { type SetAsideRow, setAsideTable } from './set-aside-rows.js'
import { taxTroublesTable } from './tax-rows.js'

export interface ExceptionSources {
  /** What feeds have set aside; it lies at the broker and comes as rows. */
  readonly setAside: readonly SetAsideRow[]
  /** Own rules first, shipped ones last. */
  readonly owners: readonly OwnerRule[]
  readonly meters: MeterNames
  /** What the words of statuses mean; absent: none is looked at. */
  readonly statusWords?: readonly StatusWord[]
  /** Where systems of record disagree; they lie at the broker and come as rows. */
  readonly conflicts?: readonly ConflictRow[]
  /** Taxes that cannot be posted, likewise. */
  readonly taxTroubles?: readonly TaxTrouble[]
}

export interface StatusWord {
  readonly gate: string
  readonly word: string
  readonly folded: string
}

/** Which meter reads a value, as far as it is one alone. */
export interface MeterNames {
  /** By event type and pointer. */
  readonly ofField: readonly { readonly type: string; readonly pointer: string; readonly meter: string }[]
  /** Of event types that one meter alone wants. */
  readonly ofType: readonly { readonly type: string; readonly meter: string }[]
}

/** A query of every exception, in every state. Its columns are those of `ExceptionRow` (read-exceptions.ts). */
export function exceptionsQuery(sources: ExceptionSources, parameters: QueryParameters): string {
  const meter = meterExpression(sources.meters, parameters)
  return `SELECT found.*, ${meter} AS meter, if(pointer != '', pointer, meter) AS meter_or_field,
  ${ownerExpression(sources.owners, parameters)} AS owner,
  answers.answered_revision >= revision AND answers.answer != 'undone' AS is_answered,
  multiIf(is_answered, answers.answer, occurrences <= 0, 'freed', 'open') AS state,
  answers.answer AS answer, answers.answer_job AS job_id, answers.answer_reason AS reason,
  answers.answer_key AS resolved_by, answers.answered_at AS resolved_at
FROM (
${[
  deadLetters,
  outcomes,
  refusedDeliveries,
  refusedRecords,
  waitingArrivals,
  customerStatuses,
  ofConflicts,
  payments,
  taxes,
  taxTroubles,
]
  .map(one => one(sources, parameters))
  .filter(one => one !== '')
  .join('\nUNION ALL\n')}
) AS found
LEFT JOIN (${answersQuery}) AS answers ON answers.exception_id = found.exception_id`
}

/** The last answer to each exception. */
const answersQuery = `SELECT exception_id, argMax(toString(resolution), stream_sequence) AS answer,
  argMax(r.revision, stream_sequence) AS answered_revision, argMax(r.job_id, stream_sequence) AS answer_job,
  argMax(r.reason, stream_sequence) AS answer_reason, argMax(r.key_name, stream_sequence) AS answer_key,
  argMax(r.resolved_at, stream_sequence) AS answered_at
  FROM exception_resolutions AS r GROUP BY exception_id`

/** An event that nobody can name apart from others is named by where it stands. */
function deadLetters(): string {
  return `SELECT ${idOf(`'dead_letter'`, 'event_source', 'event_id', 'code', 'customer_id', 'content_hash', 'nameless')} AS exception_id,
  'dead_letter' AS kind, toString(d.code) AS code, argMax(d.detail, d.ledger_sequence) AS detail,
  argMax(toString(d.pointer), d.ledger_sequence) AS pointer,
  event_source, event_id, argMax(toString(d.event_type), d.ledger_sequence) AS event_type, customer_id,
  argMax(d.event_time, d.ledger_sequence) AS event_time, '' AS receiver, '' AS record_kind, '' AS record_id,
  minIf(d.recorded_at, d.event_count > 0) AS first_at, maxIf(d.recorded_at, d.event_count > 0) AS last_at,
  maxIf(d.ledger_sequence, d.event_count > 0) AS revision, sum(d.event_count) AS occurrences,
  argMax(d.correlation_id, d.ledger_sequence) AS correlation_id, any(d.partition) AS \`partition\`,
  content_hash, argMaxIf(d.payload, d.ledger_sequence, d.event_count > 0) AS payload,
  argMaxIf(toString(d.input_stream), d.ledger_sequence, d.event_count > 0) AS input_stream,
  argMaxIf(d.input_sequence, d.ledger_sequence, d.event_count > 0) AS input_sequence,
  ${noAmount}
FROM dead_letters AS d
GROUP BY code, event_source, event_id, customer_id, content_hash,
  if(d.event_source = '' OR d.event_id = '', concat(toString(d.input_stream), '/', toString(d.input_sequence), '/', hex(sipHash64(d.payload))), '') AS nameless`
}

/** Events that wait, except for the moment in which a change is carried out, and events of a type that no meter wants. */
function outcomes(): string {
  return `SELECT ${idOf('toString(disposition)', 'event_source', 'event_id', 'customer_id')} AS exception_id,
  toString(disposition) AS kind,
  if(disposition = 'unmetered', 'unmetered', argMax(toString(o.code), o.ledger_sequence)) AS code,
  if(disposition = 'unmetered', 'No meter wants the type of this event.', argMax(o.detail, o.ledger_sequence)) AS detail,
  '' AS pointer, event_source, event_id, argMax(toString(o.event_type), o.ledger_sequence) AS event_type, customer_id,
  CAST(argMax(o.event_time, o.ledger_sequence), 'Nullable(DateTime64(9, ''UTC''))') AS event_time,
  '' AS receiver, '' AS record_kind, '' AS record_id,
  minIf(o.recorded_at, o.event_count > 0) AS first_at, maxIf(o.recorded_at, o.event_count > 0) AS last_at,
  maxIf(o.ledger_sequence, o.event_count > 0) AS revision, sum(o.event_count) AS occurrences,
  argMax(o.correlation_id, o.ledger_sequence) AS correlation_id, any(o.partition) AS \`partition\`,
  '' AS content_hash, argMaxIf(o.payload, o.ledger_sequence, o.event_count > 0) AS payload,
  argMaxIf(toString(o.input_stream), o.ledger_sequence, o.event_count > 0) AS input_stream,
  argMaxIf(o.input_sequence, o.ledger_sequence, o.event_count > 0) AS input_sequence,
  ${noAmount}
FROM event_outcomes AS o WHERE o.disposition IN ('parked', 'unmetered') AND o.code != '${waitsFor.history}'
GROUP BY disposition, event_source, event_id, customer_id`
}

function refusedDeliveries({ setAside }: ExceptionSources, parameters: QueryParameters): string {
  return `SELECT ${idOf(`'refused_delivery'`, 'connection', 'delivery_id')} AS exception_id,
  'refused_delivery' AS kind, argMax(toString(v.code), v.stream_sequence) AS code,
  argMax(v.detail, v.stream_sequence) AS detail, '' AS pointer, '' AS event_source, '' AS event_id,
  '' AS event_type, any(aside.customer_id) AS customer_id, CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))') AS event_time,
  toString(connection) AS receiver, any(toString(v.record_kind)) AS record_kind, any(v.record_id) AS record_id,
  minIf(v.changed_at, v.state = 'refused') AS first_at, maxIf(v.changed_at, v.state = 'refused') AS last_at,
  maxIf(v.stream_sequence, v.state = 'refused') AS revision,
  toInt64(argMax(v.state, v.stream_sequence) = 'refused') AS occurrences,
  '' AS correlation_id, toUInt32(0) AS \`partition\`, '' AS content_hash, '' AS payload, ${noInput},
  any(aside.amount) AS amount, any(aside.currency) AS currency
FROM deliveries AS v LEFT JOIN ${setAsideTable(setAside, parameters)} AS aside ON aside.name = v.delivery_id
WHERE (connection, delivery_id) IN (SELECT connection, delivery_id FROM deliveries WHERE state = 'refused')
GROUP BY connection, delivery_id`
}

function refusedRecords({ setAside }: ExceptionSources, parameters: QueryParameters): string {
  return `SELECT ${idOf(`'refused_record'`, 'feed', 'name')} AS exception_id,
  'refused_record' AS kind, code, detail, '' AS pointer, '' AS event_source, '' AS event_id, '' AS event_type,
  customer_id, CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))') AS event_time, feed AS receiver,
  record_kind, name AS record_id, refused_at AS first_at, refused_at AS last_at, sequence AS revision,
  toInt64(1) AS occurrences, '' AS correlation_id, toUInt32(0) AS \`partition\`, '' AS content_hash, '' AS payload, ${noInput},
  amount, currency
FROM ${setAsideTable(setAside, parameters)} WHERE NOT is_delivery`
}

/** What a source sent and no event could be made of; what is about to be read from the source is none. */
function waitingArrivals(): string {
  return `SELECT ${idOf(`'waiting_arrival'`, 'toString(source_name)', 'arrival_id')} AS exception_id,
  'waiting_arrival' AS kind, argMax(toString(w.code), w.stream_sequence) AS code,
  argMax(w.detail, w.stream_sequence) AS detail, argMax(toString(w.pointer), w.stream_sequence) AS pointer,
  toString(source_name) AS event_source, '' AS event_id, any(toString(w.arrival_type)) AS event_type, '' AS customer_id,
  CAST(any(w.event_time), 'Nullable(DateTime64(9, ''UTC''))') AS event_time,
  '' AS receiver, 'arrival' AS record_kind, arrival_id AS record_id,
  minIf(w.changed_at, w.state = 'waiting') AS first_at, maxIf(w.changed_at, w.state = 'waiting') AS last_at,
  maxIf(w.stream_sequence, w.state = 'waiting') AS revision,
  toInt64(argMax(w.state, w.stream_sequence) = 'waiting') AS occurrences,
  '' AS correlation_id, toUInt32(0) AS \`partition\`, '' AS content_hash, '' AS payload, ${noInput}, ${noAmount}
FROM arrivals AS w
WHERE (source_name, arrival_id) IN (SELECT source_name, arrival_id FROM arrivals WHERE state = 'waiting' AND code != 'fetch_pending')
GROUP BY source_name, arrival_id`
}

/** A word that nobody knows, and a customer that was rejected, until a later status says something else. */
function customerStatuses({ statusWords }: ExceptionSources, parameters: QueryParameters): string {
  if (statusWords === undefined) return ''
  const text = (values: readonly string[]): string => parameters.add('Array(String)', values)
  const keys = text(statusWords.map(({ gate, word }) => `${gate} ${word}`))
  const folded = text(statusWords.map(one => one.folded))
  const plain = `trim(BOTH '_' FROM replaceRegexpAll(lowerUTF8(status), '[^a-z0-9]+', '_'))`
  const told = '(s.event_time, s.event_source, s.event_id)'
  return `SELECT ${idOf(`'customer_status'`, 'customer_id', 'toString(gate)')} AS exception_id,
  'customer_status' AS kind, if(argMax(s.folded, ${told}) = 'rejected', 'customer_rejected', 'unknown_status') AS code,
  concat(toString(gate), ' of ', customer_id, ': ', argMax(toString(s.status), ${told}),
    if(argMax(s.reason, ${told}) = '', '', concat(' (', argMax(s.reason, ${told}), ')'))) AS detail,
  '/data/status' AS pointer, '' AS event_source, '' AS event_id, 'weir.customer.status_changed' AS event_type, customer_id,
  CAST(max(s.event_time), 'Nullable(DateTime64(9, ''UTC''))') AS event_time,
  '' AS receiver, 'customer_status' AS record_kind, toString(gate) AS record_id,
  CAST(minIf(s.event_time, s.is_bad), 'DateTime64(3, ''UTC'')') AS first_at,
  CAST(maxIf(s.event_time, s.is_bad), 'DateTime64(3, ''UTC'')') AS last_at,
  maxIf(s.ledger_sequence, s.is_bad) AS revision, toInt64(argMax(s.is_bad, ${told})) AS occurrences,
  argMax(s.correlation_id, ${told}) AS correlation_id, any(s.partition) AS \`partition\`, '' AS content_hash, '' AS payload, ${noInput},
  ${noAmount}
FROM (SELECT *, transform(concat(toString(gate), ' ', ${plain}), ${keys}, ${folded}, 'unknown') AS folded,
    folded IN ('unknown', 'rejected') AS is_bad FROM customer_statuses) AS s
WHERE s.folded != 'no_answer' GROUP BY customer_id, gate HAVING countIf(s.is_bad) > 0`
}

/** Where two systems disagree on a field, as long as they do. */
function ofConflicts({ conflicts = [] }: ExceptionSources, parameters: QueryParameters): string {
  if (conflicts.length === 0) return ''
  return `SELECT ${idOf(`'conflict'`, 'name')} AS exception_id, 'conflict' AS kind, code, detail, pointer,
  source AS event_source, '' AS event_id, '' AS event_type, customer_id, CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))') AS event_time,
  '' AS receiver, object AS record_kind, object_id AS record_id, since AS first_at, since AS last_at, revision,
  toInt64(1) AS occurrences, '' AS correlation_id, toUInt32(0) AS \`partition\`, '' AS content_hash, '' AS payload, ${noInput},
  ${noAmount}
FROM ${conflictsTable(conflicts, parameters)}`
}

/** Payments that finally failed, and money that is applied to nothing or went back too much, as long as it stands so. */
function payments(): string {
  return `SELECT ${idOf(`'payment'`, 'code', 'record_kind', 'record_id', 'toString(currency)')} AS exception_id,
  'payment' AS kind, code, detail, '' AS pointer, '' AS event_source, '' AS event_id, '' AS event_type, customer_id,
  CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))') AS event_time, '' AS receiver, record_kind, record_id,
  CAST(since, 'DateTime64(3, ''UTC'')') AS first_at, first_at AS last_at, revision,
  toInt64(1) AS occurrences, '' AS correlation_id, toUInt32(0) AS \`partition\`, '' AS content_hash, '' AS payload, ${noInput},
  accurateCastOrNull(l.amount, 'Decimal(38, 12)') AS amount, toString(l.currency) AS currency
FROM payments_to_look_at AS l`
}

/** Taxes whose latest state is that they failed, or that they have waited for more than a day. */
function taxes(): string {
  return `SELECT ${idOf(`'tax'`, 'tax_id', `if(status = 'failed', 'tax_failed', 'tax_pending')`)} AS exception_id, 'tax' AS kind,
  if(status = 'failed', 'tax_failed', 'tax_pending') AS code,
  if(status = 'failed', concat('Tax of ', document, ' failed: ', t.code, if(reason = '', '', concat(': ', reason))),
    concat('Tax of ', document, ' has been ', document_status, ' for more than a day.')) AS detail,
  '' AS pointer, event_source, event_id, concat('weir.tax.', toString(status)) AS event_type, customer_id,
  CAST(t.event_time, 'Nullable(DateTime64(9, ''UTC''))') AS event_time, '' AS receiver, 'tax' AS record_kind, tax_id AS record_id,
  CAST(t.event_time, 'DateTime64(3, ''UTC'')') AS first_at, first_at AS last_at, ledger_sequence AS revision,
  toInt64(1) AS occurrences, correlation_id, t.partition AS \`partition\`, '' AS content_hash, '' AS payload, ${noInput},
  CAST(NULL, 'Nullable(Decimal(38, 12))') AS amount, '' AS currency
FROM tax_states AS t WHERE status = 'failed' OR (status = 'pending' AND t.event_time < now64(9) - INTERVAL 1 DAY)`
}

/** Taxes that cannot be posted. */
function taxTroubles({ taxTroubles: rows = [] }: ExceptionSources, parameters: QueryParameters): string {
  if (rows.length === 0) return ''
  return `SELECT ${idOf(`'tax'`, 'tax_id', `'posting'`)} AS exception_id, 'tax' AS kind, code, detail, '' AS pointer,
  '' AS event_source, '' AS event_id, '' AS event_type, customer_id, CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))') AS event_time,
  'taxes' AS receiver, 'tax' AS record_kind, tax_id AS record_id, since AS first_at, since AS last_at, sequence AS revision,
  toInt64(1) AS occurrences, '' AS correlation_id, toUInt32(0) AS \`partition\`, '' AS content_hash, '' AS payload, ${noInput},
  amount, currency
FROM ${taxTroublesTable(rows, parameters)}`
}

/** A record came from no input. */
const noInput = `'' AS input_stream, toUInt64(0) AS input_sequence`

/** What an event would owe is computed; what a record is worth is known. */
const noAmount = `CAST(NULL, 'Nullable(Decimal(38, 12))') AS amount, '' AS currency`

/** 96 bits of SHA-256 over the parts, each behind its length. */
function idOf(...parts: readonly string[]): string {
  const joined = parts.map(part => `toString(length(${part})), ':', ${part}`).join(', ')
  return `concat('exc_', substring(lower(hex(SHA256(concat(${joined})))), 1, 24))`
}

function meterExpression({ ofField, ofType }: MeterNames, parameters: QueryParameters): string {
  const text = (values: readonly string[]): string => parameters.add('Array(String)', values)
  const byType =
    ofType.length === 0
      ? `''`
      : `transform(event_type, ${text(ofType.map(({ type }) => type))}, ${text(ofType.map(({ meter }) => meter))}, '')`
  if (ofField.length === 0) return byType
  const fields = ofField.map(({ type, pointer }) => `${type}\n${pointer}`)
  return `transform(concat(event_type, '\\n', pointer), ${text(fields)}, ${text(ofField.map(({ meter }) => meter))}, ${byType})`
}
