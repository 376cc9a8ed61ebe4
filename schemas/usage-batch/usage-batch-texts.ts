// A column of texts, whose bytes lie one after another, as they came or gathered from views.
// Invariants: offsets and views are checked when the column is made, so that reading a row cannot fail; a text that is not
// UTF-8 harms its own row only.

import { isAscii, isUtf8 } from 'node:buffer'
import { type BlockCursor, isNull, offsetsOf, type Validity, validityOf } from './usage-batch-block.js'
import { ArrowFault } from './usage-batch-fault.js'
import type { ArrowType } from './usage-batch-fields.js'

/** Stands for a value that cannot be read, such as bytes that are not UTF-8. */
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

/** `checked`: each text must be checked separately, because not all of them are UTF-8. */
type TextCoding = 'ascii' | 'utf8' | 'checked'

/** A column whose texts can be read without making strings. */
export class PlainTexts implements TextValues {
  readonly length: number
  readonly textBytes: number
  readonly bytes: Buffer
  /** The text of a row: `[offsets[row], offsets[row + 1])` of the bytes. */
  readonly offsets: Int32Array
  readonly coding: TextCoding
  readonly #validity: Validity

  constructor(bytes: Buffer, offsets: Int32Array, validity: Validity) {
    const used = bytes.subarray(offsets[0]!, offsets[offsets.length - 1]!)
    this.length = offsets.length - 1
    this.textBytes = used.length
    this.bytes = bytes
    this.offsets = offsets
    this.coding = isAscii(used) ? 'ascii' : isUtf8(used) && cutsWell(bytes, offsets) ? 'utf8' : 'checked'
    this.#validity = validity
  }

  get hasNulls(): boolean {
    return this.#validity !== undefined
  }

  isNull(row: number): boolean {
    return isNull(this.#validity, row)
  }

  at(row: number): TextValue {
    if (isNull(this.#validity, row)) return undefined
    const from = this.offsets[row]!
    const until = this.offsets[row + 1]!
    if (this.coding === 'ascii') return this.bytes.toString('latin1', from, until)
    if (this.coding === 'checked' && !isUtf8(this.bytes.subarray(from, until))) return unreadable
    return this.bytes.toString('utf8', from, until)
  }
}

/** Whether no offset lies inside a character. */
function cutsWell(bytes: Buffer, offsets: Int32Array): boolean {
  const end = offsets[offsets.length - 1]!
  for (const offset of offsets) if (offset < end && (bytes[offset]! & 0xc0) === 0x80) return false
  return true
}

export type TextType = Extract<ArrowType, { readonly kind: 'utf8' | 'utf8_view' }>

export function isTextType(type: ArrowType): type is TextType {
  return type.kind === 'utf8' || type.kind === 'utf8_view'
}

/** `grow` is told of the bytes of text before they are copied, and throws when they are too many. */
export function textColumn(cursor: BlockCursor, type: TextType, grow: (bytes: number) => void): PlainTexts {
  if (type.kind === 'utf8_view') return gatheredTexts(cursor, grow)
  const node = cursor.node()
  const validity = validityOf(cursor, node)
  const offsets = offsetsOf(cursor, node.length, type.offsetBytes)
  const body = cursor.buffer(offsets[node.length]!)
  const texts = new PlainTexts(Buffer.from(body.buffer, body.byteOffset, body.byteLength), offsets, validity)
  grow(texts.textBytes)
  return texts
}

const viewBytes = 16
const inlineBytes = 12

/**
 * A view is the length of the text and then the text itself, if it has at most 12 bytes; else its first four bytes, the
 * number of the buffer that holds it, and its place there.
 */
function gatheredTexts(cursor: BlockCursor, grow: (bytes: number) => void): PlainTexts {
  const node = cursor.node()
  const { length } = node
  const validity = validityOf(cursor, node)
  const views = cursor.buffer(length * viewBytes)
  const view = new DataView(views.buffer, views.byteOffset, views.byteLength)
  const buffers = cursor.variadicBuffers()
  const offsets = new Int32Array(length + 1)
  let end = 0
  for (let row = 0; row < length; row += 1) {
    if (!isNull(validity, row)) end += view.getUint32(row * viewBytes, true)
    if (end > 0x7fff_ffff) throw new ArrowFault('a column has a text that is too long')
    offsets[row + 1] = end
  }
  grow(end)
  const bytes = Buffer.allocUnsafe(end)
  for (let row = 0; row < length; row += 1) {
    const from = offsets[row]!
    const size = offsets[row + 1]! - from
    const at = row * viewBytes
    if (size <= inlineBytes) bytes.set(views.subarray(at + 4, at + 4 + size), from)
    else
      bytes.set(textWithin(buffers, view.getUint32(at + 8, true), view.getUint32(at + 12, true), size), from)
  }
  return new PlainTexts(bytes, offsets, validity)
}

function textWithin(buffers: readonly Uint8Array[], index: number, at: number, size: number): Uint8Array {
  const buffer = buffers[index]
  if (buffer === undefined || at + size > buffer.length) throw new ArrowFault('a column is cut off')
  return buffer.subarray(at, at + size)
}
