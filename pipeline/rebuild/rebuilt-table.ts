// What is known of the tables that can be rebuilt, and the statements on them.
// Invariants: a table is filled beside the one that is there, under another name, and marked with its job; the mark goes with
// the table when names are exchanged, so that an exchange is never made twice.

import type { ClickHouseClient } from '@clickhouse/client'
import { addFigures, noFigures, type RowFigures } from '../../schemas/rows/row-figures.js'
import type { TableDescription } from '../../schemas/table-description.js'
import { tables } from '../../schemas/tables.js'
import { insertsOfLedger, ledgerTables } from '../../sinks/clickhouse/records.js'
import { type FigureAnswer, figureColumns, figuresOfAnswer } from '../../sinks/clickhouse/row-figures.js'
import type { ReadRange } from '../../sinks/clickhouse/sink.js'
import { streamTables } from '../../sinks/clickhouse/stream-tables.js'
import { type Feed, feedOf } from '../deliver/feed.js'

export interface RebuiltTable {
  readonly table: TableDescription<unknown>
  readonly feed: Feed
  readonly rowsOf: ReadRange
  readonly isOfLedger: boolean
}

/** Every table that can be rebuilt, in the order of the schema. */
export function rebuiltTables(feeds: readonly Feed[]): readonly RebuiltTable[] {
  const ledger = feedOf(feeds, 'clickhouse')
  return tables.flatMap((table): RebuiltTable[] => {
    const { name } = table
    if (ledgerTables.includes(name)) {
      const feed = { ...ledger, filterSubjects: [`ledger.*.${name}`] }
      return [{ table, feed, rowsOf: insertsOfLedger, isOfLedger: true }]
    }
    const of = streamTables.find(one => one.table.name === name)
    if (of === undefined) return []
    return [{ table, feed: feedOf(feeds, of.feed), rowsOf: of.rowsOf, isOfLedger: false }]
  })
}

export function newName(table: string): string {
  return `rebuild_${table}`
}

const markOf = (jobId: string) => `filled by the job ${jobId}`

/** An empty table beside the one that is there, of the same make. */
export async function createBeside(
  clickhouse: ClickHouseClient,
  table: string,
  jobId: string,
): Promise<void> {
  await dropBeside(clickhouse, table)
  await clickhouse.command({ query: `CREATE TABLE ${newName(table)} AS ${table} COMMENT '${markOf(jobId)}'` })
}

export async function dropBeside(clickhouse: ClickHouseClient, table: string): Promise<void> {
  await clickhouse.command({ query: `DROP TABLE IF EXISTS ${newName(table)} SYNC` })
}

/** The new table takes the name, and the old one the other; nothing happens when that was done before. */
export async function exchange(clickhouse: ClickHouseClient, table: string, jobId: string): Promise<void> {
  if (await isExchanged(clickhouse, table, jobId)) return
  await clickhouse.command({ query: `EXCHANGE TABLES ${table} AND ${newName(table)}` })
}

export async function isExchanged(
  clickhouse: ClickHouseClient,
  table: string,
  jobId: string,
): Promise<boolean> {
  const query = `SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = {table: String}`
  const answer = await clickhouse.query({ query, format: 'JSONEachRow', query_params: { table } })
  const [found] = await answer.json<{ comment: string }>()
  return found?.comment === markOf(jobId)
}

/** Commits by partition, up to which rows are counted. */
export type Cuts = ReadonlyMap<number, number>

/** The figures of each partition's rows, up to its commit. */
export async function figuresByPartition(
  clickhouse: ClickHouseClient,
  description: TableDescription<unknown>,
  name: string,
  cuts: Cuts,
): Promise<ReadonlyMap<number, RowFigures>> {
  const query = `SELECT toString(t.partition) AS of, ${figureColumns(description)}
    FROM ${name} AS t WHERE t.ledger_sequence <= {cuts: Map(UInt32, UInt64)}[t.partition] GROUP BY t.partition`
  const result = await clickhouse.query({
    query,
    format: 'JSONEachRow',
    query_params: { cuts: new Map(cuts) },
  })
  const found = new Map<number, RowFigures>()
  for (const answer of await result.json<FigureAnswer>()) {
    found.set(Number(answer['of']), figuresOfAnswer(description, answer))
  }
  return found
}

/** The figures of all rows of messages up to a sequence. */
export async function figuresUpTo(
  clickhouse: ClickHouseClient,
  description: TableDescription<unknown>,
  name: string,
  sequence: number,
): Promise<RowFigures> {
  const query = `SELECT ${figureColumns(description)} FROM ${name} AS t WHERE t.stream_sequence <= {sequence: UInt64}`
  const result = await clickhouse.query({ query, format: 'JSONEachRow', query_params: { sequence } })
  const [answer] = await result.json<FigureAnswer>()
  return answer === undefined ? noFigures : figuresOfAnswer(description, answer)
}

export function sumOf(figures: Iterable<RowFigures>): RowFigures {
  let sum = noFigures
  for (const one of figures) sum = addFigures(sum, one)
  return sum
}
