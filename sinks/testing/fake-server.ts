// The kit of fake receivers: a real HTTP server (Fastify) on a free port of loopback that keeps documents, checks who asks,
// meets scripted faults and remembers what it was sent.
//
// A system's fake extends `FakeServer`: it brings routes, validates each request against the shape of the system, and
// words the answers. A route that writes calls `take`, which does the faults.

import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Connector, ConnectorRecord } from '../connector.js'
import { redactor } from '../http/redact.js'
import type { BookedDocument } from './booked.js'
import type { Receiver } from './conformance-rig.js'
import { Documents } from './documents.js'
import { type Fault, isRefusal, type Refusal } from './fault.js'

export interface FakeAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; a text is sent as it is. */
  readonly body?: unknown
}

/** What a request that writes would do, in the terms of the system. */
export interface Write {
  /** The keys of the records in it. */
  readonly keys: readonly string[]
  /** What the system has against it; undefined: nothing. */
  readonly judge?: () => FakeAnswer | undefined
  /** Keeps the documents and gives the good answer. `atMs`: when they can be seen. */
  readonly commit: (atMs: number) => FakeAnswer
  /** For systems that judge each record of a page: refuses the first one, with `refusalOf` for the others, and keeps the rest. */
  readonly refuseFirst?: (fault: Refusal) => FakeAnswer
}

export interface FakeOptions {
  readonly nowMs?: () => number
  /** How late a document can be seen whose answer was lost. Less than `settlesWithinMs` of the connector. */
  readonly lateMs?: number
  /** How long a connection without an answer stays open; 0: it is cut at once, which a client takes alike. */
  readonly hangMs?: number
}

/** How the receiver is late, for runs in which a second stands for minutes. */
export interface FakeWaits {
  readonly lateMs: number
  readonly hangMs: number
  /** Of answers that are lost, how many cut the connection for one that leaves it open. */
  readonly cutsForOneOpen: number
  /** How long it asks for with a 429. */
  readonly retryAfterSeconds: number
}

export interface SentRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

const secretHeaders = new Set(['authorization', 'x-api-key', 'cookie', 'x-csrf-token'])
const plainHeaders = new Set([
  'host',
  'connection',
  'accept',
  'accept-language',
  'sec-fetch-mode',
  'accept-encoding',
  'content-length',
])

export abstract class FakeServer implements Receiver {
  /** Every request that came, in order. */
  readonly sent: SentRequest[] = []
  /** How often each key was written, updates included. */
  readonly writes = new Map<string, number>()
  protected readonly nowMs: () => number
  readonly #app: FastifyInstance
  #url = ''
  #waits: FakeWaits
  #lost = 0
  #faults: Fault[] = []
  readonly #met: Partial<Record<Fault, number>> = {}
  #chances: Readonly<Partial<Record<Fault, number>>> = {}
  #refuses: (record: ConnectorRecord) => string | undefined = () => undefined

  constructor(options: FakeOptions = {}) {
    const { lateMs = 0, hangMs = 0 } = options
    this.#waits = { lateMs, hangMs, cutsForOneOpen: 0, retryAfterSeconds: 60 }
    this.nowMs = options.nowMs ?? Date.now
    this.#app = Fastify({ forceCloseConnections: true, bodyLimit: 64 << 20 })
  }

  /** The routes of the system. */
  protected abstract routes(app: FastifyInstance): void
  /** How the system words it: 401, 429, 500, 503, and each refusal that it knows. */
  protected abstract wording(fault: Fault, words?: string): FakeAnswer
  /** A new connector, as after a restart of the process. */
  abstract connector(): Connector | Promise<Connector>
  abstract effects(): Promise<readonly string[]>
  abstract booked(): readonly BookedDocument[]
  /** The token of this request counts no longer. */
  protected expireToken(_request: FastifyRequest): void {}

  /** What people there see and change: the first store of the fake. */
  kept(): Documents<unknown> | undefined {
    return Object.values(this).find(one => one instanceof Documents)
  }

  get url(): string {
    return this.#url
  }

  async start(port = 0): Promise<this> {
    const keepAsText = (_: FastifyRequest, body: string, done: (error: null, body: string) => void): void =>
      done(null, body)
    this.#app.removeAllContentTypeParsers()
    this.#app.addContentTypeParser('*', { parseAs: 'string' }, keepAsText)
    this.#app.addHook('preHandler', async ({ method, url, headers, body }) => {
      if (!url.startsWith('/_fake/')) this.sent.push({ method, url, headers, body: String(body ?? '') })
    })
    this.routes(this.#app)
    this.#controls()
    this.#url = await this.#app.listen({ port, host: '127.0.0.1' })
    return this
  }

  async close(): Promise<void> {
    await this.#app.close()
  }

  fail(...faults: readonly Fault[]): void {
    this.#faults.push(...faults)
  }

  /** From now on each write meets a fault with this probability. */
  failAtRandom(chances: Readonly<Partial<Record<Fault, number>>>): void {
    this.#chances = chances
  }

  heal(): void {
    this.#faults = []
    this.#chances = {}
    this.#refuses = () => undefined
  }

  refuse(refuses: (record: ConnectorRecord) => string | undefined): void {
    this.#refuses = refuses
  }

  /** Carries out a request that writes, with the fault that is its turn. */
  protected async take(request: FastifyRequest, reply: FastifyReply, write: Write): Promise<unknown> {
    const fault = this.#next()
    if (fault !== undefined) this.#met[fault] = (this.#met[fault] ?? 0) + 1
    switch (fault) {
      case 'timeout_before_commit':
      case 'hang':
        return this.#leave(reply, fault)
      case 'token_expired':
        this.expireToken(request)
        return this.answer(reply, this.wording(fault))
      case '429_with_retry_after':
        return this.answer(reply, this.#shortened(this.wording(fault)))
      case '429_without':
      case '500_then_ok':
      case 'outage':
      case 'credentials_refused':
        return this.answer(reply, this.wording(fault))
      default:
        if (fault !== undefined && isRefusal(fault))
          return this.answer(reply, write.refuseFirst?.(fault) ?? this.wording(fault))
    }
    const refused =
      (write.refuseFirst === undefined ? this.#refusal(write.keys) : undefined) ?? write.judge?.()
    if (refused !== undefined) return this.answer(reply, refused)
    const isLost = fault === 'timeout_after_commit'
    for (const key of write.keys) this.writes.set(key, (this.writes.get(key) ?? 0) + 1)
    const good = write.commit(this.nowMs() + (isLost ? this.#waits.lateMs : 0))
    if (isLost) return this.#leave(reply, fault)
    return this.answer(reply, fault === '500_after_commit' ? this.wording(fault) : good)
  }

  /** For systems that take pages: what is said against this one record. */
  protected refusalOf(key: string): string | undefined {
    return this.#refuses({ kind: 'journal', id: key, key, recordedAt: '', document: {} })
  }

  protected answer(reply: FastifyReply, { status, headers = {}, body }: FakeAnswer): FastifyReply {
    void reply.code(status).headers(headers)
    if (body === undefined) return reply.send()
    if (typeof body === 'string') return reply.send(body)
    return reply
      .header('content-type', headers['content-type'] ?? 'application/json')
      .send(JSON.stringify(body))
  }

  /** The requests as HTTP texts, with secrets masked: for documents. */
  sentTexts(): readonly string[] {
    const mask = redactor([])
    return this.sent.map(({ method, url, headers, body }) => {
      const shown = Object.entries(headers).flatMap(([name, value]) => {
        if (plainHeaders.has(name)) return []
        const [scheme = ''] = String(value).split(' ')
        return [`${name}: ${secretHeaders.has(name) ? `${scheme} [secret]` : String(value)}`]
      })
      return [`${method} ${mask(url)}`, ...shown, ...(body === '' ? [] : ['', masked(body)])].join('\n')
    })
  }

  #refusal(keys: readonly string[]): FakeAnswer | undefined {
    const [words] = keys.map(key => this.refusalOf(key)).filter(text => text !== undefined)
    return words === undefined ? undefined : this.wording('closed_period', words)
  }

  #next(): Fault | undefined {
    const scripted = this.#faults.shift()
    if (scripted !== undefined) return scripted
    let left = Math.random()
    for (const [fault, chance] of Object.entries(this.#chances)) {
      left -= chance
      if (left < 0) return fault as Fault
    }
    return undefined
  }

  /** Gives no answer. */
  #leave(reply: FastifyReply, fault: Fault): FastifyReply {
    const { cutsForOneOpen } = this.#waits
    const isCut = fault !== 'hang' && this.#lost++ % (cutsForOneOpen + 1) !== 0
    const hangMs = isCut ? 0 : this.#waits.hangMs
    reply.hijack()
    if (hangMs === 0) reply.raw.destroy()
    else setTimeout(() => reply.raw.destroy(), hangMs).unref()
    return reply
  }

  #shortened({ headers = {}, ...answer }: FakeAnswer): FakeAnswer {
    const { retryAfterSeconds } = this.#waits
    const shorter = Object.entries(headers).map(([name, value]) => {
      if (name === 'retry-after') return [name, String(retryAfterSeconds)]
      return name === 'x-ratelimit-reset'
        ? [name, String(Number(value) - 60 + retryAfterSeconds)]
        : [name, value]
    })
    return { ...answer, headers: Object.fromEntries(shorter) as Record<string, string> }
  }

  /** For a fake in a process of its own: the same over HTTP. */
  #controls(): void {
    const parsed = (body: unknown): unknown => JSON.parse(String(body))
    this.#app.post('/_fake/faults', ({ body }) => {
      this.fail(...(parsed(body) as Fault[]))
      return {}
    })
    this.#app.post('/_fake/chances', ({ body }) => {
      this.failAtRandom(parsed(body) as Record<Fault, number>)
      return {}
    })
    this.#app.post('/_fake/waits', ({ body }) => {
      this.#waits = { ...this.#waits, ...(parsed(body) as Partial<FakeWaits>) }
      return {}
    })
    this.#app.get('/_fake/documents', async () => ({ effects: await this.effects() }))
    this.#app.get('/_fake/booked', () => ({ documents: this.booked(), faults: this.#met }))
    this.#app.get('/_fake/requests', () => this.sentTexts())
  }
}

/** The body as it is, but with the values of secret fields taken out. */
function masked(body: string): string {
  return body
    .replaceAll(/(<password>)[^<]*/g, '$1[secret]')
    .replaceAll(
      /\b((?:access_token|refresh_token|client_secret|client_assertion|password|sessionid)["']?\s*[=:>]\s*["']?)[^\s"'&<,;]+/gi,
      '$1[secret]',
    )
}
