// The NetSuite connector: one journal entry per record, written under our key as its external id.
// Invariants:
// 1. A record is written by PUT to `eid:<external id>` with `replace=line`: written twice, it is the same entry with the same
//    lines.
// 2. After an unclear answer it is read first, and `absent` proves nothing for 15 minutes, because NetSuite finishes requests
//    whose client has left.
// 3. An entry that waits for approval is `written` and not in effect.

import { z } from 'zod'
import type {
  CheckOutcome,
  Connector,
  ConnectorRecord,
  DocumentRange,
  FindOutcome,
  Placed,
  PutOutcome,
  ReceiverDocument,
  SentRecord,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Api, jsonOf, strangeAnswer } from '../http/api.js'
import { pageMs } from '../http/limiter.js'
import { unavailable, unknownYet } from '../http/outcome.js'
import { prefixPlace, settingsOf } from '../kept-prefix.js'
import { mappedAccounts } from '../receiver-lines.js'
import { authorizerOf } from './authorization.js'
import type { NetsuiteSettings } from './config.js'
import { documentsOf } from './documents.js'
import { isOfNetsuite, outcomeOfRefusal } from './outcome.js'
import { bodyOf, externalIdOf } from './records.js'

const journals = '/services/rest/record/v1/journalEntry'
const requestMs = 60_000

const entrySchema = z.object({
  id: z.string(),
  approvalStatus: z.object({ id: z.string() }).optional(),
})

export class NetsuiteConnector implements Connector {
  /** Requests under way at the same time; the limiter lets fewer go. */
  readonly pageSize = 8
  readonly attemptMs: number
  readonly settlesWithinMs = 15 * 60_000
  readonly #settings: NetsuiteSettings
  readonly #parts: ConnectorParts
  readonly #api: Api

  constructor(settings: NetsuiteSettings, parts: ConnectorParts) {
    const { limiter, rate, nowMs } = parts
    this.#settings = settings
    this.#parts = parts
    this.attemptMs = pageMs(requestMs, this.pageSize, rate)
    const authorizer = authorizerOf(settings, parts)
    this.#api = new Api({ baseUrl: settings.url, authorizer, limiter, requestMs, nowMs })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const answer = await this.#api.send({ method: 'GET', path: journals, query: { limit: '1' } }, signal)
    if (answer.kind === 'failed') return unavailable(answer.outcome)
    return answer.status < 300 ? { kind: 'ready' } : unavailable(outcomeOfRefusal(answer))
  }

  /** Our key is found by the prefix that it was sent with, whatever the setting says by now. */
  place(): Promise<Placed> {
    return prefixPlace(this.#settings)
  }

  put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const answer = await this.#api.send({ method: 'GET', path: this.#pathOf(record) }, signal)
    if (answer.kind === 'failed') return unknownYet(answer.outcome)
    // A page for people proves nothing.
    if (answer.status === 404 && isOfNetsuite(answer)) return { kind: 'absent' }
    if (answer.status >= 300) return unknownYet(outcomeOfRefusal(answer))
    const entry = entrySchema.safeParse(jsonOf(answer))
    if (!entry.success) return unknownYet(strangeAnswer(answer))
    const { id, approvalStatus } = entry.data
    const isInEffect = approvalStatus === undefined || approvalStatus.id === '2'
    return { kind: 'there', externalId: id, state: isInEffect ? 'posted' : 'written' } // invariant 3
  }

  documents(range: DocumentRange, signal: AbortSignal): AsyncIterable<ReceiverDocument> {
    return documentsOf(this.#api, this.#settings.prefix, range, signal)
  }

  accountsOf(record: ConnectorRecord): Promise<readonly string[] | undefined> {
    return mappedAccounts(record, this.#parts.mapping)
  }

  async #putOne(record: SentRecord, signal: AbortSignal): Promise<PutOutcome> {
    const settings = settingsOf(this.#settings, record)
    const made = bodyOf(record, await this.#parts.mapping.of(record), settings)
    if (made.kind !== 'ok') return made
    const answer = await this.#api.send(
      { method: 'PUT', path: this.#pathOf(record), query: { replace: 'line' }, body: { json: made.body } },
      signal,
    )
    if (answer.kind === 'failed') return answer.outcome
    if (answer.status >= 300) return outcomeOfRefusal(answer)
    const id = /\/(\d+)$/.exec(answer.headers.get('location') ?? '')?.[1]
    // A page for people may come with 200; what NetSuite has written it says with 204, and mostly where.
    if (id === undefined && answer.status !== 204) return strangeAnswer(answer)
    const externalId = id ?? `eid:${externalIdOf(record, settings.prefix)}`
    return { kind: settings.approval === 'approved' ? 'accepted' : 'written', externalId }
  }

  #pathOf(record: SentRecord): string {
    return `${journals}/eid:${externalIdOf(record, settingsOf(this.#settings, record).prefix)}`
  }
}
