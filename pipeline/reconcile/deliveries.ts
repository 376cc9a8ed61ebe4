// Connections: counts deliveries by state, and reads how far each connection has taken records in. accepted.ts holds the records
// against their deliveries; stream-tables.ts compares the table with DELIVERIES; set-aside.ts lists the refused records.

import type { ClickHouseClient } from '@clickhouse/client'
import type { KV } from '@nats-io/kv'
import { recordedPosition } from '../deliver/delivered.js'
import type { Feed, RecordFeed } from '../deliver/feed.js'
import type { DeliveryTotal } from './report.js'

export async function countDeliveries(clickhouse: ClickHouseClient): Promise<DeliveryTotal[]> {
  const query = `SELECT connection, state, toUInt32(count()) AS deliveries FROM deliveries_latest
    GROUP BY connection, state ORDER BY connection, state`
  const answer = await clickhouse.query({ query, format: 'JSONEachRow' })
  return answer.json<DeliveryTotal>()
}

/** A feed of records, and the position up to which its connection has taken them in. */
export interface TakenUpTo {
  readonly feed: Feed
  readonly ofRecords: RecordFeed
  readonly until: number
}

/** Of records that are money. What is written back tells how something stands, and is in no book. */
export function isOfBooks({ ofRecords, stream }: Feed): boolean {
  return ofRecords !== undefined && stream !== 'WRITE_BACK'
}

/** To be called before the wait: records that are taken in later may not be in the table yet. */
export function readTakenUpTo(feeds: readonly Feed[], sinks: KV): Promise<TakenUpTo[]> {
  const ofConnections = feeds.flatMap(feed =>
    feed.ofRecords === undefined || !isOfBooks(feed) ? [] : [{ feed, ofRecords: feed.ofRecords }],
  )
  return Promise.all(
    ofConnections.map(async one => ({ ...one, until: await recordedPosition(sinks, one.feed.key) })),
  )
}
