// Finds parts that ClickHouse detached because they are broken, or that a person detached: no query sees
// their rows.

import type { ClickHouseClient } from '@clickhouse/client'
import { type Check, checkOf, type Difference, unreadableCheck } from './report.js'

export async function checkParts(clickhouse: ClickHouseClient): Promise<Check> {
  const [check, claim] = ['clickhouse_parts', 'no part of a table is broken or detached']
  const query = `SELECT concat(table, ', part ', name) AS id, 'attached' AS expected,
      if(reason = '', 'detached', reason) AS found, concat('in partition ', ifNull(partition_id, '')) AS detail
    FROM system.detached_parts
    WHERE database = currentDatabase() AND (reason = '' OR startsWith(reason, 'broken') OR reason = 'unexpected')
    ORDER BY id`
  const parts = `SELECT toUInt32(count()) AS n FROM system.parts WHERE database = currentDatabase() AND active`
  try {
    const differences = await (await clickhouse.query({ query, format: 'JSONEachRow' })).json<Difference>()
    const [active] = await (await clickhouse.query({ query: parts, format: 'JSONEachRow' })).json<{
      n: number
    }>()
    return checkOf(check, claim, active?.n ?? 0, differences)
  } catch (error) {
    return unreadableCheck(check, claim, error)
  }
}
