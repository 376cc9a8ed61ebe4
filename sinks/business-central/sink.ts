// The Business Central connector: an entry is lines in a general journal, and counts when the journal is posted.
//
// Posting a journal posts every line in it, whoever wrote it. So each entry gets a journal of its own that lives for these
// requests: open, write the lines, post, remove. Where people post, all entries go to the journal that they named.
// Invariants:
// 1. We post only a journal that this attempt has opened, empty, and written. Nobody else's line is posted.
// 2. A journal that an attempt left without posting is removed by the next attempt and never posted, so nothing is there twice.
// 3. The ledger alone proves that an entry is in effect; the next attempt comes when the time limits of the service are over.

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
import { Api } from '../http/api.js'
import { pageMs } from '../http/limiter.js'
import { type NotReached, stopped, unavailable, unknownYet } from '../http/outcome.js'
import { entraAuthorizer } from '../oauth/entra.js'
import { mappedAccounts } from '../receiver-lines.js'
import { shortReference } from '../short-reference.js'
import type { BusinessCentralSettings } from './config.js'
import { documentsOf } from './documents.js'
import { type Failed, Journals, mostLines, type Step } from './journals.js'
import { type Refused, refused } from './outcome.js'
import { descriptionOf, type EntryOfLines, journalCodeOf, linesOf } from './records.js'

const requestMs = 60_000
/** Open (with what an earlier attempt left: four), lines, post, remove. */
const requestsOfRecord = 7

export class BusinessCentralConnector implements Connector {
  /** Posting locks the ledger: entries that are posted at the same time wait for each other there. */
  readonly pageSize = 1
  readonly attemptMs: number
  /** A request is cut off after 10 minutes at the latest. */
  readonly settlesWithinMs = 10 * 60_000
  readonly #settings: BusinessCentralSettings
  readonly #parts: ConnectorParts
  readonly #journals: Journals
  #currency: string | undefined

  constructor(settings: BusinessCentralSettings, parts: ConnectorParts) {
    const { limiter, rate, nowMs } = parts
    this.#settings = settings
    this.#parts = parts
    this.attemptMs = pageMs(requestMs, this.pageSize * requestsOfRecord, rate)
    const authorizer = entraAuthorizer(settings.auth, 'https://api.businesscentral.dynamics.com', parts)
    // The words of errors depend on the language.
    const headers = { accept: 'application/json', 'accept-language': 'en-US' }
    const api = new Api({ baseUrl: settings.url, authorizer, limiter, requestMs, nowMs, headers })
    this.#journals = new Journals(api, settings.company)
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const read = await this.#journals.currency(signal)
    return read.kind === 'ok' ? { kind: 'ready' } : unavailable(read.outcome)
  }

  put(records: readonly ConnectorRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  async find(record: ConnectorRecord, signal: AbortSignal): Promise<FindOutcome> {
    const documentNumber = shortReference(record.key)
    const description = descriptionOf(record)
    const date = String(record.document['accounting_date'])
    // A number series for posting gives an entry another number than ours; then its words tell.
    for (const filter of [
      `documentNumber eq '${documentNumber}'`,
      `postingDate eq ${date} and description eq '${description.replaceAll("'", "''")}'`,
    ]) {
      const read = await this.#journals.entries(filter, signal)
      if (read.kind === 'failed') return unknownYet(read.outcome)
      const [entry] = read.value
      if (entry !== undefined) return { kind: 'there', externalId: entry.documentNumber, state: 'posted' }
    }
    const { posting } = this.#settings
    if (posting === 'automatic') return { kind: 'absent' } // invariant 2
    const journal = await this.#journalOfPeople(posting.journal, signal)
    if (journal.kind === 'failed') return unknownYet(journal.outcome)
    const lines = await this.#journals.lines(journal.value, `documentNumber eq '${documentNumber}'`, signal)
    if (lines.kind === 'failed') return unknownYet(lines.outcome)
    return lines.value.length === 0
      ? { kind: 'absent' }
      : { kind: 'there', externalId: documentNumber, state: 'written' }
  }

  async *documents(range: DocumentRange, signal: AbortSignal): AsyncIterable<ReceiverDocument> {
    const { posting } = this.#settings
    yield* await documentsOf(
      this.#journals,
      posting === 'automatic' ? undefined : posting.journal,
      range,
      signal,
    )
  }

  accountsOf(record: ConnectorRecord): Promise<readonly string[] | undefined> {
    return mappedAccounts(record, this.#parts.mapping)
  }

  async #putOne(record: ConnectorRecord, signal: AbortSignal): Promise<PutOutcome> {
    const made = linesOf(record, await this.#parts.mapping.of(record), this.#settings)
    if (made.kind !== 'ok') return made
    const unfit = await this.#unfit(made, signal)
    if (unfit !== undefined) return unfit
    const { posting } = this.#settings
    const externalId = shortReference(record.key)
    if (posting !== 'automatic') {
      const journal = await this.#journalOfPeople(posting.journal, signal)
      if (journal.kind === 'failed') return journal.outcome
      const written = await this.#journals.write(journal.value, made.lines, signal)
      return written.kind === 'ok' ? { kind: 'written', externalId } : written.outcome
    }
    const journal = await this.#ownJournal(record, made, signal)
    if (journal.kind === 'failed') return nothingPosted(journal)
    const posted = await this.#journals.post(journal.value, signal)
    if (posted.kind === 'failed' && posted.outcome.kind === 'unclear') return posted.outcome
    // What stays because this fails is an empty journal, or one that the next attempt removes.
    await this.#journals.remove(journal.value, signal)
    return posted.kind === 'ok' ? { kind: 'accepted', externalId } : posted.outcome
  }

  /** A journal with the lines of this entry and no others. */
  async #ownJournal(
    record: ConnectorRecord,
    { lines }: EntryOfLines,
    signal: AbortSignal,
  ): Promise<Step<string>> {
    const name = descriptionOf({ key: record.key, document: {} })
    const journal = await this.#journals.openEmpty(journalCodeOf(record.key), name, signal)
    if (journal.kind === 'failed') return journal
    for (let from = 0; from < lines.length; from += mostLines) {
      const written = await this.#journals.write(journal.value, lines.slice(from, from + mostLines), signal)
      if (written.kind === 'ok') continue
      await this.#journals.remove(journal.value, signal)
      return written
    }
    return journal
  }

  async #journalOfPeople(code: string, signal: AbortSignal): Promise<Step<string>> {
    const found = await this.#journals.find(code, signal)
    if (found.kind === 'failed') return found
    if (found.value !== undefined) return { kind: 'ok', value: found.value.id }
    const detail = `there is no general journal (batch) ${code} in this company`
    return { kind: 'failed', outcome: stopped('journal_missing', detail) }
  }

  /** Lines of the API have the currency of the company. */
  async #unfit(made: EntryOfLines, signal: AbortSignal): Promise<Refused | NotReached | undefined> {
    if (this.#currency === undefined) {
      const read = await this.#journals.currency(signal)
      if (read.kind === 'failed') return nothingPosted(read)
      this.#currency = read.value
    }
    if (made.currency !== this.#currency)
      return refused(
        'currency_not_enabled',
        `the journal is in ${made.currency}; lines of the API are in the company's ${this.#currency}`,
      )
    if (this.#settings.posting === 'automatic' || made.lines.length <= mostLines) return undefined
    return refused('invalid_record', `${made.lines.length} lines; ${mostLines} can be written all or none`)
  }
}

/** An unclear answer before anything was posted: the record is surely not in effect. */
function nothingPosted({ outcome }: Failed): Refused | NotReached {
  if (outcome.kind !== 'unclear') return outcome
  return { kind: 'throttled', code: 'receiver_unavailable', detail: outcome.detail }
}
