// Writes one Arrow IPC stream by hand: a schema message made once per table, dictionaries, one record batch.
// Invariants: a buffer that several columns share is written once, and all of them point at it; every body
// and buffer begins at a multiple of 8 bytes; every byte is written, so reused memory gives the same stream.
// The trick: the metadata of a record batch has a fixed layout for a given number of nodes and buffers, so it
// is written field by field at known offsets, and each column's bytes are copied once, into the stream
// itself.
// Format:
// https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc, tables
// Message, RecordBatch and DictionaryBatch of Message.fbs.

const dictionaryBatchHeader = 2
const recordBatchHeader = 3
const metadataV5 = 4
/** Before each message: the continuation mark and the size of its metadata. */
const prefixBytes = 8
const endOfStreamBytes = 8
/** Nodes and buffers are pairs of 64-bit numbers. */
const pairBytes = 16
const noBytes = new Uint8Array()

interface Placed {
  readonly bytes: Uint8Array
  /** Offset in the body. */
  readonly at: number
}

/** The nodes and buffers of a record batch, in the order of its schema's columns. */
export class IpcBatch {
  readonly length: number
  readonly #nodeLengths: number[] = []
  readonly #buffers: Uint8Array[] = []
  readonly #offsets: number[] = []
  readonly #placed: Placed[] = []
  readonly #lastOf = new Map<ArrayBufferLike, Placed>()
  #bodyBytes = 0

  constructor(length: number) {
    this.length = length
  }

  /** Adds the node of an array of `length` values without nulls. */
  node(length: number): void {
    this.#nodeLengths.push(length)
    this.buffer(noBytes)
  }

  buffer(values: ArrayBufferView): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    this.#buffers.push(bytes)
    const same = this.#lastOf.get(values.buffer)
    if (same?.bytes.byteOffset === bytes.byteOffset && same.bytes.length === bytes.length) {
      this.#offsets.push(same.at)
      return
    }
    const placed = { bytes, at: this.#bodyBytes }
    this.#placed.push(placed)
    this.#lastOf.set(values.buffer, placed)
    this.#offsets.push(placed.at)
    this.#bodyBytes += padded(bytes.length)
  }

  messageBytes(isDictionary: boolean): number {
    return prefixBytes + this.#metadataBytes(isDictionary) + this.#bodyBytes
  }

  /** Writes the message; returns where the next one begins. */
  write(into: Uint8Array, at: number, dictionaryId: number | undefined): number {
    const metadataBytes = this.#metadataBytes(dictionaryId !== undefined)
    const view = new DataView(into.buffer, into.byteOffset + at, prefixBytes + metadataBytes)
    into.fill(0, at, at + prefixBytes + metadataBytes)
    view.setUint32(0, 0xffffffff, true)
    view.setInt32(4, metadataBytes, true)
    this.#writeMetadata(
      new DataView(into.buffer, into.byteOffset + at + prefixBytes, metadataBytes),
      dictionaryId,
    )
    const body = at + prefixBytes + metadataBytes
    for (const { bytes, at: offset } of this.#placed) {
      into.set(bytes, body + offset)
      const end = offset + bytes.length
      into.fill(0, body + end, body + padded(end))
    }
    return body + this.#bodyBytes
  }

  #metadataBytes(isDictionary: boolean): number {
    return (isDictionary ? 112 : 80) + pairBytes * (this.#nodeLengths.length + this.#buffers.length)
  }

  /** Writes a flatbuffer: vtables come before their tables, and an offset counts from where it is stored. */
  #writeMetadata(view: DataView, dictionaryId: number | undefined): void {
    view.setUint32(0, 16, true)
    // Message: version, header_type, header, bodyLength.
    writeVtable(view, 4, 20, [16, 18, 4, 8])
    view.setInt32(16, 12, true)
    view.setUint32(20, 48 - 20, true)
    view.setBigInt64(24, BigInt(this.#bodyBytes), true)
    view.setInt16(32, metadataV5, true)
    view.setUint8(34, dictionaryId === undefined ? recordBatchHeader : dictionaryBatchHeader)
    if (dictionaryId === undefined) this.#writeRecordBatch(view, 36, 48)
    else {
      // DictionaryBatch: id, data.
      writeVtable(view, 36, 16, [8, 4])
      view.setInt32(48, 12, true)
      view.setUint32(52, 80 - 52, true)
      view.setBigInt64(56, BigInt(dictionaryId), true)
      this.#writeRecordBatch(view, 64, 80)
    }
  }

  #writeRecordBatch(view: DataView, vtable: number, table: number): void {
    const nodes = table + 20
    const buffers = nodes + 8 + pairBytes * this.#nodeLengths.length
    // RecordBatch: length, nodes, buffers.
    writeVtable(view, vtable, 20, [8, 4, 16])
    view.setInt32(table, table - vtable, true)
    view.setUint32(table + 4, nodes - (table + 4), true)
    view.setBigInt64(table + 8, BigInt(this.length), true)
    view.setUint32(table + 16, buffers - (table + 16), true)
    view.setUint32(nodes, this.#nodeLengths.length, true)
    this.#nodeLengths.forEach((length, i) => {
      view.setBigInt64(nodes + 4 + i * pairBytes, BigInt(length), true)
    })
    view.setUint32(buffers, this.#buffers.length, true)
    this.#buffers.forEach((bytes, i) => {
      view.setBigInt64(buffers + 4 + i * pairBytes, BigInt(this.#offsets[i]!), true)
      view.setBigInt64(buffers + 12 + i * pairBytes, BigInt(bytes.length), true)
    })
  }
}

/** The dictionary to which a schema refers by id: the values of its codes. */
export interface IpcDictionary {
  readonly id: number
  readonly texts: IpcBatch
}

/** Returns `length` bytes to write into; they may hold old content. */
export type TakeMemory = (length: number) => Uint8Array

const ownMemory: TakeMemory = length => new Uint8Array(length)

/** `schema` is the message of the schema, prefix included. */
export function ipcStream(
  schema: Uint8Array,
  dictionaries: readonly IpcDictionary[],
  batch: IpcBatch,
  memory = ownMemory,
): Uint8Array {
  let size = schema.length + batch.messageBytes(false) + endOfStreamBytes
  for (const { texts } of dictionaries) size += texts.messageBytes(true)
  const stream = memory(size)
  stream.set(schema)
  let at = schema.length
  for (const { id, texts } of dictionaries) at = texts.write(stream, at, id)
  at = batch.write(stream, at, undefined)
  stream.fill(0xff, at, at + 4)
  stream.fill(0, at + 4, at + 8)
  return stream
}

function writeVtable(view: DataView, at: number, tableBytes: number, fields: readonly number[]): void {
  view.setUint16(at, 4 + fields.length * 2, true)
  view.setUint16(at + 2, tableBytes, true)
  fields.forEach((offset, i) => {
    view.setUint16(at + 4 + i * 2, offset, true)
  })
}

function padded(length: number): number {
  return (length + 7) & ~7
}
