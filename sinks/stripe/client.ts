// The `stripe` package as both connectors use it: a client for each call, so that a secret that was replaced counts at once, which sends
// through our own request and tries nothing again.

import { Stripe } from 'stripe'
import type { CheckOutcome, PutOutcome } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { unavailable } from '../http/outcome.js'
import { redactor } from '../http/redact.js'
import { sdkFetch } from '../http/sdk-fetch.js'
import type { StripeSettings } from './config.js'
import { outcomeOfError } from './outcome.js'

export const requestMs = 80_000

export type Called<T> =
  | { readonly kind: 'ok'; readonly value: T }
  /** `isReplayed`: Stripe did nothing now and gave the stored answer of an earlier request with this idempotency key. */
  | { readonly kind: 'failed'; readonly outcome: PutOutcome; readonly isReplayed: boolean }

export class StripeClient {
  readonly #settings: StripeSettings
  readonly #parts: ConnectorParts

  constructor(settings: StripeSettings, parts: ConnectorParts) {
    this.#settings = settings
    this.#parts = parts
  }

  async call<T>(signal: AbortSignal, work: (stripe: Stripe) => Promise<T>): Promise<Called<T>> {
    const { url: baseUrl, auth, account } = this.#settings
    const { limiter, nowMs, secret } = this.#parts
    const key = secret(auth.secret_key)
    if (key.kind !== 'ok') return { kind: 'failed', outcome: key, isReplayed: false }
    const redact = redactor([key.secret])
    let isReplayed = false
    const onAnswer = (headers: Headers): void => {
      isReplayed = headers.get('idempotent-replayed') === 'true'
    }
    const ours = sdkFetch({ baseUrl, limiter, requestMs, nowMs, redact, signal, onAnswer })
    const stripe = new Stripe(key.secret, {
      // The package's own signal ends: the deadline of a request begins when the limiter lets it go.
      httpClient: Stripe.createFetchHttpClient((input, init) =>
        ours(new Request(input, { ...init, signal: null })),
      ),
      maxNetworkRetries: 0,
      telemetry: false,
      appInfo: { name: 'weir' },
      ...(account === undefined ? {} : { stripeAccount: account }),
    })
    try {
      return { kind: 'ok', value: await work(stripe) }
    } catch (error) {
      return { kind: 'failed', outcome: outcomeOfError(error, redact), isReplayed }
    }
  }

  /** `work`: the cheapest question that the credentials must allow. */
  async check(signal: AbortSignal, work: (stripe: Stripe) => Promise<unknown>): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const called = await this.call(signal, work)
    return called.kind === 'ok' ? { kind: 'ready' } : unavailable(called.outcome)
  }
}
