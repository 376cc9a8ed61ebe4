// Writes a result to the client: whole or in pieces, compressed if the client asked, no faster than it reads.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type BrotliCompress,
  constants,
  createBrotliCompress,
  createDeflate,
  createGzip,
  type Deflate,
  type Gzip,
} from 'node:zlib'
import type { Answer } from './answer.js'
import { BlockFramer } from './compressed-blocks.js'

/** A client that takes nothing for so long loses its connection: it holds a place among the readers. */
const stalledClientMs = 60_000

export class BodyWriter {
  private readonly response: Answer
  private readonly packer: Packer | null
  private piped: Promise<void> | null = null
  private begun = false

  constructor(
    request: IncomingMessage,
    response: Answer,
    wanted: { readonly compressResponse: boolean; readonly blocks: boolean },
  ) {
    this.response = response
    const encoding = wanted.compressResponse
      ? acceptedEncoding(request.headers['accept-encoding'] ?? '')
      : null
    if (wanted.blocks) this.packer = new BlockFramer()
    else this.packer = encoding === null ? null : createPacker(encoding)
    if (encoding !== null && !wanted.blocks) response.setHeader('Content-Encoding', encoding)
  }

  /** What has been sent cannot be taken back. */
  get hasBegun(): boolean {
    return this.begun
  }

  async sendWhole(bytes: Buffer): Promise<void> {
    if (this.packer === null) this.response.setHeader('Content-Length', bytes.length)
    if (bytes.length > 0) await this.send(bytes)
    await this.end()
  }

  async send(bytes: Buffer): Promise<void> {
    this.begun = true
    if (this.packer !== null && this.piped === null) {
      this.piped = pipeline(this.packer, this.response)
      this.piped.catch(() => {})
    }
    const target = this.packer ?? this.response
    if (this.response.destroyed) throw new Error('the client has gone')
    if (target.write(bytes)) return
    const timer = setTimeout(() => this.response.destroy(), stalledClientMs)
    const gone = new AbortController()
    const left = () => gone.abort()
    this.response.once('close', left)
    try {
      await once(target, 'drain', { signal: gone.signal })
    } finally {
      clearTimeout(timer)
      this.response.removeListener('close', left)
    }
  }

  async end(): Promise<void> {
    if (this.packer === null || this.piped === null) {
      // An empty body is sent plain, whatever was agreed.
      if (this.packer !== null) this.response.removeHeader('Content-Encoding')
      this.response.end()
      return
    }
    this.packer.end()
    await this.piped
  }

  /** Sends the last words of a result that cannot be completed, without the end that would make it look whole. */
  async breakOff(lastWords: Buffer): Promise<void> {
    if (this.response.destroyed) return
    await this.send(lastWords)
    const packer = this.packer
    if (packer !== null) await new Promise<void>(resolve => packer.flush(resolve))
    const deadline = Date.now() + stalledClientMs
    do await sleep(5)
    while (this.unsent() > 0 && Date.now() < deadline && !this.response.destroyed)
    this.response.destroy()
  }

  private unsent(): number {
    return this.response.writableLength + (this.packer?.readableLength ?? 0)
  }
}

type Packer = Gzip | Deflate | BrotliCompress | BlockFramer
type Encoding = 'gzip' | 'deflate' | 'br'

/** The cheapest that the client takes; what it does not name, or names with q=0, is not used. */
function acceptedEncoding(header: string): Encoding | null {
  const accepted = header
    .split(',')
    .filter(part => !/;\s*q=0(\.0*)?\s*$/.test(part))
    .map(part => part.split(';')[0]?.trim().toLowerCase())
  return (['gzip', 'deflate', 'br'] as const).find(encoding => accepted.includes(encoding)) ?? null
}

function createPacker(encoding: Encoding): Packer {
  switch (encoding) {
    case 'gzip':
      return createGzip({ level: 3 })
    case 'deflate':
      return createDeflate({ level: 3 })
    case 'br':
      return createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 3 } })
    default:
      return encoding satisfies never
  }
}
