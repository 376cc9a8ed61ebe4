// Asks ClickHouse for rows as they go into answers: decimals as exact text, instants as RFC 3339 without idle zeros.

import type { ClickHouseClient } from '@clickhouse/client'
import { formatInstant, parseInstant } from '../../schemas/time.js'
import { exactNumbers } from '../../sinks/clickhouse/rated-history.js'

export async function ask<T>(
  clickhouse: ClickHouseClient,
  query: string,
  query_params: Readonly<Record<string, unknown>>,
): Promise<T[]> {
  const clickhouse_settings = { ...exactNumbers, date_time_output_format: 'iso' } as const
  const result = await clickhouse.query({ query, format: 'JSONEachRow', query_params, clickhouse_settings })
  const rows = await result.json<Record<string, unknown>>()
  return rows.map(row => shortInstants(row) as T)
}

const iso = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/

/** A value that looks like an instant is one only in these columns. */
const instantColumn = /_at$|_time$|_from$|_until$/

function shortInstants(row: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value !== 'string' || !instantColumn.test(name) || !iso.test(value)) continue
    const instantNs = parseInstant(value)
    if (instantNs !== undefined) row[name] = formatInstant(instantNs)
  }
  return row
}
