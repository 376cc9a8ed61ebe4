// Keeps the access token of a connection: one request for a token at a time, renewed before it ends.
// Invariant: a caller that stops waiting does not cut off the request that others wait for.

import type { PutOutcome, Stopped } from '../connector.js'
import type { TokenSource } from '../http/authorizer.js'

type Throttled = Extract<PutOutcome, { kind: 'throttled' }>

export type FetchedToken =
  | { readonly kind: 'ok'; readonly token: string; readonly expiresInMs: number }
  | Stopped
  | Throttled

/** Renewed this long before its end, or after four fifths of its life where that is short. */
const spareMs = 120_000

export class TokenCache implements TokenSource {
  readonly #fetch: () => Promise<FetchedToken>
  readonly #nowMs: () => number
  #kept: { readonly token: string; readonly untilMs: number } | undefined
  #underWay: Promise<FetchedToken> | undefined

  /** `fetch` has a deadline of its own and does not throw. */
  constructor(fetch: () => Promise<FetchedToken>, nowMs: () => number) {
    this.#fetch = fetch
    this.#nowMs = nowMs
  }

  async token(signal: AbortSignal): ReturnType<TokenSource['token']> {
    if (this.#kept !== undefined && this.#nowMs() < this.#kept.untilMs)
      return { kind: 'ok', token: this.#kept.token }
    this.#underWay ??= this.#renew().finally(() => {
      this.#underWay = undefined
    })
    const ended = new AbortController()
    try {
      return await Promise.race([this.#underWay, abortOf(signal, ended.signal)])
    } finally {
      ended.abort()
    }
  }

  discard(token: string): void {
    if (this.#kept?.token === token) this.#kept = undefined
  }

  async #renew(): Promise<FetchedToken> {
    const fetched = await this.#fetch()
    if (fetched.kind !== 'ok') return fetched
    const { token, expiresInMs } = fetched
    this.#kept = { token, untilMs: this.#nowMs() + Math.max(expiresInMs - spareMs, expiresInMs * 0.8) }
    return fetched
  }
}

function abortOf(signal: AbortSignal, ended: AbortSignal): Promise<Throttled> {
  const given: Throttled = { kind: 'throttled', code: 'aborted', detail: 'stopped while waiting for a token' }
  if (signal.aborted) return Promise.resolve(given)
  return new Promise(resolve =>
    signal.addEventListener('abort', () => resolve(given), { once: true, signal: ended }),
  )
}
