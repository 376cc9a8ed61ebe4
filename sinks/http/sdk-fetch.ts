// Lets a vendor's SDK send through our own request: to the base URL of the connection, within its rate, with its
// deadline and signal. The SDK then shapes requests and reads answers, and nothing else.
//
// The origin of a request is replaced, because some SDKs know only the hosts of their vendor.
// Invariant: what the receiver did not judge (no answer, 401, 429, 5xx) is thrown as `NotReachedError` with its outcome, which
// an SDK passes on as the cause of its own error, and which none of them takes for a reason to try again.

import type { PutOutcome } from '../connector.js'
import type { Limiter } from './limiter.js'
import { type NotReached, notReached } from './outcome.js'
import { type HttpRequest, send } from './request.js'

export interface SdkFetchOptions {
  readonly baseUrl: string
  readonly limiter: Limiter
  /** The deadline of one request; it begins when the limiter lets it go. */
  readonly requestMs: number
  readonly nowMs: () => number
  readonly redact: (text: string) => string
  readonly signal: AbortSignal
  /** Called with the headers of each answer, also of those that an SDK does not get to see. */
  readonly onAnswer?: (headers: Headers) => void
}

export class NotReachedError extends Error {
  readonly outcome: NotReached

  constructor(outcome: NotReached) {
    super(outcome.detail)
    this.name = 'NotReachedError'
    this.outcome = outcome
  }
}

export function sdkFetch(options: SdkFetchOptions): (request: Request) => Promise<Response> {
  const { baseUrl, limiter, requestMs, nowMs, redact, signal, onAnswer } = options
  return async request => {
    const { pathname, search } = new URL(request.url)
    const body = request.body === null ? undefined : await request.text()
    const leave = await limiter.enter(signal)
    if (leave === undefined) throw new NotReachedError(notSent)
    try {
      const sent: HttpRequest = {
        method: request.method as HttpRequest['method'],
        url: `${new URL(baseUrl).origin}${pathname}${search}`,
        headers: Object.fromEntries(request.headers),
        ...(body === undefined ? {} : { body }),
      }
      const answer = await send(sent, requestMs, signal)
      if (answer.kind === 'answer') onAnswer?.(answer.headers)
      const outcome = notReached(answer, redact, nowMs())
      if (outcome !== undefined) throw new NotReachedError(outcome)
      if (answer.kind !== 'answer') throw new Error('a request without an answer has an outcome')
      const { status, headers } = answer
      return new Response(status === 204 ? null : answer.body, { status, headers })
    } finally {
      leave()
    }
  }
}

/** The outcome within an error of an SDK. */
export function notReachedIn(error: unknown): NotReached | undefined {
  if (error instanceof NotReachedError) return error.outcome
  if (typeof error !== 'object' || error === null) return undefined
  const { detail, cause } = error as { detail?: unknown; cause?: unknown }
  return notReachedIn(detail) ?? notReachedIn(cause)
}

/** An answer of 2xx that the SDK could not read: what it did is unknown. */
export function unreadable(error: unknown, redact: (text: string) => string): PutOutcome {
  const words = error instanceof Error ? error.message : String(error)
  return { kind: 'unclear', code: 'no_answer', detail: redact(`an answer that says nothing: ${words}`) }
}

/** An answer of 2xx without what the receiver promises for it: what it did is unknown. */
export function saysNothing(answer: object): PutOutcome {
  const detail = `an answer that says nothing, with the members ${Object.keys(answer).join(', ')}`.slice(
    0,
    500,
  )
  return { kind: 'unclear', code: 'no_answer', detail }
}

const notSent: NotReached = {
  kind: 'throttled',
  code: 'receiver_unavailable',
  detail: 'stopped while waiting for the rate limit',
}
