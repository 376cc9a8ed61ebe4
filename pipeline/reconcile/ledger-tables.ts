// Compares every table that the ledger feeds with the ledger: count, sums and checksum of the rows per
// partition, up to the commit that ledger-cut.ts finds. locate.ts then finds the commits and rows that
// differ.
//
// Invariant: a table that cannot be read, and rows of partitions or commits that never existed, are
// differences too.

import type { ClickHouseClient } from '@clickhouse/client'
import { formatScaled } from '../../schemas/money/decimal.js'
import {
  addFigures,
  isSame,
  noFigures,
  type RowFigures,
  subtractFigures,
} from '../../schemas/rows/row-figures.js'
import type { TableDescription } from '../../schemas/table-description.js'
import { tables } from '../../schemas/tables.js'
import { ledgerTables } from '../../sinks/clickhouse/records.js'
import { type FigureAnswer, figureColumns, figuresOfAnswer } from '../../sinks/clickhouse/row-figures.js'
import { readCheckpoint } from '../ledger/checkpoint.js'
import { figuresAt, type PartitionCut, type PlacedCheckpoint, type TableSource } from './ledger-cut.js'
import { locate } from './locate.js'
import { type Check, checkOf, type Difference, unreadableCheck } from './report.js'

/** At most this many differences are located in detail, which takes further queries. */
const maxLocated = 8

export async function checkLedgerTables(
  source: TableSource,
  cuts: readonly PartitionCut[],
  /** Partitions whose checkpoint cannot be read: nothing is known of their rows. */
  lost: readonly number[] = [],
): Promise<Check[]> {
  const checks: Check[] = []
  for (const table of tables)
    if (ledgerTables.includes(table.name)) checks.push(await checkTable(source, table, cuts, lost))
  return checks
}

async function checkTable(
  source: TableSource,
  table: TableDescription<unknown>,
  cuts: readonly PartitionCut[],
  lost: readonly number[],
): Promise<Check> {
  const check = `table_${table.name}`
  const claim = `ClickHouse has every row of ${table.name} as the ledger has it`
  try {
    const found = await figuresOf(source.clickhouse, table, cuts)
    const differences: Difference[] = []
    let rows = 0
    for (const one of cuts) {
      if (one.cut === undefined) continue
      const expected = figuresAt(one.cut.checkpoint, table.name)
      const there = found.get(one.partition) ?? noFigures
      rows += expected.rows
      if (isSame(expected, there)) continue
      differences.push(wholeDifference(table, one.partition, one.cut, expected, there))
      if (differences.length <= maxLocated)
        differences.push(...(await locate(source, table, one.partition, one.cut)))
    }
    differences.push(...(await strayRows(source, table, cuts, lost)))
    return checkOf(check, claim, rows, differences)
  } catch (error) {
    return unreadableCheck(check, claim, error)
  }
}

async function figuresOf(
  clickhouse: ClickHouseClient,
  table: TableDescription<unknown>,
  cuts: readonly PartitionCut[],
): Promise<Map<number, RowFigures>> {
  const query = `SELECT toString(t.partition) AS of, ${figureColumns(table)}
    FROM ${table.name} AS t WHERE t.ledger_sequence <= {cuts: Map(UInt32, UInt64)}[t.partition] GROUP BY t.partition`
  const query_params = { cuts: cutParameter(cuts) }
  const result = await clickhouse.query({ query, format: 'JSONEachRow', query_params })
  const found = new Map<number, RowFigures>()
  for (const answer of await result.json<FigureAnswer>()) {
    const partition = Number(answer['of'])
    found.set(partition, addFigures(found.get(partition) ?? noFigures, figuresOfAnswer(table, answer)))
  }
  return found
}

export function cutParameter(cuts: readonly PartitionCut[]): Map<number, number> {
  return new Map(
    cuts.flatMap(one => (one.cut === undefined ? [] : [[one.partition, one.cut.checkpoint.commit]])),
  )
}

/** Finds rows of partitions that do not exist, and of commits that have not been made. */
async function strayRows(
  { clickhouse, jsm }: TableSource,
  table: TableDescription<unknown>,
  cuts: readonly PartitionCut[],
  lost: readonly number[],
): Promise<Difference[]> {
  const newest = new Map(cuts.map(one => [one.partition, one.newest.commit]))
  const query = `SELECT toUInt32(t.partition) AS of, toUInt32(count()) AS rows, toString(t.ledger_sequence) AS commit
    FROM ${table.name} AS t
    WHERE t.partition NOT IN ({lost: Array(UInt32)})
      AND (t.partition NOT IN ({known: Array(UInt32)}) OR t.ledger_sequence > {newest: Map(UInt32, UInt64)}[t.partition])
    GROUP BY of, t.ledger_sequence ORDER BY of, t.ledger_sequence LIMIT 10000`
  const query_params = { known: [...newest.keys()], newest, lost }
  const result = await clickhouse.query({ query, format: 'JSONEachRow', query_params })
  const above = await result.json<{ of: number; rows: number; commit: string }>()
  const differences: Difference[] = []
  for (const partition of new Set(above.map(one => one.of))) {
    // Read after the rows, so every valid row belongs to a commit up to this one.
    const reached = newest.has(partition)
      ? ((await readCheckpoint(jsm, partition))?.checkpoint.commit ?? 0)
      : -1
    const strays = above.filter(one => one.of === partition && Number(one.commit) > reached)
    if (strays.length === 0) continue
    differences.push({
      id: `${table.name}, partition ${partition}`,
      expected: '0 rows',
      found: `${strays.reduce((sum, one) => sum + one.rows, 0)} rows`,
      detail: `stray: of ledger_sequence ${strays[0]!.commit} to ${strays.at(-1)!.commit}, which the ledger has not reached`,
    })
  }
  return differences
}

function wholeDifference(
  table: TableDescription<unknown>,
  partition: number,
  { checkpoint }: PlacedCheckpoint,
  expected: RowFigures,
  found: RowFigures,
): Difference {
  const difference = subtractFigures(found, expected)
  return {
    id: `${table.name}, partition ${partition}`,
    expected: figuresText(expected),
    found: figuresText(found),
    detail: `${inWords(table, difference)}, up to ledger_sequence ${checkpoint.commit}`,
  }
}

function figuresText({ rows, checksum }: RowFigures): string {
  return `${rows} rows, checksum ${BigInt(checksum).toString(16)}`
}

/** Describes in words the rows that ClickHouse has in excess of the ledger. */
export function inWords(table: TableDescription<unknown>, { rows, sums }: RowFigures): string {
  const count = rows < 0 ? `${-rows} rows lost` : rows > 0 ? `${rows} rows too many` : 'rows changed'
  const moved = Object.entries(sums).map(([column, sum]) => {
    const isDecimal = table.columns.some(({ name, kind }) => name === column && kind === 'decimal')
    return `${column} off by ${isDecimal ? formatScaled(BigInt(sum)) : sum}`
  })
  return [count, ...moved].join(', ')
}
