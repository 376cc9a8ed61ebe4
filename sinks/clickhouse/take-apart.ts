// Splits an insert into halves, down to single rows, to find the rows whose content ClickHouse refuses.
// Invariant: an insert always splits into the same halves, with the same names.

import { type Table, tableFromIPC, tableToIPC } from 'apache-arrow'
import type { TableInsert } from './records.js'

/** The two halves; undefined for an insert of one row or none. */
export function halvesOf(insert: TableInsert): readonly [TableInsert, TableInsert] | undefined {
  const rows = tableFromIPC(Buffer.concat(insert.parts))
  if (rows.numRows < 2) return undefined
  const middle = rows.numRows >> 1
  return [partOf(insert, rows, 0, middle), partOf(insert, rows, middle, rows.numRows)]
}

/** The first row as JSON, for people. */
export function contentOf({ parts }: TableInsert): string {
  const row = tableFromIPC(Buffer.concat(parts)).get(0)
  return JSON.stringify(row?.toJSON() ?? {}, (_key, value: unknown) => {
    if (typeof value === 'bigint') return String(value)
    return ArrayBuffer.isView(value) ? String(value) : value
  })
}

/** The commit or the stream message that the first row is from. */
export function sequenceOf({ parts }: TableInsert): number {
  const row = tableFromIPC(Buffer.concat(parts)).get(0)
  return Number(row?.['ledger_sequence'] ?? row?.['stream_sequence'] ?? 0)
}

function partOf({ table, name }: TableInsert, rows: Table, from: number, until: number): TableInsert {
  return { table, name: `${name}/${from}-${until}`, parts: [tableToIPC(rows.slice(from, until), 'stream')] }
}
