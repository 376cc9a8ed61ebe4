// Asks ClickHouse for rows as they go into answers: decimals as exact text, instants as RFC 3339 without idle zeros.
// Questions that need not wait for each other are asked at the same time, each as a statement of its own: together in one
// statement they would run one after another, and their rows would have to be made into texts twice.

import type { ClickHouseClient } from '@clickhouse/client'
import { formatInstant, parseInstant } from '../../schemas/time.js'
import { exactNumbers } from '../../sinks/clickhouse/rated-history.js'

/** One thread: a question reads few rows, and threads would only be in each other's way. The rows come whole. */
const settings = {
  ...exactNumbers,
  date_time_output_format: 'iso',
  max_threads: 1,
  wait_end_of_query: 1,
} as const

export interface Question {
  readonly query: string
  readonly params: Readonly<Record<string, unknown>>
}

/** No rows where there is no question. */
export async function ask<T>(
  clickhouse: ClickHouseClient,
  question: Question | undefined,
): Promise<readonly T[]> {
  if (question === undefined) return []
  const result = await clickhouse.query({
    query: question.query,
    format: 'JSONEachRow',
    query_params: { ...question.params },
    clickhouse_settings: settings,
  })
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
