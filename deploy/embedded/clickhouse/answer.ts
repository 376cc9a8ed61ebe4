// The answer to a request as far as the rest of this folder sees it, and the one whose head grows while the query
// runs: `X-ClickHouse-Progress` lines, which Node cannot send one after the other, go to the socket by hand.
//
// Invariant: an answer without a line of progress is Node's own.

import type { ServerResponse } from 'node:http'
import { Writable } from 'node:stream'

/** What `ServerResponse` has, too. */
export interface Answer extends Writable {
  readonly headersSent: boolean
  statusCode: number
  setHeader(name: string, value: string | number): unknown
  removeHeader(name: string): void
}

export class GrowingAnswer extends Writable implements Answer {
  statusCode = 200
  private readonly response: ServerResponse
  /** Names of the headers that are on their way; null while nothing is. */
  private sent: Set<string> | null = null
  private headIsSent = false

  constructor(response: ServerResponse) {
    super({ autoDestroy: false })
    this.response = response
    response.once('close', () => this.destroy())
  }

  get headersSent(): boolean {
    return this.headIsSent || this.response.headersSent
  }

  setHeader(name: string, value: string | number): void {
    this.response.setHeader(name, value)
  }

  removeHeader(name: string): void {
    this.response.removeHeader(name)
  }

  /** One more line of the head. From the first one on the status is 200, whatever follows, as in ClickHouse. */
  progress(text: string): void {
    if (this.headersSent || this.destroyed) return
    if (this.sent === null) {
      this.sent = new Set()
      this.socketWrite('HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n')
    }
    this.socketWrite(`${this.newHeaders()}X-ClickHouse-Progress: ${text}\r\n`)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.sent === null) {
      this.response.statusCode = this.statusCode
      this.response.write(chunk, done)
      return
    }
    this.endHead()
    if (chunk.length === 0) {
      done()
      return
    }
    this.socketWrite(`${chunk.length.toString(16)}\r\n`)
    this.socketWrite(chunk)
    this.socketWrite('\r\n', done)
  }

  override _final(done: () => void): void {
    if (this.sent === null) {
      this.response.statusCode = this.statusCode
      this.response.end(done)
      return
    }
    this.endHead()
    this.socketWrite('0\r\n\r\n', () => {
      this.response.socket?.end()
      done()
    })
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.response.destroy()
    done(error)
  }

  private endHead(): void {
    if (this.headIsSent) return
    this.headIsSent = true
    this.socketWrite(`${this.newHeaders()}\r\n`)
  }

  /** Headers that were set since the last time; those of the body's framing are ours. */
  private newHeaders(): string {
    let lines = ''
    for (const [name, value] of Object.entries(this.response.getHeaders())) {
      if (this.sent?.has(name) || name === 'content-length' || name === 'connection') continue
      this.sent?.add(name)
      lines += `${name}: ${value}\r\n`
    }
    return lines
  }

  private socketWrite(bytes: Buffer | string, done?: () => void): void {
    const { socket } = this.response
    if (socket === null || socket.destroyed) this.destroy()
    else socket.write(bytes, done)
  }
}
