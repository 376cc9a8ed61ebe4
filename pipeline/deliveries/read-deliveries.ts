// Reads deliveries from ClickHouse: a list in the order in which they began, which never changes, and the history of one.
// Invariant: a cursor names the last delivery that was read; what begins later stands behind it.

import type { ClickHouseClient } from '@clickhouse/client'
import { conditionsOf, type DeliveryFilter } from './delivery-filter.js'
import type { DeliveryView, HistoryView } from './delivery-view.js'

export interface Position {
  readonly firstSequence: number
  readonly deliveryId: string
}

export interface Page {
  readonly deliveries: readonly DeliveryView[]
  /** Undefined: there is no more. */
  readonly next: Position | undefined
}

const instant = (expression: string): string =>
  `formatDateTime(${expression}, '%Y-%m-%dT%H:%i:%S.%fZ', 'UTC')`

export async function readDeliveries(
  clickhouse: ClickHouseClient,
  filter: DeliveryFilter,
  limit: number,
  after?: Position,
): Promise<Page> {
  const { where, having, values } = conditionsOf(filter)
  const cursor =
    after === undefined ? [] : ['(first_sequence, delivery_id) > ({first: UInt64}, {last: String})']
  const query = `SELECT v.delivery_id AS delivery_id, v.connection AS connection, any(v.record_kind) AS record_kind,
  any(v.record_id) AS record_id, any(v.key) AS key, argMax(toString(v.state), v.stream_sequence) AS state_now,
  argMax(toString(v.code), v.stream_sequence) AS code_now, argMax(v.detail, v.stream_sequence) AS detail_now,
  argMax(v.external_id, v.stream_sequence) AS external_now, max(v.attempt_count) AS attempts_now,
  any(v.customer_id) AS customer_now, any(v.entity_id) AS entity_now,
  any(v.correlation_id) AS correlation_now,
  ${instant('min(v.changed_at)')} AS began_at, ${instant('argMax(v.changed_at, v.stream_sequence)')} AS at,
  min(v.stream_sequence) AS first_sequence
FROM deliveries AS v ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}
GROUP BY connection, delivery_id ${[...having, ...cursor].length === 0 ? '' : `HAVING ${[...having, ...cursor].join(' AND ')}`}
ORDER BY first_sequence, delivery_id LIMIT {limit: UInt32}`
  const parameters = { ...values, limit, first: after?.firstSequence ?? 0, last: after?.deliveryId ?? '' }
  const rows = await ask<Row>(clickhouse, query, parameters)
  const last = rows.length < limit ? undefined : rows.at(-1)
  return {
    deliveries: rows.map(viewOf),
    next: last && { firstSequence: last.first_sequence, deliveryId: last.delivery_id },
  }
}

/** Every change of one delivery, the oldest first. */
export function readHistory(clickhouse: ClickHouseClient, deliveryId: string): Promise<HistoryView[]> {
  const query = `SELECT ${instant('v.changed_at')} AS at, toString(v.state) AS state, v.attempt_count AS attempts,
  toString(v.outcome) AS outcome, toString(v.code) AS code, v.detail AS detail
FROM deliveries AS v WHERE v.delivery_id = {id: String} ORDER BY v.stream_sequence LIMIT 1000`
  return ask<HistoryView>(clickhouse, query, { id: deliveryId })
}

export function cursorOf({ firstSequence, deliveryId }: Position): string {
  return `${firstSequence}.${deliveryId}`
}

export function parseCursor(text: string): Position | undefined {
  const read = /^(\d{1,16})\.(dl_[0-9a-f]+)$/.exec(text)
  return read === null ? undefined : { firstSequence: Number(read[1]), deliveryId: read[2]! }
}

interface Row {
  readonly delivery_id: string
  readonly connection: string
  readonly record_kind: string
  readonly record_id: string
  readonly key: string
  readonly state_now: DeliveryView['state']
  readonly code_now: string
  readonly detail_now: string
  readonly external_now: string
  readonly attempts_now: number
  readonly customer_now: string
  readonly entity_now: string
  readonly correlation_now: string
  readonly began_at: string
  readonly at: string
  readonly first_sequence: number
}

function viewOf(row: Row): DeliveryView {
  return {
    delivery_id: row.delivery_id,
    connection: row.connection,
    record: { kind: row.record_kind, id: row.record_id },
    key: row.key,
    state: row.state_now,
    at: row.at,
    began_at: row.began_at,
    external_id: row.external_now,
    customer_id: row.customer_now,
    entity_id: row.entity_now,
    correlation_id: row.correlation_now,
    attempt_count: row.attempts_now,
    code: row.code_now,
    detail: row.detail_now,
  }
}

async function ask<T>(
  clickhouse: ClickHouseClient,
  query: string,
  parameters: Readonly<Record<string, unknown>>,
): Promise<T[]> {
  const result = await clickhouse.query({
    query,
    format: 'JSONEachRow',
    query_params: { ...parameters },
    use_multipart_params: true,
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
  })
  return result.json<T>()
}
