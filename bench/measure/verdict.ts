// Waits until everything is queryable in ClickHouse, and holds what is there against the independent sum.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import type { DispositionCounts } from '../../schemas/event/dispositions.js'
import type { Expectation } from '../workload/traffic.js'
import { type Difference, difference } from './report.js'

const pollMs = 50

/**
 * Polls `count()`, which ClickHouse answers from its catalog, until every row is there; gives up when the number has
 * not moved for `stallMs`. What is there is right or not: `rowDifferences` tells.
 */
export async function rowsQueryable(
  clickhouse: ClickHouseClient,
  rows: number,
  options: { readonly stallMs: number; readonly onRows: (rows: number) => void },
): Promise<void> {
  let last = -1
  let movedAtMs = Date.now()
  for (; ; await sleep(pollMs)) {
    const [found] = await ask<{ n: string }>(clickhouse, 'SELECT toString(count()) AS n FROM rated_usage')
    const count = Number(found?.n ?? 0)
    if (count !== last) {
      options.onRows(count - Math.max(0, last))
      movedAtMs = Date.now()
      last = count
    }
    if (count >= rows || Date.now() - movedAtMs > options.stallMs) return
  }
}

/** `column`: what is summed beside the rows. */
export async function rowDifferences(
  clickhouse: ClickHouseClient,
  expected: { readonly rows: number; readonly column: 'amount' | 'quantity'; readonly sum: string },
): Promise<Difference[]> {
  const { rows, column, sum } = expected
  const query = `SELECT toString(count()) AS n, toString(sum(${column})) AS total FROM rated_usage`
  const [found] = await ask<{ n: string; total: string }>(clickhouse, query)
  return [
    ...difference('count() of rated_usage', rows, found?.n ?? ''),
    ...difference(`sum(${column}) of rated_usage`, sum, found?.total ?? ''),
  ]
}

/** The conservation law, and that every event became what it was made to become. */
export async function dispositionDifferences(
  clickhouse: ClickHouseClient,
  expected: Expectation,
  customers: number,
): Promise<Difference[]> {
  const names = [
    'received',
    'rated',
    'applied',
    'duplicate',
    'conflicting',
    'parked',
    'dead_lettered',
    'unmetered',
  ]
  const columns = names.map(name => `toInt64(sum(${name})) AS ${name}`)
  const query = `SELECT ${columns.join(', ')} FROM event_dispositions SETTINGS output_format_json_quote_64bit_integers = 0`
  const [found] = await ask<DispositionCounts>(clickhouse, query)
  if (found === undefined) return difference('event_dispositions', 'rows', 'none')
  const { received, rated, applied, duplicate, conflicting, parked, dead_lettered, unmetered } = found
  const applications = customers + 1 // and the catalog
  return [
    ...difference('received', expected.events + applications, received),
    ...difference('rated', expected.unique, rated),
    ...difference('duplicate', expected.duplicates, duplicate),
    ...difference('applied', applications, applied),
    ...difference('conflicting', 0, conflicting),
    ...difference('parked', 0, parked),
    ...difference('dead_lettered', 0, dead_lettered),
    ...difference('unmetered', 0, unmetered),
    ...difference(
      'received = sum of dispositions',
      received,
      rated + applied + duplicate + conflicting + parked + dead_lettered + unmetered,
    ),
  ]
}

async function ask<T>(clickhouse: ClickHouseClient, query: string): Promise<T[]> {
  return (await clickhouse.query({ query, format: 'JSONEachRow' })).json<T>()
}
