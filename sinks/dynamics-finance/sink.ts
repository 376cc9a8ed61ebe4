// The Dynamics 365 Finance connector: one general journal per record, header and lines in one changeset.
//
// A journal that is written is a draft. People or a job there post it, or the action that the settings name; so a record stays
// `written` until a look-up finds its journal posted.
// Invariants:
// 1. Header and lines take effect all or none.
// 2. The batch number of the journal is a hash of our key, and its description has the whole key: a number that is taken is ours
//    if the description says so, and then nothing is written again.
// 3. Only `IsPosted` of the header proves that an entry is in effect.

import { z } from 'zod'
import type {
  CheckOutcome,
  Connector,
  ConnectorRecord,
  DocumentRange,
  FindOutcome,
  PutOutcome,
  ReceiverDocument,
} from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Api, strangeAnswer } from '../http/api.js'
import { pageMs } from '../http/limiter.js'
import { type FailedOutcome, rowsOf } from '../http/odata.js'
import { unavailable, unknownYet } from '../http/outcome.js'
import { entraAuthorizer } from '../oauth/entra.js'
import { mappedAccounts } from '../receiver-lines.js'
import { answersIn, changesetOf } from './changeset.js'
import type { DynamicsFinanceSettings } from './config.js'
import { documentsOf } from './documents.js'
import { outcomeOfError, outcomeOfRefusal, refused } from './outcome.js'
import { accountOf, batchNumberOf, type EntryOfJournal, entryOf, mainAccountOf, textOf } from './records.js'

const requestMs = 100_000
/** The changeset, and where the number is taken or an action posts, a look-up before and after it. */
const requestsOfRecord = 4

export const headerSchema = z.object({
  dataAreaId: z.string(),
  JournalBatchNumber: z.string(),
  Description: z.string().default(''),
  IsPosted: z.enum(['Yes', 'No']),
})
type Header = z.output<typeof headerSchema>

type Looked =
  | { readonly kind: 'ok'; readonly header: Header | undefined }
  | { readonly kind: 'failed'; readonly outcome: FailedOutcome }

export class DynamicsFinanceConnector implements Connector {
  /** Requests under way at the same time; the limiter lets fewer go. */
  readonly pageSize = 4
  readonly attemptMs: number
  /** Longer than the gateway and the server work on a request that was given up. */
  readonly settlesWithinMs = 15 * 60_000
  readonly #settings: DynamicsFinanceSettings
  readonly #parts: ConnectorParts
  readonly #api: Api

  constructor(settings: DynamicsFinanceSettings, parts: ConnectorParts) {
    const { limiter, rate, nowMs } = parts
    this.#settings = settings
    this.#parts = parts
    this.attemptMs = pageMs(requestMs, this.pageSize * requestsOfRecord, rate)
    const headers = { accept: 'application/json', 'odata-version': '4.0', 'odata-maxversion': '4.0' }
    const authorizer = entraAuthorizer(settings.auth, settings.url, parts)
    this.#api = new Api({ baseUrl: settings.url, authorizer, limiter, requestMs, nowMs, headers })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const query = { 'cross-company': 'true', $top: '1', $select: 'JournalBatchNumber' }
    const answer = await this.#api.send({ method: 'GET', path: '/data/LedgerJournalHeaders', query }, signal)
    if (answer.kind === 'failed') return unavailable(answer.outcome)
    return answer.status < 300 ? { kind: 'ready' } : unavailable(outcomeOfRefusal(answer))
  }

  put(records: readonly ConnectorRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  async find(record: ConnectorRecord, signal: AbortSignal): Promise<FindOutcome> {
    const looked = await this.#look(record, signal)
    if (looked.kind === 'failed') return unknownYet(looked.outcome)
    if (looked.header === undefined) return { kind: 'absent' }
    const outcome = await this.#takeEffect(record, looked.header, signal)
    if (outcome.kind === 'stopped' || outcome.kind === 'refused') return outcome
    const state = outcome.kind === 'accepted' ? 'posted' : 'written'
    return { kind: 'there', externalId: looked.header.JournalBatchNumber, state }
  }

  documents(range: DocumentRange, signal: AbortSignal): AsyncIterable<ReceiverDocument> {
    return documentsOf(this.#api, this.#settings.delimiter, range, signal)
  }

  accountsOf(record: ConnectorRecord): Promise<readonly string[] | undefined> {
    return mappedAccounts(record, this.#parts.mapping, (mapping, line, journal) =>
      mainAccountOf(
        accountOf(line, journal, mapping, this.#settings).AccountDisplayValue,
        this.#settings.delimiter,
      ),
    )
  }

  async #putOne(record: ConnectorRecord, signal: AbortSignal): Promise<PutOutcome> {
    const made = entryOf(record, await this.#parts.mapping.of(record), this.#settings)
    if (made.kind !== 'ok') return made
    const { header } = made
    const outcome = await this.#write(made, signal)
    if (outcome?.kind === 'refused' && outcome.code === 'duplicate_document')
      return this.#numberIsTaken(record, outcome.detail, signal)
    if (outcome !== undefined) return outcome
    const { dataAreaId, JournalBatchNumber, Description } = header
    return this.#takeEffect(record, { dataAreaId, JournalBatchNumber, Description, IsPosted: 'No' }, signal)
  }

  /** Undefined: header and lines are there. */
  async #write({ header, lines }: EntryOfJournal, signal: AbortSignal): Promise<PutOutcome | undefined> {
    const { contentType, text } = changesetOf('/data', [
      { path: 'LedgerJournalHeaders?cross-company=true', body: header },
      ...lines.map(body => ({ path: 'LedgerJournalLines?cross-company=true', body })),
    ])
    const answer = await this.#api.send(
      {
        method: 'POST',
        path: '/data/$batch',
        headers: { accept: 'multipart/mixed' },
        body: { text, contentType },
      },
      signal,
    )
    if (answer.kind === 'failed') return answer.outcome
    if (answer.status >= 300) return outcomeOfRefusal(answer)
    const answers = answersIn(answer.body)
    const bad = answers.find(({ status }) => status >= 300)
    if (bad !== undefined) return outcomeOfError(bad.status, bad.body, answer.redact)
    return answers.length === lines.length + 1 ? undefined : strangeAnswer(answer)
  }

  /** Invariant 2. */
  async #numberIsTaken(record: ConnectorRecord, words: string, signal: AbortSignal): Promise<PutOutcome> {
    const looked = await this.#look(record, signal)
    if (looked.kind === 'failed') return looked.outcome
    if (looked.header !== undefined) return this.#takeEffect(record, looked.header, signal)
    return refused('duplicate_document', `${words} The journal ${batchNumberOf(record.key)} is not ours.`)
  }

  /** Posts a journal that is written where the settings name an action for it. */
  async #takeEffect(record: ConnectorRecord, header: Header, signal: AbortSignal): Promise<PutOutcome> {
    const { dataAreaId, JournalBatchNumber: externalId, IsPosted } = header
    if (IsPosted === 'Yes') return { kind: 'accepted', externalId } // invariant 3
    const { post_action: action } = this.#settings
    if (action === undefined) return { kind: 'written', externalId }
    const key = `dataAreaId='${encodeURIComponent(dataAreaId)}',JournalBatchNumber='${externalId}'`
    const answer = await this.#api.send(
      {
        method: 'POST',
        path: `/data/LedgerJournalHeaders(${key})/${action}`,
        query: { 'cross-company': 'true' },
        body: { json: {} },
      },
      signal,
    )
    if (answer.kind === 'failed') return answer.outcome
    if (answer.status >= 300) return outcomeOfRefusal(answer)
    const looked = await this.#look(record, signal)
    if (looked.kind === 'failed') return looked.outcome
    return { kind: looked.header?.IsPosted === 'Yes' ? 'accepted' : 'written', externalId }
  }

  /** Our journal of this record, in whichever company it is: the mapping may have changed since. */
  async #look(record: ConnectorRecord, signal: AbortSignal): Promise<Looked> {
    const query = {
      'cross-company': 'true',
      $filter: `JournalBatchNumber eq '${batchNumberOf(record.key)}'`,
      $select: 'dataAreaId,JournalBatchNumber,Description,IsPosted',
    }
    const read = await rowsOf(
      this.#api,
      { path: '/data/LedgerJournalHeaders', query, row: headerSchema, outcomeOfRefusal },
      signal,
    )
    if (read.kind === 'failed') return read
    return { kind: 'ok', header: read.rows.find(one => one.Description === textOf(record.key)) }
  }
}
