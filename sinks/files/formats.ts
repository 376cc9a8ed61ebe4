// The formats of files: reading the keys in a file, and adding further records to a file.
// Invariants: the records in a file stay, byte for byte or value for value; numbers are exact, as decimal
// text or as DECIMAL; no cell of a CSV file begins a formula when a spreadsheet opens it.

import { parse } from 'csv-parse/sync'
import { stringify } from 'csv-stringify/sync'
import type { ConnectorRecord } from '../connector.js'
import { type Layout, layoutOf } from './columns.js'
import type { FileFormat } from './config.js'
import { parquetFile, recordsInParquet } from './parquet.js'

const csvOptions = { escape_formulas: true } as const
const rowsOfPiece = 500

export interface Format {
  keysIn(file: Uint8Array, layout: Layout): Promise<ReadonlySet<string>>
  /** `file`: its present content, undefined for a new file. The records are of one kind and not yet in it. */
  withRecords(
    file: Uint8Array | undefined,
    layout: Layout,
    records: readonly ConnectorRecord[],
  ): Promise<Uint8Array | string>
}

/** One line per record: its key, then the record. */
const ndjson: Format = {
  async keysIn(file) {
    const lines = textOf(file).split('\n')
    return new Set(lines.filter(line => line !== '').map(line => (JSON.parse(line) as { key: string }).key))
  },
  async withRecords(file, _layout, records) {
    const lines = records.map(({ key, document }) => `${JSON.stringify({ key, ...document })}\n`)
    return `${textOf(file)}${lines.join('')}`
  },
}

const csv: Format = {
  async keysIn(file, layout) {
    const rows: Record<string, string>[] = parse(Buffer.from(file), { columns: true })
    return new Set(rows.map(row => row[layout.keyColumn] ?? ''))
  },
  async withRecords(file, layout, records) {
    const head = file === undefined ? [layout.columns.map(({ name }) => name)] : []
    const rows = records.flatMap(record => layout.rowsOf(record))
    return `${textOf(file)}${stringify([...head, ...rows], csvOptions)}`
  },
}

const parquet: Format = {
  async keysIn(file) {
    return new Set((await recordsInParquet(file)).map(({ key }) => key))
  },
  async withRecords(file, layout, records) {
    const before = file === undefined ? [] : await recordsInParquet(file)
    return parquetFile(layout, [...before, ...records])
  },
}

export const formats: Readonly<Record<FileFormat, Format>> = { ndjson, csv, parquet }

function textOf(file: Uint8Array | undefined): string {
  return file === undefined ? '' : Buffer.from(file).toString('utf8')
}

/** One CSV file of the records, a piece at a time; with a head alone when there are none. */
export async function* csvOf(
  kind: ConnectorRecord['kind'],
  records: AsyncIterable<ConnectorRecord>,
): AsyncGenerator<string> {
  const layout = layoutOf(kind)
  if (layout === undefined) throw new Error('files do not take such records')
  yield stringify([layout.columns.map(({ name }) => name)], csvOptions)
  let rows: ReturnType<Layout['rowsOf']>[number][] = []
  for await (const record of records) {
    rows.push(...layout.rowsOf(record))
    if (rows.length < rowsOfPiece) continue
    yield stringify(rows, csvOptions)
    rows = []
  }
  if (rows.length > 0) yield stringify(rows, csvOptions)
}
