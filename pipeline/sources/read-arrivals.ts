// What became of arrivals, read from ClickHouse: the last outcome of each.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { type ArrivalState, arrivalStates } from '../../schemas/arrival-outcome.js'

export const arrivalView = z
  .object({
    source: z.string(),
    arrival_id: z.string(),
    sequence: z.int().describe('Its place in ARRIVALS'),
    type: z.string().describe('As the source calls it'),
    via: z.string(),
    occurred_at: z.string(),
    received_at: z.string(),
    state: z.enum(arrivalStates),
    code: z.string(),
    detail: z.string(),
    superseded_by: z.string(),
    events: z.int().describe('That it became'),
    changed_at: z.string(),
  })
  .meta({ id: 'Arrival' })
export type ArrivalView = z.infer<typeof arrivalView>

export interface StateCount {
  readonly source: string
  readonly state: ArrivalState
  readonly arrivals: number
}

const instant = (column: string) =>
  `concat(replaceOne(toString(toDateTime64(${column}, 3, 'UTC')), ' ', 'T'), 'Z')`
const latest = `SELECT toString(source_name) AS source, any(a.arrival_id) AS arrival_id, arrival_sequence AS sequence,
  any(toString(a.arrival_type)) AS type, any(toString(a.via)) AS via, ${instant('any(a.event_time)')} AS occurred_at,
  ${instant('any(a.ingested_at)')} AS received_at, argMax(toString(a.state), a.stream_sequence) AS state,
  argMax(toString(a.code), a.stream_sequence) AS code, argMax(a.detail, a.stream_sequence) AS detail,
  argMax(a.superseded_by, a.stream_sequence) AS superseded_by, argMax(a.events, a.stream_sequence) AS events,
  ${instant('max(a.changed_at)')} AS changed_at
  FROM arrivals AS a`
const grouped = 'GROUP BY source_name, arrival_sequence'
const clickhouse_settings = { output_format_json_quote_64bit_integers: 0 } as const

export async function countArrivals(clickhouse: ClickHouseClient): Promise<StateCount[]> {
  const query = `SELECT source, state, toUInt32(count()) AS arrivals FROM (${latest} ${grouped}) GROUP BY source, state
    ORDER BY source, state`
  return (await clickhouse.query({ query, format: 'JSONEachRow' })).json<StateCount>()
}

/** The newest first, those before the sequence. */
export async function listArrivals(
  clickhouse: ClickHouseClient,
  {
    source,
    state,
    before,
    limit,
  }: { source: string; state: string | undefined; before: number; limit: number },
): Promise<ArrivalView[]> {
  const query = `SELECT * FROM (${latest} WHERE source_name = {source: String} ${grouped})
    WHERE ({state: String} = '' OR state = {state: String}) AND sequence < {before: UInt64}
    ORDER BY sequence DESC LIMIT {limit: UInt32}`
  const query_params = { source, state: state ?? '', before, limit }
  const answer = await clickhouse.query({ query, query_params, format: 'JSONEachRow', clickhouse_settings })
  return answer.json<ArrivalView>()
}

/** Of one arrival: its last outcome, and every event that it ever became. */
export async function readArrival(
  clickhouse: ClickHouseClient,
  source: string,
  id: string,
): Promise<{ readonly arrival: ArrivalView; readonly events: readonly ArrivalEventView[] } | undefined> {
  const query_params = { source, id }
  const one = await clickhouse.query({
    query: `${latest} WHERE source_name = {source: String} AND a.arrival_id = {id: String} ${grouped} ORDER BY sequence DESC LIMIT 1`,
    ...{ query_params, format: 'JSONEachRow' as const, clickhouse_settings },
  })
  const [arrival] = await one.json<ArrivalView>()
  if (arrival === undefined) return undefined
  const events = await clickhouse.query({
    query: `SELECT DISTINCT event_source AS source, event_id AS id, toString(event_type) AS type, customer_id
      FROM arrival_events WHERE source_name = {source: String} AND arrival_id = {id: String} ORDER BY id`,
    ...{ query_params, format: 'JSONEachRow' as const, clickhouse_settings },
  })
  return { arrival, events: await events.json<ArrivalEventView>() }
}

export const arrivalEventView = z.object({
  source: z.string(),
  id: z.string(),
  type: z.string(),
  customer_id: z.string(),
})
export type ArrivalEventView = z.infer<typeof arrivalEventView>
