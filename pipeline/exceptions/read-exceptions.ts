// Reads exceptions from ClickHouse one by one, in an order that stays: by the instant of the first failure, then by id.
// Invariants:
// 1. A cursor names the last exception that was read. What comes later stands behind it, and what has been answered
//    in between is left out; nothing is read twice.
// 2. Payloads are asked for by name: a list without them stays small.

import type { ClickHouseClient } from '@clickhouse/client'
import type { ExceptionKind, ExceptionState, Resolution } from '../../schemas/exception-kinds.js'
import { conditionOf, type ExceptionFilter } from './exception-filter.js'
import { type ExceptionSources, exceptionsQuery } from './exceptions-sql.js'
import { QueryParameters } from './query-parameters.js'

export interface Exception {
  readonly exceptionId: string
  readonly kind: ExceptionKind
  readonly code: string
  readonly detail: string
  /** JSON pointer of the value that was refused; '' where there is none. */
  readonly pointer: string
  readonly eventSource: string
  readonly eventId: string
  readonly eventType: string
  readonly customerId: string
  readonly eventTimeNs: bigint | undefined
  /** The meter that reads the value, where it is one alone; else ''. */
  readonly meter: string
  /** The feed or connection; '' for events. */
  readonly receiver: string
  readonly recordKind: string
  readonly recordId: string
  readonly owner: string
  readonly state: ExceptionState
  readonly firstAtMs: number
  readonly lastAtMs: number
  /** How far it has come: an answer holds for what was there up to it. */
  readonly revision: number
  /** How often the event failed in this way and was not taken back. */
  readonly occurrences: number
  readonly correlationId: string
  readonly partition: number
  readonly contentHash: string
  /** The message that brought the event: METERING or LIFECYCLE; '' and 0 where none did. */
  readonly inputStream: string
  readonly inputSequence: number
  /** Of a record that a receiver refused: what it is worth, in decimals. */
  readonly amount: string | undefined
  readonly currency: string
  readonly answer: Answer | undefined
  /** The event's JSON, as far as it was kept; undefined when it was not asked for. */
  readonly payload: string | undefined
}

export interface Answer {
  readonly resolution: Resolution
  readonly jobId: string
  readonly reason: string
  readonly keyName: string
  readonly atMs: number
}

/** Where a list goes on. */
export interface Position {
  readonly firstAtMs: number
  readonly exceptionId: string
}

export interface PageRequest {
  readonly filter: ExceptionFilter
  readonly after?: Position | undefined
  readonly limit: number
  readonly withPayload?: boolean
}

export async function readPage(
  clickhouse: ClickHouseClient,
  sources: ExceptionSources,
  { filter, after, limit, withPayload = false }: PageRequest,
): Promise<readonly Exception[]> {
  const parameters = new QueryParameters()
  const all = exceptionsQuery(sources, parameters)
  const conditions = [conditionOf(filter, parameters)]
  if (after !== undefined) {
    const at = `fromUnixTimestamp64Milli(${parameters.add('Int64', after.firstAtMs)}, 'UTC')`
    conditions.push(`(first_at, exception_id) > (${at}, ${parameters.add('String', after.exceptionId)})`)
  }
  const query = `SELECT exception_id, kind, code, detail, pointer, event_source, event_id, event_type, customer_id,
  toString(toUnixTimestamp64Nano(event_time)) AS event_time_ns, meter, receiver, record_kind, record_id, owner, state,
  toUnixTimestamp64Milli(first_at) AS first_at_ms, toUnixTimestamp64Milli(last_at) AS last_at_ms, revision, occurrences,
  correlation_id, \`partition\`, content_hash, input_stream, input_sequence, amount, currency, answer, job_id, reason, resolved_by,
  toUnixTimestamp64Milli(resolved_at) AS resolved_at_ms${withPayload ? ', payload' : ''}
FROM (${all}) WHERE ${conditions.join('\n  AND ')}
ORDER BY first_at, exception_id LIMIT ${parameters.add('UInt32', limit)}`
  const rows = await askRows<Row>(clickhouse, query, parameters)
  return rows.map(exceptionOf)
}

/** Pages until there is no more; `after` of the next run is the position of the last exception that was seen. */
export async function* readAll(
  clickhouse: ClickHouseClient,
  sources: ExceptionSources,
  request: PageRequest,
): AsyncGenerator<readonly Exception[], void, undefined> {
  for (let after = request.after; ; ) {
    const page = await readPage(clickhouse, sources, { ...request, after })
    const last = page.at(-1)
    if (last === undefined) return
    yield page
    if (page.length < request.limit) return
    after = positionOf(last)
  }
}

export function positionOf({ firstAtMs, exceptionId }: Exception): Position {
  return { firstAtMs, exceptionId }
}

/** As `after` of a list. */
export function cursorOf(position: Position): string {
  return `${position.firstAtMs}.${position.exceptionId}`
}

export function parseCursor(text: string): Position | undefined {
  const read = /^(\d{1,15})\.(exc_[0-9a-f]{24})$/.exec(text)
  return read === null ? undefined : { firstAtMs: Number(read[1]), exceptionId: read[2]! }
}

export async function askRows<T>(
  clickhouse: ClickHouseClient,
  query: string,
  parameters: QueryParameters,
): Promise<T[]> {
  const result = await clickhouse.query({
    query,
    format: 'JSONEachRow',
    query_params: parameters.values,
    // Lists of values and what feeds have set aside may be longer than a URL.
    use_multipart_params: true,
    clickhouse_settings: {
      output_format_json_quote_decimals: 1,
      output_format_json_quote_64bit_integers: 0,
      join_use_nulls: 0,
    },
  })
  return result.json<T>()
}

interface Row {
  readonly exception_id: string
  readonly kind: ExceptionKind
  readonly code: string
  readonly detail: string
  readonly pointer: string
  readonly event_source: string
  readonly event_id: string
  readonly event_type: string
  readonly customer_id: string
  readonly event_time_ns: string | null
  readonly meter: string
  readonly receiver: string
  readonly record_kind: string
  readonly record_id: string
  readonly owner: string
  readonly state: ExceptionState
  readonly first_at_ms: number
  readonly last_at_ms: number
  readonly revision: number
  readonly occurrences: number
  readonly correlation_id: string
  readonly partition: number
  readonly content_hash: string
  readonly input_stream: string
  readonly input_sequence: number
  readonly amount: string | null
  readonly currency: string
  readonly answer: Resolution | ''
  readonly job_id: string
  readonly reason: string
  readonly resolved_by: string
  readonly resolved_at_ms: number
  readonly payload?: string
}

function exceptionOf(row: Row): Exception {
  return {
    exceptionId: row.exception_id,
    kind: row.kind,
    code: row.code,
    detail: row.detail,
    pointer: row.pointer,
    eventSource: row.event_source,
    eventId: row.event_id,
    eventType: row.event_type,
    customerId: row.customer_id,
    eventTimeNs: row.event_time_ns === null ? undefined : BigInt(row.event_time_ns),
    meter: row.meter,
    receiver: row.receiver,
    recordKind: row.record_kind,
    recordId: row.record_id,
    owner: row.owner,
    state: row.state,
    firstAtMs: row.first_at_ms,
    lastAtMs: row.last_at_ms,
    revision: row.revision,
    occurrences: row.occurrences,
    correlationId: row.correlation_id,
    partition: row.partition,
    contentHash: row.content_hash,
    inputStream: row.input_stream,
    inputSequence: row.input_sequence,
    amount: row.amount ?? undefined,
    currency: row.currency,
    answer: answerOf(row),
    payload: row.payload,
  }
}

function answerOf({ answer, job_id, reason, resolved_by, resolved_at_ms }: Row): Answer | undefined {
  if (answer === '') return undefined
  return { resolution: answer, jobId: job_id, reason, keyName: resolved_by, atMs: resolved_at_ms }
}
