// Reads from a source's HTTP API: one request within the rate, as connections send (sinks/http), with every end that is no answer
// told as a `SourceTrouble`.
// Invariants: no text that leaves here holds a secret; numbers of an answer keep their digits; no redirect is followed; what an
// arrival or an answer names stays below the path where it stands.

import { isRecord, parseJson } from '../../schemas/json/json-text.js'
import type { SecretSource } from '../../sinks/connector-kind.js'
import { Api, type ApiAnswer, type ApiRequest } from '../../sinks/http/api.js'
import type { Authorizer } from '../../sinks/http/authorizer.js'
import type { Limiter } from '../../sinks/http/limiter.js'
import type { NotReached } from '../../sinks/http/outcome.js'
import { type ReachParts, SourceTrouble } from './source-kind.js'

export interface SourceApiOptions {
  /** The system's name, for people. */
  readonly system: string
  readonly baseUrl: string
  readonly limiter: Limiter
  readonly nowMs: () => number
  readonly headers?: Readonly<Record<string, string>>
  /** The header of authorization; a `SourceTrouble` where there is no key. */
  readonly authorization: () => string
}

export interface Page {
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: Headers
  /** By the source's clock where it says, else by ours. */
  readonly atMs: number
}

const requestMs = 30_000
/** Segments that an address drops, encoded or not. */
const dots = /(?:^|\/)(?:\.|%2e){1,2}(?:[/?]|$)/i

export class SourceApi {
  readonly #api: Api
  readonly #options: SourceApiOptions

  constructor(options: SourceApiOptions) {
    const { baseUrl, limiter, nowMs, headers = {}, authorization } = options
    const authorizer: Authorizer = {
      async authorize() {
        const value = authorization()
        const secrets = [value, ...value.split(' ').slice(1)]
        return { kind: 'ok', headers: { authorization: value }, secrets }
      },
      refused: () => false,
    }
    this.#api = new Api({ baseUrl, authorizer, limiter, requestMs, nowMs, headers })
    this.#options = options
  }

  /** Undefined: there is no such thing. */
  async get(
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Page | undefined> {
    return this.#ask({ method: 'GET', path, query }, signal)
  }

  /** What only reads, such as a search. */
  async post(path: string, json: unknown, signal: AbortSignal): Promise<Page | undefined> {
    return this.#ask({ method: 'POST', path, body: { json } }, signal)
  }

  async #ask(request: ApiRequest, signal: AbortSignal): Promise<Page | undefined> {
    const { system, nowMs } = this.#options
    if (dots.test(request.path)) return undefined // an id that would lead to something else
    const result = await this.#api.send(request, signal)
    if (result.kind === 'failed') throw troubleOf(system, result.outcome)
    if (result.status === 404) return undefined
    if (result.status >= 300) throw refusedBy(system, result)
    const json = parseJson(result.body)
    if (json.kind !== 'ok' || !isRecord(json.value))
      throw new SourceTrouble('answer_not_understood', `${system} answers with something that is no object.`)
    const dateMs = Date.parse(result.headers.get('date') ?? '')
    return { body: json.value, headers: result.headers, atMs: Number.isNaN(dateMs) ? nowMs() : dateMs }
  }
}

/** The objects of a page; throws when it has no list, which says nothing of what there is. */
export function wholeList(system: string, list: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (Array.isArray(list) && list.every(isRecord)) return list
  throw new SourceTrouble('answer_not_understood', `${system} answers without a list of objects.`)
}

function troubleOf(system: string, outcome: NotReached): SourceTrouble {
  const { code, detail } = 'code' in outcome ? outcome : { code: 'no_answer', detail: '' }
  const retryAfterMs = outcome.kind === 'throttled' ? outcome.retryAfterMs : undefined
  return new SourceTrouble(code, `${system}: ${detail}`.slice(0, 500), retryAfterMs)
}

function refusedBy(system: string, { status, body, redact }: ApiAnswer): SourceTrouble {
  const code = status === 403 ? 'credentials_refused' : 'source_refuses'
  return new SourceTrouble(code, `${system} answers ${status}: ${redact(body)}`.slice(0, 500))
}

/** The key of a source's settings; told once it is needed, since most events need none. */
export function apiKeyOf({ settings, secret }: Pick<ReachParts, 'settings' | 'secret'>, why: string): string {
  const key = settings['api_key'] as SecretSource | undefined
  if (key === undefined) throw new SourceTrouble('api_key_missing', why)
  return secret(key)
}
