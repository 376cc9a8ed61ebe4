// A record batch or a dictionary of an Arrow stream, and what all its columns have in common: nodes and buffers one after
// another, validity bitmaps, indices into a dictionary.
// Invariant: a buffer is as long as its column needs before it is read.

import { ArrowFault } from './usage-batch-fault.js'
import type { ArrowDictionary } from './usage-batch-fields.js'

export interface ArrowNode {
  readonly length: number
  readonly nullCount: number
}

/** The nodes of the columns one after another, and their buffers likewise. */
export interface ArrowBlock {
  readonly length: number
  readonly nodes: readonly ArrowNode[]
  readonly buffers: readonly Uint8Array[]
  /** For each column of views, how many buffers of text it has. */
  readonly variadicCounts: readonly number[]
}

/** Hands out the nodes and buffers of a block in the order of its columns. */
export class BlockCursor {
  readonly #block: ArrowBlock
  #node = 0
  #buffer = 0
  #variadic = 0

  constructor(block: ArrowBlock) {
    this.#block = block
  }

  node(): ArrowNode {
    const node = this.#block.nodes[this.#node++]
    if (node === undefined) throw new ArrowFault('a batch has fewer columns than the schema')
    return node
  }

  buffer(leastBytes: number): Uint8Array {
    const buffer = this.#block.buffers[this.#buffer++]
    if (buffer === undefined || buffer.length < leastBytes) throw new ArrowFault('a column is cut off')
    return buffer
  }

  /** A buffer of values of the same size, for reading. */
  values(leastBytes: number): DataView {
    const { buffer, byteOffset, byteLength } = this.buffer(leastBytes)
    return new DataView(buffer, byteOffset, byteLength)
  }

  variadicBuffers(): readonly Uint8Array[] {
    const count = this.#block.variadicCounts[this.#variadic++]
    if (count === undefined) throw new ArrowFault('a column is cut off')
    const from = this.#buffer
    this.#buffer += count
    if (this.#buffer > this.#block.buffers.length) throw new ArrowFault('a column is cut off')
    return this.#block.buffers.slice(from, this.#buffer)
  }
}

/** A validity bitmap; undefined when every row has a value. */
export type Validity = Uint8Array | undefined

export function validityOf(cursor: BlockCursor, { length, nullCount }: ArrowNode): Validity {
  const bitmap = cursor.buffer(nullCount > 0 ? Math.ceil(length / 8) : 0)
  return nullCount > 0 ? bitmap : undefined
}

export function isNull(validity: Validity, row: number): boolean {
  return validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0
}

/** Where each of `length` rows begins, and at the end where the last one ends. */
export function offsetsOf(cursor: BlockCursor, length: number, offsetBytes: 4 | 8): Int32Array {
  const view = cursor.values(length === 0 ? 0 : (length + 1) * offsetBytes)
  const offsets = new Int32Array(length + 1)
  if (length === 0) return offsets
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

/** By row, the index of its value in a dictionary of `size` values; 0 for a row without a value. */
export interface DictionaryRows {
  readonly length: number
  readonly indices: Uint32Array
  readonly validity: Validity
}

export function dictionaryRows(
  cursor: BlockCursor,
  { indexBytes, isSigned }: ArrowDictionary,
  size: number,
): DictionaryRows {
  const node = cursor.node()
  const { length } = node
  const validity = validityOf(cursor, node)
  const view = cursor.values(length * indexBytes)
  const indices = new Uint32Array(length)
  for (let row = 0; row < length; row += 1) {
    if (isNull(validity, row)) continue
    const index = indexAt(view, row * indexBytes, indexBytes, isSigned)
    if (!(index < size)) throw new ArrowFault('a column refers to a value that its dictionary lacks')
    indices[row] = index
  }
  return { length, indices, validity }
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
