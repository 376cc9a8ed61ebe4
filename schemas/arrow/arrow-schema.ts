// Tables in Arrow: the type of each kind of column, the schema of a table, and one record batch as a stream.
// Invariant: one schema per table and encoding, so that streams of one table can be joined without decoding.
// In a table with few rows all values are plain; in a table with rows for every event, the coded columns hold
// 16-bit codes of dictionaries. ClickHouse accepts both for the same columns.

import {
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
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
  TimestampNanosecond,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow'
import { decimalScale } from '../money/decimal.js'
import type { Column, ColumnKind, TableDescription } from '../table-description.js'

export const utf8 = new Utf8()

export const mapEntries = new Struct<{ key: Utf8; value: Utf8 }>([
  new Field('key', utf8, false),
  new Field('value', utf8, false),
])

export const arrowTypes: Readonly<Record<ColumnKind, DataType>> = {
  string: utf8,
  low_cardinality: utf8,
  instant_ms: new TimestampMillisecond('UTC'),
  instant_ns: new TimestampNanosecond('UTC'),
  nullable_instant_ns: new TimestampNanosecond('UTC'),
  date: new DateDay(),
  decimal: new Decimal(decimalScale, 38, 128),
  uint32: new Uint32(),
  uint64: new Uint64(),
  int8: new Int8(),
  int64: new Int64(),
  map: new Map_(new Field('entries', mapEntries, false)),
}

const codes = new Uint16()

/** The schema of a table with rows for every event: its coded columns and the bytes of the schema message. */
export interface CodedSchema {
  readonly message: Uint8Array
  /** Ids of dictionaries by column; a map has two, for its keys and for its values. */
  readonly dictionaryIds: ReadonlyMap<string, readonly number[]>
}

/**
 * `plain` names text columns that rarely repeat; all other texts, and those of maps, are codes. `repeating`
 * names the columns of numbers and instants that are codes as well.
 */
export function codedSchema(
  table: TableDescription<unknown>,
  plain: readonly string[],
  repeating: readonly string[] = [],
): CodedSchema {
  const dictionaryIds = new Map<string, readonly number[]>()
  let ids = 0
  const dictionary = (of: DataType = utf8): Dictionary => new Dictionary(of, codes, ids++)
  const typeOf = ({ name, kind }: Column): DataType => {
    const first = ids
    if (kind === 'map') {
      const [key, value] = [dictionary(), dictionary()]
      dictionaryIds.set(name, [first, first + 1])
      return mapOf(key, value)
    }
    const isText = kind === 'string' || kind === 'low_cardinality'
    if (isText ? plain.includes(name) : !repeating.includes(name)) return arrowTypes[kind]
    dictionaryIds.set(name, [first])
    return dictionary(arrowTypes[kind])
  }
  const schema = new Schema(
    table.columns.map(
      column => new Field(column.name, typeOf(column), column.kind === 'nullable_instant_ns'),
    ),
  )
  const stream = new RecordBatchStreamWriter().reset(undefined, schema).finish().toUint8Array(true)
  const metadataBytes = new DataView(stream.buffer, stream.byteOffset).getInt32(4, true)
  return { message: stream.slice(0, 8 + metadataBytes), dictionaryIds }
}

function mapOf(key: DataType, value: DataType): Map_ {
  const entries = new Struct([new Field('key', key, false), new Field('value', value, false)])
  return new Map_(new Field('entries', entries as never, false))
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
      column => new Field(column.name, arrowTypes[column.kind], column.kind === 'nullable_instant_ns'),
    ),
  )
  schemas.set(table, schema)
  return schema
}
