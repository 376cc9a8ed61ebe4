// The webhook connector: one signed request per record.
// Invariant: a record is repeated under its own `webhook-id`, by which a receiver of Standard Webhooks drops what it has.

import type { CheckOutcome, Connector, ConnectorRecord, FindOutcome, PutOutcome } from '../connector.js'
import { type Send, sendAtRate } from '../http/rate.js'
import { redactor } from '../http/redact.js'
import { keyOfSecret, secretPrefix, type WebhookConfig } from './config.js'
import { outcomeOfWebhook } from './outcome.js'
import { requestOf } from './records.js'

const defaultAttemptMs = 20_000

export class WebhookConnector implements Connector {
  /** Requests that are under way at the same time. */
  readonly pageSize = 8
  /** Of a page: the last request may have to wait for its turn. */
  readonly attemptMs: number
  readonly settlesWithinMs = 0
  readonly #url: string
  readonly #keys: readonly Uint8Array[]
  readonly #send: Send
  readonly #requestMs: number
  readonly #redact: (text: string) => string
  readonly #nowMs: () => number

  /** Throws for a secret that is none; the configuration has seen to that before. */
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

  /** A receiver of webhooks offers nothing to ask for. */
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
