// The columns of a usage batch, read row by row: plain texts, texts from a dictionary, timestamps, nulls.
// Invariants: offsets, indices and bitmaps are checked when a column is made, so that reading a row cannot
// fail; a text that is not UTF-8 harms its own row only.

import { isAscii, isUtf8 } from 'node:buffer'
import { formatInstant, msOf } from '../time.js'
import type { ArrowBlock, ArrowDictionary, ArrowNode } from './usage-batch-stream.js'
import { ArrowFault } from './usage-batch-stream.js'

/** Stands for bytes that are not UTF-8. */
export const unreadable: unique symbol = Symbol('unreadable')
/** Stands for an instant that RFC 3339 cannot write. */
export const unwritable: unique symbol = Symbol('unwritable')

/** Undefined: null, which means that the row does not have the attribute. */
export type TextValue = string | undefined | typeof unreadable | typeof unwritable

export interface TextValues {
  readonly length: number
  /** The approximate number of bytes of text in all rows. */
  readonly textBytes: number
  at(row: number): TextValue
}

/** Hands out the nodes and buffers of a block in the order of its columns. */
export class BlockCursor {
  readonly #block: ArrowBlock
  #node = 0
  #buffer = 0

  constructor(block: ArrowBlock) {
    this.#block = block
  }

  node(): ArrowNode {
    const node = this.#block.nodes[this.#node++]
    if (node === undefined) throw new ArrowFault('a batch has fewer columns than the schema')
    if (node.length !== this.#block.length) throw new ArrowFault('a column has another length than its batch')
    return node
  }

  buffer(leastBytes: number): Uint8Array {
    const buffer = this.#block.buffers[this.#buffer++]
    if (buffer === undefined || buffer.length < leastBytes) throw new ArrowFault('a column is cut off')
    return buffer
  }
}

/** The validity bitmap; undefined when every row has a value. */
function bitmapOf(cursor: BlockCursor, { length, nullCount }: ArrowNode): Uint8Array | undefined {
  const bitmap = cursor.buffer(nullCount > 0 ? Math.ceil(length / 8) : 0)
  return nullCount > 0 ? bitmap : undefined
}

function isNull(bitmap: Uint8Array | undefined, row: number): boolean {
  return bitmap !== undefined && ((bitmap[row >> 3]! >> (row & 7)) & 1) === 0
}

/** `checked`: each text must be checked separately, because not all of them are UTF-8. */
type TextCoding = 'ascii' | 'utf8' | 'checked'

/** A column whose texts lie one after another as bytes, which can be read without making strings. */
export class PlainTexts implements TextValues {
  readonly length: number
  readonly textBytes: number
  readonly bytes: Buffer
  /** The text of a row: `[offsets[row], offsets[row + 1])` of the bytes. */
  readonly offsets: Int32Array
  readonly coding: TextCoding
  readonly #bitmap: Uint8Array | undefined

  constructor(bytes: Buffer, offsets: Int32Array, bitmap: Uint8Array | undefined) {
    const used = bytes.subarray(offsets[0]!, offsets[offsets.length - 1]!)
    this.length = offsets.length - 1
    this.textBytes = used.length
    this.bytes = bytes
    this.offsets = offsets
    this.coding = isAscii(used) ? 'ascii' : isUtf8(used) && cutsWell(bytes, offsets) ? 'utf8' : 'checked'
    this.#bitmap = bitmap
  }

  get hasNulls(): boolean {
    return this.#bitmap !== undefined
  }

  isNull(row: number): boolean {
    return isNull(this.#bitmap, row)
  }

  at(row: number): TextValue {
    if (isNull(this.#bitmap, row)) return undefined
    const from = this.offsets[row]!
    const until = this.offsets[row + 1]!
    if (this.coding === 'ascii') return this.bytes.toString('latin1', from, until)
    if (this.coding === 'checked' && !isUtf8(this.bytes.subarray(from, until))) return unreadable
    return this.bytes.toString('utf8', from, until)
  }
}

export function textColumn(cursor: BlockCursor, offsetBytes: 4 | 8): PlainTexts {
  const node = cursor.node()
  const bitmap = bitmapOf(cursor, node)
  const { length } = node
  const offsets = offsetsOf(cursor.buffer(length === 0 ? 0 : (length + 1) * offsetBytes), length, offsetBytes)
  const body = cursor.buffer(offsets[length]!)
  return new PlainTexts(Buffer.from(body.buffer, body.byteOffset, body.byteLength), offsets, bitmap)
}

function offsetsOf(buffer: Uint8Array, length: number, offsetBytes: 4 | 8): Int32Array {
  const offsets = new Int32Array(length + 1)
  if (length === 0) return offsets
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
  let last = 0
  for (let i = 0; i <= length; i += 1) {
    const low = view.getUint32(i * offsetBytes, true)
    const offset = offsetBytes === 4 ? low : low + view.getUint32(i * 8 + 4, true) * 2 ** 32
    if (offset < last || offset > 0x7fff_ffff) throw new ArrowFault('the offsets of a column do not ascend')
    offsets[i] = offset
    last = offset
  }
  return offsets
}

/** Whether no offset lies inside a character. */
function cutsWell(bytes: Buffer, offsets: Int32Array): boolean {
  const end = offsets[offsets.length - 1]!
  for (const offset of offsets) if (offset < end && (bytes[offset]! & 0xc0) === 0x80) return false
  return true
}

/** The values of a dictionary; `texts` is the column that holds them, if it is only one. */
export interface DictionaryValues {
  readonly values: TextValue[]
  readonly texts: PlainTexts | undefined
}

/** A column whose rows refer to the values of a dictionary. */
export class DictionaryTexts implements TextValues {
  readonly length: number
  readonly textBytes: number
  readonly texts: PlainTexts | undefined
  /** By row, the index of its value in `texts`. */
  readonly indices: Uint32Array
  readonly #values: readonly TextValue[]
  readonly #bitmap: Uint8Array | undefined

  constructor(cursor: BlockCursor, { indexBytes, isSigned }: ArrowDictionary, dictionary: DictionaryValues) {
    const node = cursor.node()
    this.length = node.length
    this.texts = dictionary.texts
    this.indices = new Uint32Array(node.length)
    this.#values = dictionary.values
    this.#bitmap = bitmapOf(cursor, node)
    const buffer = cursor.buffer(node.length * indexBytes)
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    let textBytes = 0
    for (let row = 0; row < node.length; row += 1) {
      if (isNull(this.#bitmap, row)) continue
      const index = indexAt(view, row * indexBytes, indexBytes, isSigned)
      if (!(index < this.#values.length)) {
        throw new ArrowFault('a column refers to a value that its dictionary lacks')
      }
      this.indices[row] = index
      const value = this.#values[index]
      if (typeof value === 'string') textBytes += value.length
    }
    this.textBytes = textBytes
  }

  isNull(row: number): boolean {
    return isNull(this.#bitmap, row) || this.#values[this.indices[row]!] === undefined
  }

  at(row: number): TextValue {
    return isNull(this.#bitmap, row) ? undefined : this.#values[this.indices[row]!]
  }
}

/** Returns for a negative index one that is beyond every dictionary. */
function indexAt(view: DataView, at: number, bytes: 1 | 2 | 4 | 8, isSigned: boolean): number {
  const sign = isSigned ? view.getInt8(at + bytes - 1) : 0
  if (sign < 0) return Number.POSITIVE_INFINITY
  if (bytes === 1) return view.getUint8(at)
  if (bytes === 2) return view.getUint16(at, true)
  const low = view.getUint32(at, true)
  return bytes === 4 ? low : low + view.getUint32(at + 4, true) * 2 ** 32
}

/** A column of the type null: no row has a value. */
export class NullTexts implements TextValues {
  readonly length: number
  readonly textBytes = 0

  constructor(length: number) {
    this.length = length
  }

  at(): undefined {
    return undefined
  }
}

/** A column of instants; a row is the RFC 3339 text of its instant. */
export class TimestampTexts implements TextValues {
  readonly length: number
  readonly textBytes: number
  readonly #bitmap: Uint8Array | undefined
  readonly #view: DataView
  readonly #unitNs: bigint

  /** `unit`: 0 second, 1 millisecond, 2 microsecond, 3 nanosecond. */
  constructor(cursor: BlockCursor, unit: 0 | 1 | 2 | 3) {
    const node = cursor.node()
    this.length = node.length
    this.textBytes = node.length * '2026-01-01T00:00:00.000Z'.length
    this.#bitmap = bitmapOf(cursor, node)
    const buffer = cursor.buffer(node.length * 8)
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    this.#unitNs = 1_000n ** BigInt(3 - unit)
  }

  at(row: number): TextValue {
    if (isNull(this.#bitmap, row)) return undefined
    return instantText(this.#view.getBigInt64(row * 8, true) * this.#unitNs)
  }
}

/** The end of the year 9999; RFC 3339 cannot write later instants. */
const writableUntilMs = Date.UTC(10_000, 0, 1)
/** The start of the year 0. */
const writableFromMs = -62_167_219_200_000

function instantText(instantNs: bigint): TextValue {
  const ms = msOf(instantNs)
  return ms >= writableFromMs && ms < writableUntilMs ? formatInstant(instantNs) : unwritable
}
