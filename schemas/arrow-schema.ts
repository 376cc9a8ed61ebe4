// Tables as Arrow sees them: the type of each kind of column, the schema of a table, and one record batch as a stream.
// Invariant: one schema per table and no dictionaries, so that streams of one table can be joined without decoding.

import {
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Int8,
  Int64,
  Map_,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMillisecond,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow'
import { decimalScale } from './decimal.js'
import type { ColumnKind, TableDescription } from './tables.js'

export const utf8 = new Utf8()

export const mapEntries = new Struct<{ key: Utf8; value: Utf8 }>([
  new Field('key', utf8, false),
  new Field('value', utf8, false),
])

export const arrowTypes: Readonly<Record<ColumnKind, DataType>> = {
  string: utf8,
  low_cardinality: utf8,
  instant_ms: new TimestampMillisecond('UTC'),
  nullable_instant_ms: new TimestampMillisecond('UTC'),
  date: new DateDay(),
  decimal: new Decimal(decimalScale, 38, 128),
  uint32: new Uint32(),
  uint64: new Uint64(),
  int8: new Int8(),
  int64: new Int64(),
  map: new Map_(new Field('entries', mapEntries, false)),
}

const schemas = new WeakMap<TableDescription<unknown>, Schema>()

/** One Arrow IPC stream with one record batch. `columns` are in the table's order; their memory is copied. */
export function encodeBatch(
  table: TableDescription<unknown>,
  columns: readonly Data[],
  length: number,
): Uint8Array {
  const schema = schemaOf(table)
  const data = makeData({
    type: new Struct(schema.fields),
    length,
    nullCount: 0,
    children: columns as Data[],
  })
  return RecordBatchStreamWriter.writeAll([new RecordBatch(schema, data)]).toUint8Array(true)
}

function schemaOf(table: TableDescription<unknown>): Schema {
  const known = schemas.get(table)
  if (known !== undefined) return known
  const schema = new Schema(
    table.columns.map(
      column => new Field(column.name, arrowTypes[column.kind], column.kind === 'nullable_instant_ms'),
    ),
  )
  schemas.set(table, schema)
  return schema
}
