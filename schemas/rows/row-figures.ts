// Control figures of a table's rows: their number, the exact sums of their decimals and counts, and a
// checksum over every column of every row, independent of row order. They are computed here from the Arrow
// streams for the ledger, and by ClickHouse in SQL from its rows (sinks/clickhouse/row-figures.ts): a row
// that was lost, doubled, added or changed makes both differ.
//
// Invariants:
// 1. A figure of several streams is the sum of their figures, modulo 2^64 for the checksum.
// 2. A row's word mixes all its columns before it is added, so values swapped between rows change the
//    checksum.
// 3. A null differs from every value, and different texts differ unless their hashes collide (1 in 2^32).
// The trick: each column is one loop over its memory, and each value of a dictionary is hashed once.

import { type Data, RecordBatchReader } from 'apache-arrow'
import type { Column, TableDescription } from '../table-description.js'
import { tables } from '../tables.js'
import { murmur3 } from '../word-murmur.js'

export interface RowFigures {
  readonly rows: number
  /** Modulo 2^64, as decimal text. */
  readonly checksum: string
  /** Sums that are not 0, by column, of decimals and of added-up counts: scaled integers as decimal text. */
  readonly sums: Readonly<Record<string, string>>
}

/** Figures by table. */
export type TableFigures = Readonly<Record<string, RowFigures>>

/** The word of a null. */
export const nullWord = 0x9e3779b9
/** The word of a map's entry is (key or 1) × (value xor this). */
export const mapValueWord = 0x85ebca6b

/** Two odd factors per column: for a value's low and high words, or (the first) for its only word. */
export function columnFactors(index: number): readonly [number, number] {
  return [Math.imul(index * 2 + 1, 0x9e3779b1) >>> 0, Math.imul(index * 2 + 3, 0x85ebca77) >>> 0]
}

/** The columns whose sums are kept. */
export function summedColumns(table: TableDescription<unknown>): readonly Column[] {
  return table.columns.filter(({ kind }) => kind === 'decimal' || kind === 'int8' || kind === 'int64')
}

/** The figures of the streams of one commit; streams that belong to no table are left out. */
export function figuresOfOutputs(
  outputs: readonly { readonly table: string; readonly bytes: Uint8Array }[],
): TableFigures {
  const all: Record<string, RowFigures> = {}
  for (const { table: name, bytes } of outputs) {
    const table = tables.find(one => one.name === name)
    if (table !== undefined) all[name] = addFigures(all[name] ?? noFigures, figuresOfStream(table, bytes))
  }
  return all
}

/** The figures of one Arrow stream of the table. */
export function figuresOfStream(table: TableDescription<unknown>, bytes: Uint8Array): RowFigures {
  let figures = noFigures
  for (const batch of RecordBatchReader.from(bytes)) {
    const columns = batch.data.children
    const words = new Int32Array(batch.numRows)
    let same = 0 // the sum that columns with one value add to every row
    const sums: Record<string, bigint> = {}
    table.columns.forEach((column, index) => {
      const data = columns[index]!
      const [low, high] = columnFactors(index)
      if (isConstant(data)) same = (same + constantOf(column, data, low, high)) | 0
      else addColumn(words, column, data, low, high)
      if (isSummed(column)) sums[column.name] = sumOf(data)
    })
    figures = addFigures(figures, rowFigures(batch.numRows, checksumOf(words, same), sums))
  }
  return figures
}

export const noFigures: RowFigures = { rows: 0, checksum: '0', sums: {} }

/** Builds figures; nothing else does, so that equal figures are equal texts. */
export function rowFigures(
  rows: number,
  checksum: bigint,
  sums: Readonly<Record<string, bigint>>,
): RowFigures {
  const kept = Object.entries(sums).filter(([, sum]) => sum !== 0n)
  return {
    rows,
    checksum: String(BigInt.asUintN(64, checksum)),
    sums: Object.fromEntries(kept.map(([name, sum]) => [name, String(sum)])),
  }
}

export function addFigures(a: RowFigures, b: RowFigures): RowFigures {
  return combined(a, b, 1n)
}

/** The figures of `whole` minus those of `part`. */
export function subtractFigures(whole: RowFigures, part: RowFigures): RowFigures {
  return combined(whole, part, -1n)
}

function combined(a: RowFigures, b: RowFigures, sign: 1n | -1n): RowFigures {
  const names = new Set([...Object.keys(a.sums), ...Object.keys(b.sums)])
  const sums: Record<string, bigint> = {}
  for (const name of [...names].sort())
    sums[name] = BigInt(a.sums[name] ?? 0) + sign * BigInt(b.sums[name] ?? 0)
  const checksum = BigInt(a.checksum) + sign * BigInt(b.checksum)
  return rowFigures(a.rows + Number(sign) * b.rows, checksum, sums)
}

export function isSame(a: RowFigures, b: RowFigures): boolean {
  const difference = subtractFigures(a, b)
  return difference.rows === 0 && difference.checksum === '0' && Object.keys(difference.sums).length === 0
}

export function addTableFigures(a: TableFigures, b: TableFigures): TableFigures {
  const all: Record<string, RowFigures> = { ...a }
  for (const [table, figures] of Object.entries(b)) all[table] = addFigures(all[table] ?? noFigures, figures)
  return all
}

function isSummed({ kind }: Column): boolean {
  return kind === 'decimal' || kind === 'int8' || kind === 'int64'
}

function checksumOf(words: Int32Array, same: number): bigint {
  let sum = 0 // exact up to 2^21 rows, which no message has
  for (let i = 0; i < words.length; i += 1) sum += mix((words[i]! + same) | 0)
  return BigInt(sum)
}

/** The last steps of MurmurHash3. */
function mix(word: number): number {
  let x = word ^ (word >>> 16)
  x = Math.imul(x, 0x85ebca6b)
  x ^= x >>> 13
  x = Math.imul(x, 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

function isConstant(data: Data): boolean {
  return data.dictionary?.length === 1 && data.dictionary.data.length === 1
}

function constantOf(column: Column, data: Data, low: number, high: number): number {
  const word = new Int32Array(1)
  addPlain(word, column, data.dictionary!.data[0] as Data, low, high)
  return word[0]!
}

/** Adds the column's part to the word of each row. */
function addColumn(words: Int32Array, column: Column, data: Data, low: number, high: number): void {
  if (data.dictionary !== undefined && data.dictionary !== null && column.kind !== 'map') {
    const values = new Int32Array(data.dictionary.length)
    let at = 0
    for (const part of data.dictionary.data) {
      const of = new Int32Array(part.length)
      addPlain(of, column, part as Data, low, high)
      values.set(of, at)
      at += part.length
    }
    const codes = data.values as Uint16Array
    for (let i = 0; i < words.length; i += 1) words[i] = words[i]! + values[codes[i]!]!
  } else addPlain(words, column, data, low, high)
}

function addPlain(words: Int32Array, { kind }: Column, data: Data, low: number, high: number): void {
  switch (kind) {
    case 'string':
    case 'low_cardinality':
      addTexts(words, data, low)
      break
    case 'map':
      addMaps(words, data, low)
      break
    case 'decimal':
      addWords(words, words32(data), 4, low, high)
      break
    case 'uint32':
    case 'date':
    case 'int8':
      addWords(words, data.values as Int32Array, 1, low, high)
      break
    default:
      if (data.nullCount > 0) addNullable(words, data, low, high)
      else addWords(words, words32(data), 2, low, high)
  }
}

/** Adds numbers of 1, 2 or 4 words: even words times `low`, odd ones times `high`, the upper half rotated. */
function addWords(
  words: Int32Array,
  values: Int32Array | Uint32Array | Int8Array,
  width: number,
  low: number,
  high: number,
): void {
  for (let i = 0, at = 0; i < words.length; i += 1, at += width) {
    let word = Math.imul(values[at]!, low)
    if (width > 1) word += Math.imul(values[at + 1]!, high)
    if (width > 2) word += Math.imul(values[at + 2]!, low + 2) + Math.imul(values[at + 3]!, high + 2)
    words[i] = words[i]! + word
  }
}

function addNullable(words: Int32Array, data: Data, low: number, high: number): void {
  const values = words32(data)
  for (let i = 0; i < words.length; i += 1) {
    const word = data.getValid(i)
      ? Math.imul(values[i * 2]!, low) + Math.imul(values[i * 2 + 1]!, high)
      : Math.imul(nullWord, low)
    words[i] = words[i]! + word
  }
}

function addTexts(words: Int32Array, data: Data, factor: number): void {
  const offsets = data.valueOffsets as Int32Array
  if (offsets[0] === offsets[words.length]) return
  const bytes = data.values as Uint8Array
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let i = 0; i < words.length; i += 1) {
    const from = offsets[i]!
    const until = offsets[i + 1]!
    if (from !== until) words[i] = words[i]! + Math.imul(murmur3(view, from, until), factor)
  }
}

function addMaps(words: Int32Array, data: Data, factor: number): void {
  const offsets = data.valueOffsets as Int32Array
  if (offsets[0] === offsets[words.length]) return
  const entries = data.children[0]!
  const keys = textWords(entries.children[0]!)
  const values = textWords(entries.children[1]!)
  for (let i = 0; i < words.length; i += 1) {
    let sum = 0
    for (let at = offsets[i]!; at < offsets[i + 1]!; at += 1)
      sum += Math.imul(keys[at]! | 1, values[at]! ^ mapValueWord)
    words[i] = words[i]! + Math.imul(sum, factor)
  }
}

/** The hash of each text of a plain or coded column. */
function textWords(data: Data): Int32Array {
  const words = new Int32Array(data.length)
  addColumn(words, textColumn, data, 1, 1)
  return words
}

const textColumn: Column = { name: '', kind: 'string', field: '' }

function words32(data: Data): Int32Array {
  const { buffer, byteOffset, byteLength } = data.values as Uint8Array
  return new Int32Array(buffer, byteOffset, byteLength / 4)
}

/** The exact sum of a decimal or a whole number. */
function sumOf(data: Data): bigint {
  if (data.dictionary !== undefined && data.dictionary !== null) return sumOfCodes(data)
  if (data.values instanceof Int8Array) return BigInt(data.values.reduce((sum, value) => sum + value, 0))
  const values = data.values as BigInt64Array | Uint32Array
  const words = new Uint32Array(values.buffer, values.byteOffset, values.byteLength / 4)
  return words.length === data.length * 4 ? sumOfDecimals(words) : sumOfLongs(words)
}

/** Sums each of the four words separately, as doubles, which are exact up to 2^21 rows. */
function sumOfDecimals(words: Uint32Array): bigint {
  let [first, second, third, fourth] = [0, 0, 0, 0]
  for (let at = 0; at < words.length; at += 4) {
    first += words[at]!
    second += words[at + 1]!
    third += words[at + 2]!
    fourth += words[at + 3]! | 0
  }
  return (((BigInt(fourth) << 32n) + BigInt(third)) << 64n) + (BigInt(second) << 32n) + BigInt(first)
}

function sumOfLongs(words: Uint32Array): bigint {
  let [low, high] = [0, 0]
  for (let at = 0; at < words.length; at += 2) {
    low += words[at]!
    high += words[at + 1]! | 0
  }
  return (BigInt(high) << 32n) + BigInt(low)
}

function sumOfCodes(data: Data): bigint {
  const codes = data.values as Uint16Array
  const counts = new Int32Array(data.dictionary!.length)
  for (let i = 0; i < data.length; i += 1) counts[codes[i]!]! += 1
  let sum = 0n
  counts.forEach((count, code) => {
    sum += BigInt(count) * BigInt(data.dictionary!.get(code) as number)
  })
  return sum
}
