// Writes batches of usage events as Arrow IPC streams: what publishers send and what the gateway passes on.
// Invariants: a batch that is written reads back as the very events; the same events give the same bytes; columns are
// plain utf8, without dictionaries, so that streams with the same columns can be joined by concatenateStreams.

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
import { requiredColumns, type UsageColumnName, usageColumnNames } from './usage-batch-schema.js'

/** One usage event as a row: attributes as texts, `data` as JSON text. Absent is absent; specversion is always "1.0". */
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

type WrittenColumn = Exclude<UsageColumnName, 'specversion'>

const columnNames = usageColumnNames.filter((name): name is WrittenColumn => name !== 'specversion')
const required: ReadonlySet<string> = new Set(requiredColumns)
const utf8 = new Utf8()
/** Of one row, beside its texts: offsets and bits. */
const rowOverhead = columnNames.length * 5
/** Of one stream: its schema and the framing of one batch. */
const streamOverhead = 2_048

/** Collects rows; `finish` writes them and begins anew, keeping the memory. Optional columns are left out where unused. */
export class UsageBatchWriter {
  readonly #columns: Readonly<Record<WrittenColumn, NullableTexts>>
  #rows = 0
  #bytes = streamOverhead

  constructor() {
    const columns: Partial<Record<WrittenColumn, NullableTexts>> = {}
    for (const name of columnNames) columns[name] = new NullableTexts()
    this.#columns = columns as Record<WrittenColumn, NullableTexts>
  }

  get rows(): number {
    return this.#rows
  }

  /** What `finish` is going to give, at most. */
  get bytes(): number {
    return this.#bytes
  }

  add(row: UsageRow): void {
    this.#bytes += rowOverhead
    for (const name of columnNames) this.#bytes += this.#columns[name].append(row[name])
    this.#rows += 1
  }

  finish(): Uint8Array {
    const fields: Field[] = []
    const columns: Data[] = []
    for (const name of columnNames) {
      const column = this.#columns[name]
      if (!required.has(name) && column.nullCount === this.#rows) continue
      fields.push(new Field(name, utf8, !required.has(name)))
      columns.push(column.data())
    }
    const type = new Struct(fields)
    const data = makeData({ type, length: this.#rows, nullCount: 0, children: columns })
    const batch = new RecordBatch(new Schema(fields), data)
    const bytes = RecordBatchStreamWriter.writeAll([batch]).toUint8Array(true)
    for (const name of columnNames) this.#columns[name].clear()
    this.#rows = 0
    this.#bytes = streamOverhead
    return bytes
  }
}

/** Bytes that a row takes in a batch, at most. */
export function usageRowBytes(row: UsageRow): number {
  let bytes = rowOverhead
  for (const name of columnNames) bytes += Buffer.byteLength(row[name] ?? '')
  return bytes
}

/** The bytes of a batch of its own around a single row, beside the row. */
export const usageBatchOverheadBytes = streamOverhead

export function encodeUsageBatch(rows: readonly UsageRow[]): Uint8Array {
  const writer = new UsageBatchWriter()
  for (const row of rows) writer.add(row)
  return writer.finish()
}

/** A column that grows by one text at a time, as UTF-8. Its memory is kept from batch to batch. */
class NullableTexts {
  #bytes = Buffer.allocUnsafe(1_024)
  #offsets = new Int32Array(65)
  #bitmap = new Uint8Array(8)
  #length = 0
  nullCount = 0

  /** Returns the bytes of text that came to it. */
  append(text: string | undefined): number {
    const row = this.#length
    if (row + 1 === this.#offsets.length) this.#growRows()
    const from = this.#offsets[row]!
    let until = from
    if (text === undefined) this.nullCount += 1
    else {
      this.#bitmap[row >> 3] = this.#bitmap[row >> 3]! | (1 << (row & 7))
      if (from + text.length * 3 > this.#bytes.length) this.#growBytes(from + text.length * 3)
      until = from + this.#bytes.write(text, from, 'utf8')
    }
    this.#length = row + 1
    this.#offsets[row + 1] = until
    return until - from
  }

  data(): Data {
    const length = this.#length
    return makeData({
      type: utf8,
      length,
      nullCount: this.nullCount,
      nullBitmap: this.nullCount === 0 ? null : this.#bitmap.subarray(0, Math.ceil(length / 8)),
      valueOffsets: this.#offsets.subarray(0, length + 1),
      data: this.#bytes.subarray(0, this.#offsets[length]),
    })
  }

  clear(): void {
    this.#bitmap.fill(0)
    this.#length = 0
    this.nullCount = 0
  }

  #growRows(): void {
    const offsets = new Int32Array((this.#offsets.length - 1) * 2 + 1)
    offsets.set(this.#offsets)
    const bitmap = new Uint8Array(this.#bitmap.length * 2)
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
