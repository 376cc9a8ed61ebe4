// Writes usage batches as Arrow IPC streams; publishers send them and the gateway passes them on.
// Invariants: a written usage batch reads back as the same events; the same events give the same bytes;
// columns are plain utf8, without dictionaries, so that joinStreams can join streams with the same columns.

import {
  type Data,
  Field,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Utf8,
} from 'apache-arrow'
import { requiredColumns, type UsageColumnName } from './usage-batch-schema.js'

/** One usage event: attributes as texts, `data` as JSON text, or undefined. specversion is always "1.0". */
export interface UsageRow {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly time?: string | undefined
  readonly subscriptionid?: string | undefined
  readonly correlationid?: string | undefined
  readonly traceparent?: string | undefined
  readonly data: string
}

type WrittenColumn = Exclude<UsageColumnName, 'specversion' | 'datacontenttype'>

const columnNames: readonly WrittenColumn[] = [
  'id',
  'source',
  'type',
  'subject',
  'time',
  'subscriptionid',
  'correlationid',
  'traceparent',
  'data',
]
const required: ReadonlySet<string> = new Set<UsageColumnName>([...requiredColumns, 'data'])
const utf8 = new Utf8()
/** Bytes of one row beside its texts: offsets and validity bits. */
const rowOverhead = columnNames.length * 5
/** Bytes of one stream beside its rows: its schema and the framing of one record batch. */
const streamOverhead = 2_048

/** Collects rows; `finish` writes them and keeps the memory. Unused optional columns are left out. */
export class UsageBatchWriter {
  /** In the order of `columnNames`. */
  readonly #columns: readonly NullableTexts[] = columnNames.map(() => new NullableTexts())
  #rows = 0
  #bytes = streamOverhead

  get rows(): number {
    return this.#rows
  }

  /** The most bytes that `finish` will return. */
  get bytes(): number {
    return this.#bytes
  }

  add(row: UsageRow): void {
    // Attributes are read by literal names: a variable name would be looked up for every row.
    const columns = this.#columns
    let bytes = rowOverhead
    bytes += columns[0]!.append(row.id)
    bytes += columns[1]!.append(row.source)
    bytes += columns[2]!.append(row.type)
    bytes += columns[3]!.append(row.subject)
    bytes += columns[4]!.append(row.time)
    bytes += columns[5]!.append(row.subscriptionid)
    bytes += columns[6]!.append(row.correlationid)
    bytes += columns[7]!.append(row.traceparent)
    bytes += columns[8]!.append(row.data)
    this.#bytes += bytes
    this.#rows += 1
  }

  finish(): Uint8Array {
    const fields: Field[] = []
    const columns: Data[] = []
    for (const [index, name] of columnNames.entries()) {
      const column = this.#columns[index]!
      if (!required.has(name) && column.nullCount === this.#rows) continue
      fields.push(new Field(name, utf8, !required.has(name)))
      columns.push(column.data())
    }
    const type = new Struct(fields)
    const data = makeData({ type, length: this.#rows, nullCount: 0, children: columns })
    const batch = new RecordBatch(new Schema(fields), data)
    const bytes = RecordBatchStreamWriter.writeAll([batch]).toUint8Array(true)
    for (const column of this.#columns) column.clear()
    this.#rows = 0
    this.#bytes = streamOverhead
    return bytes
  }
}

/** The most bytes that a row takes in a usage batch. */
export function usageRowBytes(row: UsageRow): number {
  const names = byteLength(row.id) + byteLength(row.source) + byteLength(row.type) + byteLength(row.subject)
  const carried = byteLength(row.subscriptionid) + byteLength(row.correlationid) + byteLength(row.traceparent)
  return rowOverhead + names + byteLength(row.time) + carried + byteLength(row.data)
}

function byteLength(text: string | undefined): number {
  if (text === undefined) return 0
  const { length } = text
  if (length > longText) return Buffer.byteLength(text)
  for (let i = 0; i < length; i += 1) if (text.charCodeAt(i) > 127) return Buffer.byteLength(text)
  return length
}

/** The bytes of a usage batch beside its rows. */
export const usageBatchOverheadBytes = streamOverhead

export function encodeUsageBatch(rows: readonly UsageRow[]): Uint8Array {
  const writer = new UsageBatchWriter()
  for (const row of rows) writer.add(row)
  return writer.finish()
}

/** From this many characters on, a call out of JavaScript is cheaper than a loop. */
const longText = 64

/**
 * A column that grows by one UTF-8 text at a time and keeps its memory for the next usage batch. The trick: a
 * column without text only counts rows, and a loop writes a short ASCII text.
 */
class NullableTexts {
  #bytes = Buffer.allocUnsafe(1_024)
  #offsets = new Int32Array(65)
  #bitmap = new Uint8Array(8)
  /** Rows that have an offset and a bit; before the first text there are none. */
  #written = 0
  #length = 0
  nullCount = 0

  /** Returns the number of bytes of text that were added. */
  append(text: string | undefined): number {
    this.#length += 1
    if (text === undefined) {
      this.nullCount += 1
      return 0
    }
    const row = this.#length - 1
    if (row >= this.#offsets.length - 1) this.#growRows(row)
    const from = this.#passNulls(row)
    this.#bitmap[row >> 3] = this.#bitmap[row >> 3]! | (1 << (row & 7))
    if (from + text.length * 3 > this.#bytes.length) this.#growBytes(from + text.length * 3)
    const until = from + this.#write(text, from)
    this.#offsets[row + 1] = until
    this.#written = row + 1
    return until - from
  }

  data(): Data {
    const length = this.#length
    if (length >= this.#offsets.length) this.#growRows(length)
    const end = this.#passNulls(length)
    return makeData({
      type: utf8,
      length,
      nullCount: this.nullCount,
      nullBitmap: this.nullCount === 0 ? null : this.#bitmap.subarray(0, Math.ceil(length / 8)),
      valueOffsets: this.#offsets.subarray(0, length + 1),
      data: this.#bytes.subarray(0, end),
    })
  }

  clear(): void {
    this.#bitmap.fill(0)
    this.#written = 0
    this.#length = 0
    this.nullCount = 0
  }

  /** Writes the offsets of the rows without text before this row; returns where the next text begins. */
  #passNulls(row: number): number {
    const end = this.#offsets[this.#written]!
    for (; this.#written < row; this.#written += 1) this.#offsets[this.#written + 1] = end
    return end
  }

  /** Returns the number of bytes written. */
  #write(text: string, from: number): number {
    const bytes = this.#bytes
    const { length } = text
    if (length > longText) return bytes.write(text, from, 'utf8')
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i)
      if (code > 127) return bytes.write(text, from, 'utf8')
      bytes[from + i] = code
    }
    return length
  }

  #growRows(atLeast: number): void {
    let rows = (this.#offsets.length - 1) * 2
    while (rows <= atLeast) rows *= 2
    const offsets = new Int32Array(rows + 1)
    offsets.set(this.#offsets)
    const bitmap = new Uint8Array(rows / 8)
    bitmap.set(this.#bitmap)
    this.#offsets = offsets
    this.#bitmap = bitmap
  }

  #growBytes(atLeast: number): void {
    const bytes = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, atLeast))
    this.#bytes.copy(bytes)
    this.#bytes = bytes
  }
}
