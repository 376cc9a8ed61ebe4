// The bytes of a request: kept in memory when they may hold the statement, written to a spool file when they
// are rows.
//
// Rows go through a file because the engine's text interface corrupts binary formats, while INSERT … FROM
// INFILE treats them exactly as the server treats the rows of an INSERT: column list, defaults, settings,
// several cores.

import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { type Readable, pipeline as streamPipeline, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { BlockReader } from './compressed-blocks.js'
import { exceptions } from './exception.js'

/** A body with a statement and its rows is read into memory; larger inserts must use `?query=` and a body. */
const maxBodyInMemory = 1 << 30

/** Content encodings that the engine reads from a file, with the engine's names for them. */
const fileCompressions = new Map([
  ...['gzip', 'deflate', 'br', 'xz', 'zstd', 'lz4', 'bz2'].map((name): [string, string] => [name, name]),
  ['x-gzip', 'gzip'],
])

export interface SpooledRows {
  readonly path: string
  /** The engine's name for it; `none` if the rows are plain. */
  readonly compression: string
  remove(): void
}

/** A folder of spool files; files that a crash left in it are removed at the start. */
export class Spool {
  /**
   * A client of this user on this machine may put a file of rows there and name it in its request instead of
   * sending the rows. The spool's own names have a suffix and cannot be used by a client.
   */
  readonly folder: string
  private count = 0

  constructor(folder: string) {
    this.folder = folder
    this.close()
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** Takes over a file of rows that a client has put into the folder; the spool removes it. */
  take(name: string): SpooledRows {
    const path = join(this.folder, name)
    if (!/^[A-Za-z0-9_-]{1,200}$/.test(name) || !existsSync(path)) throw exceptions.noSuchRowsFile(name)
    return { path, compression: 'none', remove: () => rmSync(path, { force: true }) }
  }

  /** Writes the given bytes, then the stream, to a file of its own. */
  async write(head: Buffer, rest: Readable | null, compression: string): Promise<SpooledRows> {
    // The suffix keeps the engine from guessing a compression from the name.
    const path = join(this.folder, `${this.count++}.rows`)
    const remove = () => rmSync(path, { force: true })
    const file = createWriteStream(path, { mode: 0o600 })
    const closed = once(file, 'close').catch(() => {})
    try {
      if (head.length > 0) file.write(head)
      if (rest === null) await new Promise<void>((resolve, reject) => file.on('error', reject).end(resolve))
      else await pipeline(rest, file)
      return { path, compression, remove }
    } catch (error) {
      // A file that is still being opened would appear after its removal.
      file.destroy()
      await closed
      remove()
      throw error
    }
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The compression of a body that is written to a file unchanged. */
export function fileCompression(request: IncomingMessage): string {
  const encoding = contentEncoding(request)
  if (encoding === 'identity') return 'none'
  const compression = fileCompressions.get(encoding)
  if (compression === undefined)
    throw exceptions.unsupportedMediaType(`Content-Encoding ${encoding} is not supported`)
  return compression
}

/** The whole body, decompressed. `inBlocks`: it comes in ClickHouse's compressed blocks. */
export async function readBody(
  request: IncomingMessage,
  inBlocks = false,
  limit: number = maxBodyInMemory,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of inBlocks ? unpackedBlocks(request) : unpacked(request)) {
    size += (chunk as Buffer).length
    if (size > limit) throw exceptions.bodyTooLarge(limit)
    chunks.push(chunk as Buffer)
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
}

/** The body of a request whose client sends ClickHouse's compressed blocks. */
export function unpackedBlocks(request: IncomingMessage): Readable {
  return through(unpacked(request), new BlockReader())
}

function unpacked(request: IncomingMessage): Readable {
  const encoding = contentEncoding(request)
  switch (encoding) {
    case 'identity':
      return request
    case 'gzip':
    case 'x-gzip':
      return through(request, createGunzip())
    case 'deflate':
      return through(request, createInflate())
    case 'br':
      return through(request, createBrotliDecompress())
    default:
      throw exceptions.unsupportedMediaType(
        `Content-Encoding ${encoding} is supported only for the rows of an INSERT whose statement is in ?query=`,
      )
  }
}

/** When the source breaks off, so does the result. */
function through(source: Readable, transform: Transform): Readable {
  return streamPipeline(source, transform, () => {}) // the reader of the result gets the error
}

function contentEncoding(request: IncomingMessage): string {
  return (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
}
