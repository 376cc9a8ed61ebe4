// Encodes rows as Arrow IPC streams, which go from the core through the ledger into ClickHouse unchanged.
// Invariants: one schema per table and no dictionaries, so that streams of one table can be joined without
// decoding; decimals are the scaled integers themselves; text is UTF-8.
// The trick: each column is written at once into a typed array, with no object and no builder call per value.

import {
  type Data,
  type DateDay,
  type Decimal,
  type Int8,
  type Int64,
  type Map_,
  makeData,
  type TimestampNanosecond,
  type Uint32,
  type Utf8,
} from 'apache-arrow'
import type { Column, TableDescription } from '../table-description.js'
import { highWord } from './arrow-columns.js'
import { arrowTypes, encodeBatch, mapEntries, utf8 } from './arrow-schema.js'

type Row = Readonly<Record<string, unknown>>

const msPerDay = 86_400_000
const twoTo32 = 2 ** 32

/** One Arrow IPC stream with the rows as one record batch. */
export function encodeRows<R>(table: TableDescription<R>, rows: readonly R[]): Uint8Array {
  const values = rows as readonly Row[]
  const columns = table.columns.map(column => encodeColumn(column, values))
  return encodeBatch(table, columns, rows.length)
}

function encodeColumn(column: Column, rows: readonly Row[]): Data {
  const { field, kind } = column
  const length = rows.length
  const type = arrowTypes[kind]
  const values = rows.map(row => row[field])
  switch (kind) {
    case 'string':
    case 'low_cardinality':
      return encodeStrings(values as string[])
    case 'instant_ms':
    case 'uint64':
    case 'int64':
      return makeData({
        type: type as Int64,
        length,
        nullCount: 0,
        data: words64(values as number[]) as never,
      })
    case 'instant_ns':
      return makeData({
        type: type as TimestampNanosecond,
        length,
        nullCount: 0,
        data: BigInt64Array.from(values as bigint[]) as never,
      })
    case 'nullable_instant_ns':
      return encodeNullableInstants(values as (bigint | undefined)[])
    case 'date':
      return makeData({ type: type as DateDay, length, nullCount: 0, data: days(values as string[]) })
    case 'decimal':
      return makeData({ type: type as Decimal, length, nullCount: 0, data: words128(values as bigint[]) })
    case 'uint32':
      return makeData({
        type: type as Uint32,
        length,
        nullCount: 0,
        data: Uint32Array.from(values as number[]),
      })
    case 'int8':
      return makeData({ type: type as Int8, length, nullCount: 0, data: Int8Array.from(values as number[]) })
    case 'map':
      return encodeMaps(values as ReadonlyMap<string, string>[])
    default:
      return kind satisfies never
  }
}

/** Safe integers as two 32-bit words each, which avoids a BigInt per value. */
function words64(values: readonly number[]): BigInt64Array {
  const words = new Uint32Array(values.length * 2)
  for (let i = 0; i < values.length; i += 1) writeWord64(words, i, values[i]!)
  return new BigInt64Array(words.buffer)
}

function writeWord64(words: Uint32Array, at: number, value: number): void {
  words[at * 2] = value
  words[at * 2 + 1] = Math.floor(value / twoTo32)
}

function encodeNullableInstants(values: readonly (bigint | undefined)[]): Data {
  const length = values.length
  const words = new BigInt64Array(length)
  const nullBitmap = new Uint8Array((length + 7) >> 3)
  let nullCount = 0
  for (let i = 0; i < length; i += 1) {
    const value = values[i]
    if (value === undefined) nullCount += 1
    else {
      words[i] = value
      nullBitmap[i >> 3]! |= 1 << (i & 7)
    }
  }
  const type = arrowTypes.nullable_instant_ns as TimestampNanosecond
  return makeData({ type, length, nullCount, nullBitmap, data: words as never })
}

function days(values: readonly string[]): Int32Array {
  return Int32Array.from(values, value => {
    const instantMs = Date.parse(`${value}T00:00:00Z`)
    if (Number.isNaN(instantMs)) throw new Error(`not a date: ${value}`)
    return instantMs / msPerDay
  })
}

/** 128-bit two's complement: a BigInt64Array stores the low 64 bits of a bigint. */
function words128(values: readonly bigint[]): Uint32Array {
  const words = new BigInt64Array(values.length * 2)
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!
    words[i * 2] = value
    words[i * 2 + 1] = BigInt.asIntN(64, value) === value ? (value < 0n ? -1n : 0n) : highWord(value)
  }
  return new Uint32Array(words.buffer)
}

const encoder = new TextEncoder()

/** One encoding call for a whole column of ASCII, which is the usual case; one fill for a constant column. */
function encodeStrings(values: readonly string[]): Data<Utf8> {
  const length = values.length
  const valueOffsets = new Int32Array(length + 1)
  const first = values[0] ?? ''
  let isConstant = true
  let total = 0
  for (let i = 0; i < length; i += 1) {
    const value = values[i]!
    total += value.length
    valueOffsets[i + 1] = total
    if (isConstant && value !== first) isConstant = false
  }
  const data = new Uint8Array(total)
  const { read, written } = encoder.encodeInto(isConstant ? first : values.join(''), data)
  if (read === written && written === (isConstant ? first.length : total)) {
    // Copies the bytes already written, twice as many each time, so a constant column costs little.
    for (let filled = written; filled < total && filled > 0; filled *= 2) data.copyWithin(filled, 0, filled)
    return makeData({ type: utf8, length, nullCount: 0, valueOffsets, data })
  }
  // Encoded one by one: if joined, halves of two broken surrogate pairs could form a valid pair.
  const parts = values.map(value => Buffer.from(value, 'utf8'))
  parts.forEach((part, i) => {
    valueOffsets[i + 1] = valueOffsets[i]! + part.length
  })
  return makeData({ type: utf8, length, nullCount: 0, valueOffsets, data: Buffer.concat(parts) })
}

function encodeMaps(maps: readonly ReadonlyMap<string, string>[]): Data {
  const valueOffsets = new Int32Array(maps.length + 1)
  const keys: string[] = []
  const values: string[] = []
  for (let i = 0; i < maps.length; i += 1) {
    for (const [key, value] of maps[i]!) {
      keys.push(key)
      values.push(value)
    }
    valueOffsets[i + 1] = keys.length
  }
  const child = makeData({
    type: mapEntries,
    length: keys.length,
    nullCount: 0,
    children: [encodeStrings(keys), encodeStrings(values)],
  })
  return makeData({ type: arrowTypes.map as Map_, length: maps.length, nullCount: 0, valueOffsets, child })
}
