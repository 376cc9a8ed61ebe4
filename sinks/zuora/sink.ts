// The connector to Zuora: one usage record per line of a billing batch, with our key in one of its fields. Zuora prices it.
// Invariants:
// 1. A usage record is found again by account and day and recognised by our key, however old it is. The Idempotency-Key guards
//    the minutes around an attempt, and delivery does not rest on it.
// 2. Zuora repeats for a day what it answered a key first, errors too, and does not say that it does. So the key changes after a
//    refusal and with a restart, before which the reason may have been mended, and every ten minutes.

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { stringifyJson } from '../../schemas/json/json-text.js'
import { formatScaled, parseDecimal } from '../../schemas/money/decimal.js'
import { readBatchLine } from '../batch-line-record.js'
import {
  type CheckOutcome,
  type Connector,
  type ConnectorRecord,
  type DocumentRange,
  type FindOutcome,
  type Placed,
  type PutOutcome,
  placeOf,
  type ReceiverDocument,
  type SentRecord,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Api, jsonOf } from '../http/api.js'
import { bearer } from '../http/authorizer.js'
import { IdempotencyKeys } from '../http/idempotency-keys.js'
import { pageMs } from '../http/limiter.js'
import { unavailable, unknownYet } from '../http/outcome.js'
import { clientCredentials } from '../oauth/client-credentials.js'
import type { ZuoraSettings } from './config.js'
import { outcomeOfRefusal } from './outcome.js'
import { queryAll, type UsageRow, usageQuery } from './queries.js'
import { dayOf, noonOf, usageOf, usagePlace } from './records.js'

const requestMs = 60_000

const createdSchema = z.object({ Success: z.literal(true), Id: z.string().min(1) })

export class ZuoraConnector implements Connector {
  /** Requests under way at the same time; the limiter lets fewer go. */
  readonly pageSize = 8
  /** How long an idempotency key counts before it is made anew: what a receiver stored under it is then asked again. */
  readonly keyLivesMs = 600_000
  readonly attemptMs: number
  readonly settlesWithinMs = 5 * 60_000
  readonly #settings: ZuoraSettings
  readonly #parts: ConnectorParts
  readonly #api: Api
  readonly #keys = new IdempotencyKeys()
  readonly #opening = randomUUID()

  constructor(settings: ZuoraSettings, parts: ConnectorParts) {
    this.#settings = settings
    this.#parts = parts
    const { limiter, rate, nowMs, secret } = parts
    const { url, auth, zuora_entity: entity } = settings
    this.attemptMs = pageMs(requestMs, this.pageSize, rate)
    const tokens = clientCredentials({
      tokenUrl: auth.token_url ?? new URL('/oauth/token', url).href,
      clientId: auth.client_id,
      proof: { kind: 'secret', secret: () => secret(auth.client_secret), in: 'post' },
      nowMs,
    })
    this.#api = new Api({
      baseUrl: url,
      authorizer: bearer(tokens),
      limiter,
      requestMs,
      nowMs,
      ...(entity === undefined ? {} : { headers: { 'zuora-entity-ids': entity } }),
    })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const asked = await queryAll(
      this.#api,
      "select Id from Usage where AccountNumber = 'weir'",
      () => false,
      signal,
    )
    return asked.kind === 'ok' ? { kind: 'ready' } : unavailable(asked.outcome)
  }

  put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  /** Usage records are listed by account, which a mapping may change later, and recognised by a field, which the settings may. */
  async place(record: ConnectorRecord): Promise<Placed> {
    return usagePlace(record, await this.#parts.mapping.of(record), this.#settings)
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const read = readBatchLine(record)
    if (read.kind !== 'ok') return unknownYet(read)
    const placed = await placeOf(this, record)
    if (placed.kind !== 'placed') return unknownYet(placed)
    const { account = '', key_field: field = '', key_text: text } = placed.place
    const { time_zone: zone } = this.#settings
    const range = { from: noonOf(read.date, zone, -1), until: noonOf(read.date, zone, 1), account }
    const isOurs = (row: UsageRow): boolean => row[field] === text
    const asked = await queryAll(this.#api, usageQuery(field, range), isOurs, signal)
    if (asked.kind === 'failed') return unknownYet(asked.outcome)
    const [ours] = asked.rows
    return ours === undefined ? { kind: 'absent' } : { kind: 'there', externalId: ours.Id, state: 'posted' }
  }

  async *documents({ from, until }: DocumentRange, signal: AbortSignal): AsyncGenerator<ReceiverDocument> {
    const { key_field: field, time_zone: zone, prefix } = this.#settings
    const range = { from: noonOf(from, zone), until: noonOf(until, zone) }
    const isOurs = ({ [field]: text }: UsageRow): boolean =>
      typeof text === 'string' && text.startsWith(prefix)
    const asked = await queryAll(this.#api, usageQuery(field, range), isOurs, signal)
    if (asked.kind === 'failed')
      throw new Error('detail' in asked.outcome ? asked.outcome.detail : asked.outcome.kind)
    for (const { Id: externalId, StartDateTime: time, Quantity, [field]: text } of asked.rows) {
      const date = dayOf(time, zone)
      const quantity = parseDecimal(Quantity)
      yield {
        key: String(text).slice(prefix.length),
        externalId,
        state: 'posted',
        ...(date === undefined ? {} : { date }),
        ...(quantity.kind === 'ok' ? { quantity: formatScaled(quantity.value) } : {}),
      }
    }
  }

  async #putOne(record: SentRecord, signal: AbortSignal): Promise<PutOutcome> {
    const { mapping, nowMs } = this.#parts
    const placed = await placeOf(this, record)
    if (placed.kind !== 'placed') return placed
    const made = usageOf(record, await mapping.of(record), placed.place['account'] ?? '', this.#settings)
    if (made.kind !== 'ok') return made
    const text = stringifyJson(made.body)
    const content = `${this.#opening} ${Math.floor(nowMs() / this.keyLivesMs)} ${text}` // invariant 2
    const answer = await this.#api.send(
      {
        method: 'POST',
        path: '/v1/object/usage',
        query: { rejectUnknownFields: 'true' },
        headers: { 'idempotency-key': this.#keys.of(content) },
        body: { text, contentType: 'application/json' },
      },
      signal,
    )
    if (answer.kind === 'failed') return answer.outcome
    const created = answer.status < 300 ? createdSchema.safeParse(jsonOf(answer)) : undefined
    if (created?.success === true) return { kind: 'accepted', externalId: created.data.Id }
    if (answer.status !== 409) this.#keys.refused(content)
    return outcomeOfRefusal(answer)
  }
}
