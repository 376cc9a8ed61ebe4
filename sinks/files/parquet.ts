// Parquet with exact types: decimals are DECIMAL(38, 12), dates DATE, instants TIMESTAMP in nanoseconds and UTC.
// Beside the columns of the layout a file has `key`, `recorded_at` and `document`: the record itself as JSON, on its first
// row. From it the records of a file are read back, so that a file grows without a number passing through a float.
//
//   row     columns of the layout …   key   recorded_at   document
//   line 1  …                         je_1  …             {"kind":"journal", …}
//   line 2  …                         je_1  …             NULL

import { parquetReadObjects, type SchemaElement } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { parseDecimal } from '../../schemas/money/decimal.js'
import { parseBoundary } from '../../schemas/time.js'
import type { ConnectorRecord } from '../connector.js'
import type { ColumnType, Layout } from './columns.js'

type Value = string | bigint | number | undefined

const elements: Readonly<Record<ColumnType, Omit<SchemaElement, 'name'>>> = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  integer: { type: 'INT64' },
  date: { type: 'INT32', converted_type: 'DATE' },
  decimal: {
    type: 'FIXED_LEN_BYTE_ARRAY',
    type_length: 16,
    converted_type: 'DECIMAL',
    precision: 38,
    scale: 12,
  },
  instant: { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'NANOS' } },
}

const dayMs = 86_400_000
const greatestInt64 = 2n ** 63n - 1n

/** Throws a `RangeError` for a value that the column cannot hold. */
export function parquetValue(type: ColumnType, text: string): bigint | number | string {
  switch (type) {
    case 'text':
      return text
    case 'integer':
      return BigInt(text)
    case 'date': {
      const days = Date.parse(`${text}T00:00:00Z`) / dayMs
      if (!Number.isInteger(days)) throw new RangeError(`${text} is no date`)
      return days
    }
    case 'decimal': {
      const parsed = parseDecimal(text)
      if (parsed.kind !== 'ok') throw new RangeError(`${text} is no decimal with 12 places`)
      return parsed.value
    }
    case 'instant': {
      const instantNs = parseBoundary(text)
      if (instantNs === undefined || instantNs > greatestInt64) {
        throw new RangeError(`${text} is no instant that a TIMESTAMP of nanoseconds holds`)
      }
      return instantNs
    }
    default:
      return type satisfies never
  }
}

export function parquetFile(layout: Layout, records: readonly ConnectorRecord[]): Uint8Array {
  const columns = [
    ...layout.columns.filter(({ name }) => name !== 'key'),
    { name: 'key', type: 'text' as const },
    { name: 'recorded_at', type: 'instant' as const },
    { name: 'document', type: 'text' as const },
  ]
  const data = new Map<string, Value[]>(columns.map(({ name }) => [name, []]))
  for (const record of records) {
    for (const [index, cells] of layout.rowsOf(record).entries()) {
      for (const [at, { name, type }] of layout.columns.entries()) {
        if (name !== 'key') data.get(name)!.push(parquetValue(type, cells[at] ?? ''))
      }
      data.get('key')!.push(record.key)
      data.get('recorded_at')!.push(parquetValue('instant', record.recordedAt))
      data.get('document')!.push(index === 0 ? JSON.stringify(record) : undefined)
    }
  }
  const repetition = (name: string) => (name === 'document' ? 'OPTIONAL' : 'REQUIRED')
  const schema: SchemaElement[] = [
    { name: 'root', num_children: columns.length },
    ...columns.map(({ name, type }) => ({
      name,
      ...elements[type],
      repetition_type: repetition(name) as 'OPTIONAL' | 'REQUIRED',
    })),
  ]
  const columnData = columns.map(({ name }) => ({ name, data: data.get(name)! }))
  return new Uint8Array(parquetWriteBuffer({ columnData, schema, createdBy: 'weir' }))
}

export async function recordsInParquet(file: Uint8Array): Promise<ConnectorRecord[]> {
  const bytes = file.slice().buffer
  const rows = await parquetReadObjects({ file: bytes, columns: ['document'] })
  return rows
    .filter(row => typeof row['document'] === 'string')
    .map(row => JSON.parse(row['document'] as string) as ConnectorRecord)
}
