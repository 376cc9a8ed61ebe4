// How many deliveries of each connection stand in each state: the sum that is told beside the checks. That the table is what
// DELIVERIES holds is checked by stream-tables.ts; what was refused is listed by set-aside.ts.

import type { ClickHouseClient } from '@clickhouse/client'
import type { DeliveryTotal } from './report.js'

export async function countDeliveries(clickhouse: ClickHouseClient): Promise<DeliveryTotal[]> {
  const query = `SELECT connection, state, toUInt32(count()) AS deliveries FROM deliveries_latest
    GROUP BY connection, state ORDER BY connection, state`
  const answer = await clickhouse.query({ query, format: 'JSONEachRow' })
  return answer.json<DeliveryTotal>()
}
