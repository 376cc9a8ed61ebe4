// The webhook connector: one signed request per record.
// Invariant: every attempt of a record has the same `webhook-id`, so that the receiver can drop repetitions.

import type { CheckOutcome, Connector, ConnectorRecord, FindOutcome, PutOutcome } from '../connector.js'
import { freeLimiter, type Limiter, pageMs } from '../http/limiter.js'
import { redactor } from '../http/redact.js'
import { type HttpAnswer, type HttpRequest, send } from '../http/request.js'
import { keyOfSecret, secretPrefix, type WebhookConfig } from './config.js'
import { outcomeOfWebhook } from './outcome.js'
import { requestOf } from './records.js'

const defaultAttemptMs = 20_000

export class WebhookConnector implements Connector {
  /** The number of requests in progress at the same time. */
  readonly pageSize = 8
  /** Time for a whole page, whose last request may have to wait for the rate limit. */
  readonly attemptMs: number
  readonly settlesWithinMs = 0
  readonly #config: WebhookConfig
  readonly #limiter: Limiter
  readonly #requestMs: number
  readonly #nowMs: () => number

  constructor(config: WebhookConfig, nowMs: () => number = Date.now) {
    const { limiter = freeLimiter, rate = {}, attemptMs = defaultAttemptMs } = config
    this.#config = config
    this.#limiter = limiter
    this.#requestMs = attemptMs
    this.attemptMs = pageMs(attemptMs, this.pageSize, rate)
    this.#nowMs = nowMs
  }

  /** A receiver of webhooks has no request that checks it; the secrets can be missing. */
  async check(): Promise<CheckOutcome> {
    const keys = this.#keys()
    return keys.kind === 'ok' ? { kind: 'ready' } : keys
  }

  async put(records: readonly ConnectorRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    const read = this.#keys()
    if (read.kind !== 'ok') return records.map(() => read)
    return Promise.all(records.map(record => this.#putOne(record, read, signal)))
  }

  async find(): Promise<FindOutcome> {
    return { kind: 'repeatable' }
  }

  #keys() {
    const read = this.#config.secrets()
    if (read.kind !== 'ok') return read
    const keys = read.secrets.map(secret => keyOfSecret(secret))
    const sound = keys.filter(key => key !== undefined)
    if (sound.length < keys.length || sound.length === 0) {
      const detail = 'a secret of a webhook is whsec_ and 24 to 64 bytes in base64'
      return { kind: 'stopped', code: 'credentials_missing', detail } as const
    }
    return { kind: 'ok', keys: sound, secrets: read.secrets } as const
  }

  async #putOne(
    record: ConnectorRecord,
    { keys, secrets }: { readonly keys: readonly Uint8Array[]; readonly secrets: readonly string[] },
    signal: AbortSignal,
  ): Promise<PutOutcome> {
    const redact = redactor(secrets.flatMap(one => [one, one.replace(secretPrefix, '')]))
    const request = requestOf(record, this.#config.url, keys, this.#nowMs())
    const answer = await this.#sendInTurn(request, signal)
    return outcomeOfWebhook(answer, record.key, redact, this.#nowMs())
  }

  async #sendInTurn(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const leave = await this.#limiter.enter(signal)
    if (leave === undefined)
      return { kind: 'not_sent', code: 'aborted', detail: 'stopped while waiting for the rate limit' }
    try {
      return await send(request, this.#requestMs, signal)
    } finally {
      leave()
    }
  }
}
