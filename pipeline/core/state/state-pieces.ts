// A stored state as pieces, each of which is written and read alone: neither takes memory for a second copy of the whole.
// Invariant: what an older version wrote, one value of v8.serialize, is read as one piece. Such a value begins with 0xFF.

import { Buffer } from 'node:buffer'

const mark = Buffer.from('WSP1', 'latin1')
/** The mark, and how many bytes follow. */
const headBytes = mark.length + 4

/** The piece as it lies in a stored state. */
export function withHead(piece: Uint8Array): Uint8Array {
  const bytes = Buffer.from(new ArrayBuffer(headBytes + piece.length))
  bytes.set(mark)
  bytes.writeUInt32LE(piece.length, mark.length)
  bytes.set(piece, headBytes)
  return bytes
}

/** Views of the pieces of a stored state, in their order. */
export function* piecesOf(stored: Uint8Array): IterableIterator<Uint8Array> {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.length)
  if (!hasMark(bytes, 0)) {
    yield stored
    return
  }
  for (let at = 0; at < bytes.length; ) {
    if (at + headBytes > bytes.length || !hasMark(bytes, at)) throw damaged(at)
    const end = at + headBytes + bytes.readUInt32LE(at + mark.length)
    if (end > bytes.length) throw damaged(at)
    yield bytes.subarray(at + headBytes, end)
    at = end
  }
}

function hasMark(bytes: Buffer, at: number): boolean {
  return bytes.subarray(at, at + mark.length).equals(mark)
}

function damaged(at: number): Error {
  return new Error(`The state is damaged: no whole piece begins at byte ${at}.`)
}
