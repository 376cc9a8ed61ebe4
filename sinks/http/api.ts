// A receiver's HTTP interface as a connector sees it: base URL, authorization, rate, deadline and redaction in one
// place, so that a connector says what it asks and reads what comes back.
//
// One attempt per call. The one exception: a request that was answered 401 was surely not carried out, so it is sent once
// more with a new authorization where there can be one; a second 401 stops the connection.
// Invariants: failures never throw; no text that leaves here contains a secret.

import { stringifyJson } from '../../schemas/json/json-text.js'
import type { PutOutcome } from '../connector.js'
import type { Authorization, Authorizer } from './authorizer.js'
import type { Limiter } from './limiter.js'
import { type NotReached, notReached, stopped } from './outcome.js'
import { redactor } from './redact.js'
import { type HttpAnswer, type HttpRequest, send } from './request.js'

export type RequestBody =
  /** A bigint or an ExactNumber in it is written with all its digits. */
  | { readonly json: unknown }
  | { readonly form: Readonly<Record<string, string>> }
  | { readonly xml: string }
  | { readonly text: string; readonly contentType: string }

export interface ApiRequest {
  readonly method: HttpRequest['method']
  /** Below the base URL, encoded; or a whole URL of the same origin. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: RequestBody
}

export interface ApiAnswer {
  readonly kind: 'answer'
  readonly status: number
  readonly headers: Headers
  readonly body: string
  /** Text as it may be kept or logged. */
  readonly redact: (text: string) => string
}

/** `failed`: the record's content was not judged; `outcome` is ready to be returned. */
export type ApiResult = ApiAnswer | { readonly kind: 'failed'; readonly outcome: NotReached }

export interface ApiOptions {
  readonly baseUrl: string
  readonly authorizer: Authorizer
  readonly limiter: Limiter
  /** The deadline of one request; it begins when the limiter lets it go. */
  readonly requestMs: number
  readonly nowMs: () => number
  /** Sent with each request. */
  readonly headers?: Readonly<Record<string, string>>
}

type Authorized = Extract<Authorization, { kind: 'ok' }>

export class Api {
  readonly #options: ApiOptions

  constructor(options: ApiOptions) {
    this.#options = options
  }

  /** 2xx and a 4xx about the content are answers; all else is `failed` with the outcome that it means for a record. */
  async send(request: ApiRequest, signal: AbortSignal): Promise<ApiResult> {
    const { authorizer } = this.#options
    const url = this.#urlOf(request)
    if (url === undefined) {
      const detail = `the receiver names an address that is not of ${new URL(this.#options.baseUrl).origin}`
      return { kind: 'failed', outcome: stopped('redirected', detail) }
    }
    for (let isAgain = false; ; isAgain = true) {
      const authorization = await authorizer.authorize({ method: request.method, url }, signal)
      if (authorization.kind !== 'ok') return { kind: 'failed', outcome: authorization }
      const redact = redactor(authorization.secrets)
      const answer = await this.#sendOnce(request, url, authorization, signal)
      const is401 = answer.kind === 'answer' && answer.status === 401
      if (is401 && authorizer.refused(authorization) && !isAgain) continue
      const outcome = notReached(answer, redact, this.#options.nowMs())
      if (outcome !== undefined) return { kind: 'failed', outcome }
      if (answer.kind !== 'answer') throw new Error('a request without an answer has an outcome')
      return { ...answer, redact }
    }
  }

  async #sendOnce(
    { method, headers, body }: ApiRequest,
    url: string,
    authorization: Authorized,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const { limiter, requestMs } = this.#options
    const leave = await limiter.enter(signal)
    if (leave === undefined)
      return { kind: 'not_sent', code: 'aborted', detail: 'stopped while waiting for the rate limit' }
    try {
      const content = body === undefined ? undefined : contentOf(body)
      const request: HttpRequest = {
        method,
        url,
        headers: {
          'user-agent': 'weir',
          ...this.#options.headers,
          ...(content === undefined ? {} : { 'content-type': content.type }),
          ...headers,
          ...authorization.headers,
        },
        ...(content === undefined ? {} : { body: content.text }),
      }
      return await send(request, requestMs, signal)
    } finally {
      leave()
    }
  }

  /**
   * What is sent goes to the origin of the configuration alone, whatever a receiver's answer names as the next page.
   * Undefined for another one. A whole URL stays as the receiver wrote it.
   */
  #urlOf({ path, query }: ApiRequest): string | undefined {
    const base = new URL(this.#options.baseUrl)
    if (/^https?:/i.test(path)) {
      const whole = URL.canParse(path) ? new URL(path) : undefined
      return whole?.origin === base.origin ? whole.href : undefined
    }
    const url = new URL(`${base.href.replace(/\/$/, '')}/${path.replace(/^\//, '')}`)
    if (query === undefined) return url.href
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    // A space as RFC 3986 has it, which every server reads; URLSearchParams writes that of forms.
    url.search = url.search.replaceAll('+', '%20')
    return url.href
  }
}

/** The JSON of an answer; undefined when it is none. */
export function jsonOf({ body }: Pick<ApiAnswer, 'body'>): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** An answer of 2xx that is not what the interface promises: what it did is unknown. */
export function strangeAnswer({ status, body, redact }: ApiAnswer): PutOutcome {
  return {
    kind: 'unclear',
    code: 'no_answer',
    detail: `an answer that says nothing: HTTP ${status}: ${redact(body)}`,
  }
}

/** 404 for the interface as a whole: the URL is wrong, or the account gone. */
export function nobodyThere(answer: ApiAnswer): PutOutcome {
  return stopped('receiver_not_found', `HTTP ${answer.status}: ${answer.redact(answer.body)}`)
}

function contentOf(body: RequestBody): { readonly type: string; readonly text: string } {
  if ('json' in body) return { type: 'application/json', text: stringifyJson(body.json) }
  if ('form' in body)
    return { type: 'application/x-www-form-urlencoded', text: new URLSearchParams(body.form).toString() }
  if ('xml' in body) return { type: 'text/xml; charset=utf-8', text: body.xml }
  return { type: body.contentType, text: body.text }
}
