// Reads a request's body within limits of bytes and time, and decompresses it.
// Invariants: memory never exceeds the limit by more than one read of the socket, whatever length was
// declared and however small the compressed form is; decompression runs off the main thread.

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { Problem, unavailable } from './problem.js'

export interface BodyLimits {
  readonly maxBytes: number
  readonly timeoutMs: number
  /** Fails when no bytes arrive for this long. */
  readonly idleMs: number
  /** Counts bytes that have arrived; false when a limit is reached. Absent: only `maxBytes` applies. */
  readonly take?: (bytes: number) => boolean
  /** `Retry-After` when `take` returns false. */
  readonly retryAfterSeconds: number
  /** Ends the reading with its reason, a `Problem`. */
  readonly signal?: AbortSignal
}

type Inflate = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

/** The client closed the connection while sending, so no answer is possible. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

const encodings: ReadonlyMap<string, Inflate> = new Map<string, Inflate>([
  ['gzip', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)],
  ['x-gzip', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)],
  ['deflate', promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate)],
  ['br', promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress)],
  ...zstd(),
])

/** The zstd decoder, which Node has from 22.15 on; empty on an older version. */
function zstd(): [string, Inflate][] {
  const found: unknown = Reflect.get(zlib, 'zstdDecompress')
  if (typeof found !== 'function') return []
  return [['zstd', promisify(found as typeof zlib.gunzip) as Inflate]]
}

/** The encodings named in the answer to an unknown encoding, and in the OpenAPI document. */
export const acceptedEncodings: readonly string[] = ['identity', ...encodings.keys()]

/**
 * The rest of a too large body is read and dropped up to this multiple of the limit, so that the client gets
 * its 413.
 */
const swallowFactor = 4

/** The body's bytes. Throws a `Problem` of 400, 408, 413 or 415, or `ClientGone`. */
export async function readBody(
  stream: Readable,
  headers: IncomingHttpHeaders,
  limits: BodyLimits,
): Promise<Buffer> {
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  const inflate = encodings.get(encoding)
  if (inflate === undefined && encoding !== 'identity') {
    throw new Problem('unsupported_content_encoding', `The content encoding ${encoding} is not taken.`, {
      headers: { 'accept-encoding': acceptedEncodings.join(', ') },
    })
  }
  if (stream.readableEnded) return Buffer.alloc(0) // whoever looked at its first bytes has met its end
  const declared = Number(headers['content-length'] ?? '0')
  if (declared > limits.maxBytes * swallowFactor) throw tooLarge(limits.maxBytes, 'the body')
  const bytes = await collect(stream, limits)
  if (inflate === undefined) return bytes
  const plain = await decompress(bytes, inflate, limits.maxBytes)
  if (plain.length > bytes.length && limits.take?.(plain.length - bytes.length) === false) {
    throw noRoom(limits)
  }
  return plain
}

async function decompress(bytes: Buffer, inflate: Inflate, maxBytes: number): Promise<Buffer> {
  try {
    return await inflate(bytes, { maxOutputLength: maxBytes })
  } catch (cause) {
    const code = cause instanceof Error ? Reflect.get(cause, 'code') : undefined
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes, 'the decompressed body')
    throw new Problem('malformed_encoding', 'The body is not what its Content-Encoding says.', { cause })
  }
}

function collect(stream: Readable, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const giveUp = (problem: Problem) => {
      settle(() => reject(problem))
      stream.resume()
    }
    const deadline = setTimeout(() => giveUp(tooSlow()), limits.timeoutMs)
    const idle = setTimeout(() => giveUp(tooSlow()), limits.idleMs)
    const onData = (chunk: Buffer) => {
      idle.refresh()
      length += chunk.length
      if (length <= limits.maxBytes && limits.take?.(chunk.length) === false) giveUp(noRoom(limits))
      else if (length <= limits.maxBytes) chunks.push(chunk)
      else chunks.length = 0
      if (length > limits.maxBytes * swallowFactor) giveUp(tooLarge(limits.maxBytes, 'the body'))
    }
    const onEnd = () =>
      settle(() => {
        if (length > limits.maxBytes) reject(tooLarge(limits.maxBytes, 'the body'))
        else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length))
      })
    const onGone = () => settle(() => reject(new ClientGone('the client closed the connection')))
    const onAbort = () => giveUp(limits.signal?.reason as Problem)
    const settle = (finish: () => void) => {
      clearTimeout(deadline)
      clearTimeout(idle)
      limits.signal?.removeEventListener('abort', onAbort)
      stream.off('data', onData).off('end', onEnd).off('close', onGone)
      finish()
    }
    // The error handler stays: a connection that breaks later must not become an uncaught exception.
    limits.signal?.addEventListener('abort', onAbort)
    stream.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone)
  })
}

function tooSlow(): Problem {
  return new Problem('request_timeout', 'The body did not come in time.', {
    headers: { connection: 'close' },
  })
}

function noRoom({ retryAfterSeconds }: BodyLimits): Problem {
  const detail = 'Too many events are in flight, of this key or in all.'
  return unavailable('too_much_in_flight', detail, retryAfterSeconds)
}

/** Asks the client to close, because the rest of its body will not be read. */
function tooLarge(maxBytes: number, what: string): Problem {
  return new Problem('body_too_large', `Send at most ${maxBytes} bytes at a time; ${what} is larger.`, {
    headers: { connection: 'close' },
  })
}
