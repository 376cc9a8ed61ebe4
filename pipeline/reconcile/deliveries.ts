// Connections: counts deliveries by state, and checks that every record that a connection took in has a
// delivery. stream-tables.ts compares the table with DELIVERIES; set-aside.ts lists the refused records.

import type { ClickHouseClient } from '@clickhouse/client'
import type { KV } from '@nats-io/kv'
import { deliveryIdOf } from '../../schemas/billing/delivery.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import { recordedPosition } from '../deliver/delivered.js'
import type { Feed, RecordFeed } from '../deliver/feed.js'
import { type Check, checkOf, type DeliveryTotal, type Difference, unreadableCheck } from './report.js'
import { chunksOf, type StreamSource } from './stream-tables.js'

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

/** To be called before the wait: records that are taken in later may not be in the table yet. */
export function readTakenUpTo(feeds: readonly Feed[], sinks: KV): Promise<TakenUpTo[]> {
  const ofConnections = feeds.flatMap(feed =>
    feed.ofRecords === undefined ? [] : [{ feed, ofRecords: feed.ofRecords }],
  )
  return Promise.all(
    ofConnections.map(async one => ({ ...one, until: await recordedPosition(sinks, one.feed.key) })),
  )
}

const check = 'records_delivered'
const claim = 'every journal and line that a connection took in has a delivery'

type Source = Pick<StreamSource, 'clickhouse' | 'js' | 'jsm'>

export async function checkDelivered(source: Source, taken: readonly TakenUpTo[]): Promise<Check> {
  const differences: Difference[] = []
  let compared = 0
  try {
    for (const { feed, ofRecords, until } of taken) {
      const { state } = await source.jsm.streams.info(feed.stream)
      for await (const messages of chunksOf(source, feed, state.first_seq, until)) {
        const records = messages.flatMap(one => ofRecords.recordsOf(one).records)
        compared += records.length
        differences.push(...(await lostOf(source.clickhouse, ofRecords.connection, records)))
      }
    }
    return checkOf(check, claim, compared, differences)
  } catch (error) {
    return unreadableCheck(check, claim, error)
  }
}

/** The most ids in one query, so that its text stays far below ClickHouse's limit. */
const idsAtOnce = 2_000

async function lostOf(
  clickhouse: ClickHouseClient,
  connection: string,
  records: readonly ConnectorRecord[],
): Promise<Difference[]> {
  const lost: Difference[] = []
  for (let from = 0; from < records.length; from += idsAtOnce) {
    const byId = new Map(
      records.slice(from, from + idsAtOnce).map(one => [deliveryIdOf(connection, one), one] as const),
    )
    const ids = [...byId.keys()].map(id => `'${id}'`).join(', ') // hashes: nothing in them ends a text
    const query = `SELECT DISTINCT delivery_id FROM deliveries
      WHERE connection = {connection: String} AND delivery_id IN (${ids})`
    const answer = await clickhouse.query({ query, format: 'JSONEachRow', query_params: { connection } })
    for (const { delivery_id } of await answer.json<{ delivery_id: string }>()) byId.delete(delivery_id)
    for (const { kind, id } of byId.values())
      lost.push({ id: `${connection}: ${kind} ${id}`, expected: 'a delivery', found: 'none' })
  }
  return lost
}
