// The content of events whose exception does not hold it, or not all of it: read back from the message that brought them.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import { compositeKey } from '../../../schemas/identifiers.js'
import { isRecord, parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import { attributeOf } from '../../core/decode/decode.js'
import { QueryParameters } from '../query-parameters.js'
import { askRows, type Exception } from '../read-exceptions.js'
import { storedEvents } from '../stored-events.js'

export interface PayloadAccess {
  readonly queries: ClickHouseClient
  readonly jsm: JetStreamManager
}

interface InputRow {
  readonly event_source: string
  readonly event_id: string
  readonly input_stream: string
  readonly input_sequence: number
}

/** By exception id; an exception whose content is nowhere any more is not among them. */
export async function payloadsOf(
  access: PayloadAccess,
  exceptions: readonly Exception[],
): Promise<ReadonlyMap<string, string>> {
  const payloads = new Map<string, string>()
  const without: Exception[] = []
  for (const exception of exceptions) {
    const { payload = '', eventId, exceptionId } = exception
    if (isWhole(payload)) payloads.set(exceptionId, payload)
    else if (eventId !== '') without.push(exception)
  }
  if (without.length === 0) return payloads
  const found = await readBack(access, await inputsOf(access.queries, without))
  for (const { exceptionId, eventSource, eventId } of without) {
    const payload = found.get(compositeKey(eventSource, eventId))
    if (payload !== undefined) payloads.set(exceptionId, payload)
  }
  return payloads
}

/** A payload that was cut is no JSON. */
function isWhole(payload: string): boolean {
  const json = payload === '' ? undefined : parseJson(payload)
  return json?.kind === 'ok' && isRecord(json.value)
}

async function inputsOf(
  queries: ClickHouseClient,
  exceptions: readonly Exception[],
): Promise<readonly InputRow[]> {
  const parameters = new QueryParameters()
  const sources = parameters.add(
    'Array(String)',
    exceptions.map(({ eventSource }) => eventSource),
  )
  const ids = parameters.add(
    'Array(String)',
    exceptions.map(({ eventId }) => eventId),
  )
  const wanted = `(event_source, event_id) IN (SELECT tupleElement(one, 1), tupleElement(one, 2) FROM
  (SELECT arrayJoin(arrayZip(${sources}, ${ids})) AS one))`
  const of = (table: string, counted: string): string =>
    `SELECT event_source, event_id, toString(input_stream) AS input_stream, input_sequence FROM ${table}
  WHERE input_sequence > 0 AND ${counted} AND ${wanted}`
  const query = `${of('dead_letters', 'event_count > 0')} UNION ALL ${of('event_outcomes', "disposition IN ('parked', 'unmetered') AND event_count > 0")}`
  return askRows<InputRow>(queries, query, parameters)
}

/** By source and id. Of several messages that brought the same event the last one counts, as it does in the list. */
async function readBack(
  { jsm }: PayloadAccess,
  inputs: readonly InputRow[],
): Promise<ReadonlyMap<string, string>> {
  const wanted = new Set(inputs.map(({ event_source, event_id }) => compositeKey(event_source, event_id)))
  const messages = new Map(inputs.map(row => [`${row.input_stream} ${row.input_sequence}`, row]))
  const found = new Map<string, string>()
  const inOrder = [...messages.values()].sort((a, b) => a.input_sequence - b.input_sequence)
  for (const { input_stream: stream, input_sequence: sequence } of inOrder) {
    const stored = await storedEvents(jsm, stream, sequence)
    if (stored.kind === 'gone') continue
    for (const { raw } of stored.events) {
      const key = compositeKey(attributeOf(raw, 'source'), attributeOf(raw, 'id'))
      if (wanted.has(key)) found.set(key, stringifyJson(raw))
    }
  }
  return found
}
