// Asks ClickHouse for rows as they go into answers: decimals as exact text, instants as RFC 3339 without idle zeros.
// Questions that need not wait for each other go in one statement: at a few rows each, a statement costs more than they do.

import type { ClickHouseClient } from '@clickhouse/client'
import { formatInstant, parseInstant } from '../../schemas/time.js'
import { exactNumbers } from '../../sinks/clickhouse/rated-history.js'

/** One thread: a question reads few rows, and threads would only be in each other's way. A subquery keeps its order. */
const settings = {
  ...exactNumbers,
  date_time_output_format: 'iso',
  max_threads: 1,
  query_plan_remove_redundant_sorting: 0,
} as const

export interface Question {
  readonly query: string
  /** Questions that are asked together use one name for one value. */
  readonly params: Readonly<Record<string, unknown>>
}

export async function ask<T>(clickhouse: ClickHouseClient, { query, params }: Question): Promise<T[]> {
  const rows = await answerTo<Record<string, unknown>>(clickhouse, query, params)
  return rows.map(row => shortInstants(row) as T)
}

/** `Rows`: of each question by its name. One that is undefined is not asked, and has no rows. */
export async function askTogether<Rows extends object>(
  clickhouse: ClickHouseClient,
  questions: { readonly [Name in keyof Rows]: Question | undefined },
): Promise<{ readonly [Name in keyof Rows]: readonly Rows[Name][] }> {
  const all = Object.entries<Question | undefined>(questions)
  const asked = all.flatMap(([name, one]) => (one === undefined ? [] : [{ name, ...one }]))
  const rows: Record<string, unknown[]> = Object.fromEntries(all.map(([name]) => [name, []]))
  if (asked.length > 0) {
    const query = asked.map(({ name, query: own }) => textRows(name, own)).join('\nUNION ALL\n')
    const params = Object.assign({}, ...asked.map(one => one.params)) as Question['params']
    for (const { question, text } of await answerTo<TextRow>(clickhouse, query, params))
      rows[question]?.push(shortInstants(JSON.parse(text) as Record<string, unknown>))
  }
  return rows as { readonly [Name in keyof Rows]: readonly Rows[Name][] }
}

interface TextRow {
  readonly question: string
  readonly text: string
}

/** Rows of different columns as one text each, as the format of `ask` has them. */
function textRows(name: string, query: string): string {
  return `SELECT '${name}' AS question, formatRowNoNewline('JSONEachRow', *) AS text FROM (${query})`
}

async function answerTo<T>(
  clickhouse: ClickHouseClient,
  query: string,
  query_params: Question['params'],
): Promise<T[]> {
  const result = await clickhouse.query({
    query,
    format: 'JSONEachRow',
    query_params: { ...query_params },
    clickhouse_settings: settings,
  })
  return result.json<T>()
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
