// Decompresses a message that its producer sent with a content encoding, or as gzip without saying so; the other stages
// see plain messages only.
// Invariants: the plain length is known before, from the length at the end of the gzip data, and a message that holds more
// is refused, so memory is bounded whatever was sent; nothing throws.

import { gunzipSync } from 'node:zlib'
import { encodingOf, isGzip } from '../../../schemas/event/media-types.js'
import { type Rejection, rejected } from '../../../schemas/rejection.js'
import type { InputMessage } from './decode.js'

/** The largest plain message that Weir's broker takes. */
export const maxPlainBytes = 8 * 1024 * 1024

/** A gzip header and trailer with nothing in between. */
const leastGzipBytes = 18

/** Bytes that the message takes once it is plain; never less than it takes now. */
export function plainLength({ bytes, contentEncoding }: InputMessage): number {
  const encoding = encodingOf(contentEncoding, bytes)
  if (encoding === undefined || !isGzip(encoding)) return bytes.length
  return Math.max(bytes.length, Math.min(saidLength(bytes), maxPlainBytes))
}

/** The plain message, or the message with the reason why it cannot be read. */
export function decompress(message: InputMessage): InputMessage {
  const contentEncoding = encodingOf(message.contentEncoding, message.bytes)
  if (contentEncoding === undefined) return message
  const { contentEncoding: _, ...plain } = message
  const encoding = contentEncoding.trim().toLowerCase()
  if (encoding === 'identity' || encoding === '') return plain
  if (!isGzip(encoding)) {
    const detail = `The content encoding ${JSON.stringify(contentEncoding)} is not taken; gzip is.`
    return refused(message, contentEncoding, rejected('unsupported_content_encoding', detail).rejection)
  }
  const length = saidLength(message.bytes)
  if (length > maxPlainBytes) {
    const detail = `By its own word the message has ${length} bytes when it is decompressed; ${maxPlainBytes} are taken.`
    return refused(message, contentEncoding, rejected('body_too_large', detail).rejection)
  }
  try {
    return { ...plain, bytes: gunzipSync(message.bytes, { maxOutputLength: Math.max(1, length) }) }
  } catch {
    const detail = 'The message is not one member of gzip, with its length at its end.'
    return refused(message, contentEncoding, rejected('malformed_encoding', detail).rejection)
  }
}

/** ISIZE of RFC 1952: the last four bytes. */
function saidLength(bytes: Uint8Array): number {
  if (bytes.length < leastGzipBytes) return 0
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(bytes.length - 4, true)
}

/** Keeps the encoding, which tells that the bytes are not text. */
function refused(message: InputMessage, contentEncoding: string, refusal: Rejection): InputMessage {
  return { ...message, contentEncoding, refusal }
}
