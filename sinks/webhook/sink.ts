// The webhook connector: one signed request per record.
// Invariant: every attempt of a record has the same `webhook-id`, so that the receiver can drop repetitions.

import type { CheckOutcome, Connector, ConnectorRecord, FindOutcome, PutOutcome } from '../connector.js'
import { type Send, sendAtRate } from '../http/rate.js'
import { redactor } from '../http/redact.js'
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
  readonly #url: string
  readonly #keys: readonly Uint8Array[]
  readonly #send: Send
  readonly #requestMs: number
  readonly #redact: (text: string) => string
  readonly #nowMs: () => number

  /** Throws for an invalid secret; the configuration has checked the secrets before. */
  constructor(config: WebhookConfig, nowMs: () => number = Date.now) {
    const { url, secrets, perSecond, attemptMs = defaultAttemptMs } = config
    this.#url = url
    this.#keys = secrets.map(secret => {
      const key = keyOfSecret(secret)
      if (key === undefined) throw new Error('a secret of a webhook is no base64 of 24 to 64 bytes')
      return key
    })
    if (this.#keys.length === 0) throw new Error('a webhook has a secret')
    this.#requestMs = attemptMs
    this.attemptMs = attemptMs + (perSecond === undefined ? 0 : (this.pageSize / perSecond) * 1_000)
    this.#send = sendAtRate(perSecond)
    this.#redact = redactor(secrets.flatMap(one => [one, one.replace(secretPrefix, '')]))
    this.#nowMs = nowMs
  }

  /** Always ready: a receiver of webhooks has no request that checks it. */
  async check(): Promise<CheckOutcome> {
    return { kind: 'ready' }
  }

  put(records: readonly ConnectorRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  async find(): Promise<FindOutcome> {
    return { kind: 'repeatable' }
  }

  async #putOne(record: ConnectorRecord, signal: AbortSignal): Promise<PutOutcome> {
    const request = requestOf(record, this.#url, this.#keys, this.#nowMs())
    const answer = await this.#send(request, this.#requestMs, signal)
    return outcomeOfWebhook(answer, record.key, this.#redact, this.#nowMs())
  }
}
