// The Native format in the revision that a client asks for with `client_protocol_version` (clickhouse-go,
// clickhouse-connect). The engine writes the oldest revision; newer ones begin each block with a note about it and mark
// each column as plainly written. To set the marks, this walks over the columns, whose bytes it leaves as they are.

import { exceptions } from './exception.js'
import { type NativeType, readNativeType } from './native-types.js'

/** From this revision on, a block begins with its note. */
const revisionWithBlockInfo = 51_903
/** From this revision on, a column tells whether it is written in a way of its own. */
const revisionWithColumnMarks = 54_454

/** Field 1: no overflow row. Field 2: no bucket. Then the end of the fields. */
const blockInfo = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0])
const plainlyWritten = Buffer.from([0])

const jsonOnlyAsText =
  'A JSON column is sent in Native with client_protocol_version only as text: set output_format_native_write_json_as_string = 1'

/** A result as a client of the given revision reads it; only the Native format differs between revisions. */
export function asClientReads(result: Buffer, format: string, revision: number): Buffer {
  return /^native$/i.test(format) ? nativeInRevision(result, revision) : result
}

/** Whole blocks of the oldest revision, as a client of the given revision reads them. */
export function nativeInRevision(blocks: Buffer, revision: number): Buffer {
  if (revision < revisionWithBlockInfo) return blocks
  const pieces: Buffer[] = []
  const walk = new Walk(blocks)
  while (walk.at < blocks.length) {
    pieces.push(blockInfo)
    let from = walk.at
    const columns = walk.varint()
    const rows = walk.varint()
    for (let column = 0; column < columns; column++) {
      walk.string()
      const type = walk.string()
      if (revision >= revisionWithColumnMarks) {
        pieces.push(blocks.subarray(from, walk.at), plainlyWritten)
        from = walk.at
      }
      // Only a walk that has to find the next column must know the type.
      if (rows > 0) walk.column(readNativeType(type), rows)
    }
    pieces.push(blocks.subarray(from, walk.at))
  }
  return Buffer.concat(pieces)
}

class Walk {
  at = 0
  private readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  column(shape: NativeType, rows: number): void {
    this.prefix(shape)
    this.values(shape, rows)
  }

  varint(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes.readUInt8(this.at++)
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }

  string(): string {
    const length = this.varint()
    this.at += length
    return this.bytes.toString('utf8', this.at - length, this.at)
  }

  private uint64(): number {
    this.at += 8
    return Number(this.bytes.readBigUInt64LE(this.at - 8))
  }

  /** What stands once before the values of a column, for all its parts. */
  private prefix(shape: NativeType): void {
    switch (shape.kind) {
      case 'fixed':
      case 'string':
        break
      case 'nullable':
      case 'array':
        this.prefix(shape.inner)
        break
      case 'tuple':
        for (const part of shape.parts) this.prefix(part)
        break
      case 'variant':
        if (this.uint64() !== 0)
          throw exceptions.notImplemented('A Variant column in compact form is not sent')
        for (const part of shape.parts) this.prefix(part)
        break
      case 'low_cardinality':
        this.at += 8
        this.prefix(shape.inner)
        break
      case 'json':
        if (this.uint64() !== 1) throw exceptions.notImplemented(jsonOnlyAsText)
        break
      default:
        shape satisfies never
    }
  }

  private values(shape: NativeType, rows: number): void {
    if (rows === 0) return
    switch (shape.kind) {
      case 'fixed':
        this.at += shape.bytes * rows
        break
      case 'string':
      case 'json':
        for (let row = 0; row < rows; row++) {
          const length = this.varint()
          this.at += length
        }
        break
      case 'nullable':
        this.at += rows
        this.values(shape.inner, rows)
        break
      case 'array':
        // Of the offsets, each the sum of the lengths so far, the last is the count of all elements.
        this.at += 8 * (rows - 1)
        this.values(shape.inner, this.uint64())
        break
      case 'tuple':
        if (shape.parts.length === 0) this.at += rows
        for (const part of shape.parts) this.values(part, rows)
        break
      case 'variant':
        this.variant(shape.parts, rows)
        break
      case 'low_cardinality':
        this.lowCardinality(shape.inner)
        break
      default:
        shape satisfies never
    }
  }

  /** A byte per row tells which type it has, 255 for NULL; then each type has the values of its rows. */
  private variant(parts: readonly NativeType[], rows: number): void {
    const counts = new Array<number>(256).fill(0)
    for (let row = 0; row < rows; row++) {
      const which = this.bytes.readUInt8(this.at++)
      counts[which] = (counts[which] as number) + 1
    }
    for (const [i, part] of parts.entries()) this.values(part, counts[i] as number)
  }

  /** A dictionary, then an index into it per row; the width of an index is the low byte of the first word. */
  private lowCardinality(inner: NativeType): void {
    const widthCode = this.uint64() & 0xff
    this.values(inner, this.uint64())
    const rows = this.uint64()
    this.at += rows * 2 ** widthCode
  }
}
