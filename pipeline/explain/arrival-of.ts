// Which arrival of a source an event was made of.

import type { ClickHouseClient } from '@clickhouse/client'
import { ask } from './ask.js'
import type { Identity } from './event-rows.js'

export interface ArrivalOf {
  /** The name of the source. */
  readonly source: string
  readonly arrival_id: string
  /** Its place in ARRIVALS. */
  readonly sequence: number
}

/** The sources of events that Weir makes itself begin with this. */
const ofSources = 'weir:'

export async function arrivalOf(
  clickhouse: ClickHouseClient,
  { source, id }: Identity,
): Promise<ArrivalOf | null> {
  if (!source.startsWith(ofSources)) return null
  const query = `SELECT toString(source_name) AS source, arrival_id, arrival_sequence AS sequence FROM arrival_events
    WHERE cityHash64(event_source, event_id) = cityHash64({source: String}, {id: String})
      AND event_source = {source: String} AND event_id = {id: String} ORDER BY stream_sequence LIMIT 1`
  const [found] = await ask<ArrivalOf>(clickhouse, { query, params: { source, id } })
  return found ?? null
}
