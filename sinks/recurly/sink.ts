// The connector to Recurly: one usage record per line of a billing batch, with our key as its merchant tag.
// Invariants:
// 1. Recurly does not enforce the merchant tag. A usage is found by it among those of its add-on at its own second, billed or not.
// 2. The Idempotency-Key is a second guard for ten minutes: how long Recurly keeps one is not published.

import { z } from 'zod'
import { stableId } from '../../schemas/identifiers.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
import {
  type CheckOutcome,
  type Connector,
  type ConnectorRecord,
  type FindOutcome,
  type Placed,
  type PutOutcome,
  placeOf,
  type SentRecord,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Api, jsonOf, strangeAnswer } from '../http/api.js'
import { basic } from '../http/authorizer.js'
import { pageMs } from '../http/limiter.js'
import { withoutEnd } from '../http/list-end.js'
import { unavailable, unknownYet } from '../http/outcome.js'
import type { RecurlySettings } from './config.js'
import { outcomeOfRefusal } from './outcome.js'
import { placed, usageOf, usagePlaceOf } from './records.js'

const requestMs = 60_000
const usagesOfPage = 200
const keyLivesMs = 600_000

const usageSchema = z.object({ id: z.string(), merchant_tag: z.string().nullish() })
const listSchema = z.object({
  has_more: z.boolean(),
  next: z.string().nullish(),
  data: z.array(usageSchema),
})

export class RecurlyUsages implements Connector {
  readonly pageSize = 4
  readonly attemptMs: number
  readonly settlesWithinMs = 2 * 60_000
  readonly #settings: RecurlySettings
  readonly #parts: ConnectorParts
  readonly #api: Api

  constructor(settings: RecurlySettings, parts: ConnectorParts) {
    const { limiter, rate, nowMs, secret } = parts
    this.#settings = settings
    this.#parts = parts
    this.attemptMs = pageMs(requestMs, this.pageSize, rate)
    this.#api = new Api({
      baseUrl: settings.url,
      // The key is the user; there is no password.
      authorizer: basic(
        () => secret(settings.auth.api_key),
        () => ({ kind: 'ok', secret: '' }),
      ),
      limiter,
      requestMs,
      nowMs,
      headers: { accept: 'application/vnd.recurly.v2021-02-25' },
    })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const answer = await this.#api.send({ method: 'GET', path: '/sites', query: { limit: '1' } }, signal)
    if (answer.kind === 'failed') return unavailable(answer.outcome)
    return answer.status < 300 ? { kind: 'ready' } : unavailable(outcomeOfRefusal(answer))
  }

  put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  /** Usages are listed by subscription and add-on, which a mapping may change later. */
  async place(record: ConnectorRecord): Promise<Placed> {
    return placed(record, await this.#parts.mapping.of(record))
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const where = await placeOf(this, record)
    if (where.kind !== 'placed') return unknownYet(where)
    const { path, usageTimestamp } = usagePlaceOf(where.place)
    const query = {
      sort: 'usage_timestamp',
      begin_time: usageTimestamp,
      end_time: usageTimestamp,
      billing_status: 'all',
      limit: String(usagesOfPage),
    }
    let answer = await this.#api.send({ method: 'GET', path, query }, signal)
    for (let pages = 1; ; pages += 1) {
      if (answer.kind === 'failed') return unknownYet(answer.outcome)
      if (answer.status >= 300) return unknownYet(outcomeOfRefusal(answer))
      const page = listSchema.safeParse(jsonOf(answer))
      if (!page.success) return unknownYet(strangeAnswer(answer))
      const found = page.data.data.find(one => one.merchant_tag === record.key) // invariant 1
      if (found !== undefined) return { kind: 'there', externalId: found.id, state: 'posted' }
      const { has_more: hasMore, next } = page.data
      if (!hasMore) return { kind: 'absent' }
      if (typeof next !== 'string') return unknownYet(strangeAnswer(answer)) // the rest of the list may have it
      const endless = withoutEnd(pages)
      if (endless !== undefined) return unknownYet(endless)
      answer = await this.#api.send({ method: 'GET', path: next }, signal)
    }
  }

  async #putOne(record: SentRecord, signal: AbortSignal): Promise<PutOutcome> {
    const { nowMs } = this.#parts
    const where = await placeOf(this, record)
    if (where.kind !== 'placed') return where
    const place = usagePlaceOf(where.place)
    const made = usageOf(record, place, this.#settings)
    if (made.kind !== 'ok') return made
    const { body } = made
    const tenMinutes = Math.floor(nowMs() / keyLivesMs)
    const idempotencyKey = stableId('weir', place.path, stringifyJson(body), tenMinutes) // invariant 2
    const answer = await this.#api.send(
      {
        method: 'POST',
        path: place.path,
        headers: { 'idempotency-key': idempotencyKey },
        body: { json: body },
      },
      signal,
    )
    if (answer.kind === 'failed') return answer.outcome
    if (answer.status >= 300) return outcomeOfRefusal(answer)
    const usage = usageSchema.safeParse(jsonOf(answer))
    if (!usage.success) return strangeAnswer(answer)
    return { kind: 'accepted', externalId: usage.data.id }
  }
}
