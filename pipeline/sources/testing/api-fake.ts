// A small HTTP server that stands for a source's API in tests: it checks who asks, answers from a function, and refuses the next
// requests where it is told to.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import type { ReachParts } from '../source-kind.js'

export type Answer = object | undefined

export class ApiFake {
  /** What was asked for, in order. */
  readonly asked: string[] = []
  nowMs: number = Date.UTC(2026, 10, 27, 12)
  readonly #authorization: string
  readonly #answer: (url: URL) => Answer
  readonly #server: Server
  #refusals: readonly (readonly [status: number, retryAfterSeconds: number])[] = []

  /** `answer` is undefined where there is no such thing. */
  constructor(authorization: string, answer: (url: URL) => Answer) {
    this.#authorization = authorization
    this.#answer = answer
    this.#server = createServer((request, response) => this.#serve(request, response))
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async open(): Promise<void> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
  }

  refuseNext(...refusals: readonly (readonly [status: number, retryAfterSeconds: number])[]): void {
    this.#refusals = refusals
  }

  /** What a reach is opened with; its key is the secret `key`. */
  parts(settings: Readonly<Record<string, unknown>> = {}): ReachParts {
    return {
      source: 'sample',
      settings: { api_key: { variable: 'KEY' }, api_url: this.url, rate: { per_second: 1_000 }, ...settings },
      secret: () => 'key',
      nowMs: () => this.nowMs,
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url)
    this.asked.push(`${url.pathname}${decodeURIComponent(url.search)}`)
    const [refusal, ...others] = this.#refusals
    this.#refusals = others
    const head = { 'content-type': 'application/json', date: new Date(this.nowMs).toUTCString() }
    if (refusal !== undefined) {
      response.writeHead(refusal[0], { ...head, 'retry-after': String(refusal[1]) }).end('{}')
      return
    }
    if (request.headers.authorization !== this.#authorization) {
      response.writeHead(401, head).end('{}')
      return
    }
    const answer = this.#answer(url)
    response.writeHead(answer === undefined ? 404 : 200, head).end(stringifyJson(answer ?? { error: {} }))
  }
}

/** A page of a list by the place of its first, as text in the query. */
export function pageOf<T>(
  all: readonly T[],
  offset: string | null,
  limit: number,
): { page: readonly T[]; next: string } {
  const from = Number(offset ?? '0')
  const next = from + limit < all.length ? String(from + limit) : ''
  return { page: all.slice(from, from + limit), next }
}
