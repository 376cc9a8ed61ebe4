// LZ4's block format, as far as ClickHouse's compressed blocks need it: a reader of whole blocks, and a writer that
// compresses nothing. A block is a row of sequences: a token with two lengths, literals, then a match, which repeats bytes
// that were already written.

import { exceptions } from './exception.js'

const minMatch = 4

/** The data as one sequence of literals, which every LZ4 reader takes. */
export function lz4Literals(data: Buffer): Buffer {
  const extra = data.length - 15
  if (extra < 0) return Buffer.concat([Buffer.from([data.length << 4]), data])
  const lengths = Buffer.alloc(2 + Math.floor(extra / 255), 255)
  lengths[0] = 0xf0
  lengths[lengths.length - 1] = extra % 255
  return Buffer.concat([lengths, data])
}

/** `size`: of the data. Throws for bytes that are no LZ4 block of exactly that size. */
export function unpackLz4(packed: Buffer, size: number): Buffer {
  const data = Buffer.allocUnsafe(size)
  let from = 0
  let to = 0
  while (from < packed.length) {
    const token = packed[from++] as number
    let literals = token >> 4
    if (literals === 15) for (let more = 255; more === 255; literals += more) more = byteAt(packed, from++)
    if (from + literals > packed.length || to + literals > size) throw broken()
    packed.copy(data, to, from, from + literals)
    from += literals
    to += literals
    if (from === packed.length) break // the last sequence has no match
    const distance = byteAt(packed, from++) | (byteAt(packed, from++) << 8)
    let length = token & 15
    if (length === 15) for (let more = 255; more === 255; length += more) more = byteAt(packed, from++)
    length += minMatch
    if (distance === 0 || distance > to || to + length > size) throw broken()
    if (distance >= length) data.copy(data, to, to - distance, to - distance + length)
    else for (let i = 0; i < length; i++) data[to + i] = data[to + i - distance] as number
    to += length
  }
  if (to !== size) throw broken()
  return data
}

function byteAt(packed: Buffer, at: number): number {
  const byte = packed[at]
  if (byte === undefined) throw broken()
  return byte
}

function broken() {
  return exceptions.cannotDecompress(
    'the bytes of a compressed block are no LZ4 data of the size that it tells',
  )
}
