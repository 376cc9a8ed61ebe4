// The QuickBooks Online connector: one JournalEntry per record, which is in effect at once.
// Invariants:
// 1. The document's number follows from our key. A look-up is by it, and then by the private note among the entries of the day.
// 2. `requestid` follows from the body: QuickBooks gives a repeated request its first answer and carries nothing out.
// 3. An entry that did not keep our number is `unclear` and never `accepted`, until the look-up has seen its note.

import { stringifyJson } from '../../schemas/json/json-text.js'
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
import { Api, type ApiAnswer, strangeAnswer } from '../http/api.js'
import { bearer } from '../http/authorizer.js'
import { IdempotencyKeys } from '../http/idempotency-keys.js'
import { pageMs } from '../http/limiter.js'
import { unavailable, unknownYet } from '../http/outcome.js'
import { prefixPlace, settingsOf } from '../kept-prefix.js'
import { refreshTokens } from '../oauth/refresh-tokens.js'
import type { TokenCache } from '../oauth/token-cache.js'
import { type CurrencyAnswer, currencyNotTold, ReceiverCurrency } from '../receiver-currency.js'
import { mappedAccounts } from '../receiver-lines.js'
import type { QuickbooksSettings } from './config.js'
import { ask, documentsOf, entriesIn, entryIn, homeCurrencyIn } from './documents.js'
import { outcomeOfFault, outcomeOfRefusal, throttledMs } from './outcome.js'
import { docNumberOf, entryOf } from './records.js'

const requestMs = 60_000

export class QuickbooksConnector implements Connector {
  /** Requests under way at the same time. */
  readonly pageSize = 10
  readonly attemptMs: number
  /** QuickBooks itself gives a request up after 120 seconds. */
  readonly settlesWithinMs = 5 * 60_000
  readonly #settings: QuickbooksSettings
  readonly #parts: ConnectorParts
  readonly #api: Api
  readonly #requestIds = new IdempotencyKeys()
  readonly #currency: ReceiverCurrency

  constructor(settings: QuickbooksSettings, parts: ConnectorParts) {
    const { limiter, rate, nowMs } = parts
    this.#settings = settings
    this.#parts = parts
    this.attemptMs = pageMs(requestMs, 2 * this.pageSize, rate) // a look-up each, where a number is taken
    this.#api = new Api({
      baseUrl: settings.url,
      authorizer: bearer(tokensOf(settings, parts)),
      limiter,
      requestMs,
      nowMs,
      headers: { accept: 'application/json' },
    })
    this.#currency = new ReceiverCurrency({
      setting: { name: 'home_currency', value: settings.home_currency },
      receiver: 'the company of QuickBooks',
      ask: signal => this.#askCurrency(signal),
    })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const answer = await ask(this.#api, this.#settings, 'select Id from JournalEntry maxresults 1', signal)
    if (answer.kind === 'failed') return unavailable(waiting(answer.outcome))
    const fault = answer.status < 300 ? outcomeOfFault(answer) : outcomeOfRefusal(answer)
    if (fault !== undefined) return unavailable(fault)
    const known = await this.#currency.known(signal)
    return known.kind === 'ok' ? { kind: 'ready' } : unavailable(waiting(known.outcome))
  }

  /** Our key is found by the prefix that it was sent with, whatever the setting says by now. */
  place(): Promise<Placed> {
    return prefixPlace(this.#settings)
  }

  async put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    const known = await this.#currency.known(signal)
    if (known.kind === 'failed') return records.map(() => waiting(known.outcome))
    return Promise.all(records.map(record => this.#putOne(record, known.currency, signal)))
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const number = docNumberOf(record, settingsOf(this.#settings, record).prefix)
    const query = `select * from JournalEntry where DocNumber = '${number}'`
    const answer = await ask(this.#api, this.#settings, query, signal)
    if (answer.kind === 'failed') return unknownYet(answer.outcome)
    if (answer.status >= 300) return unknownYet(outcomeOfRefusal(answer))
    const entries = entriesIn(answer)
    if (entries === undefined) return unknownYet(outcomeOfFault(answer) ?? strangeAnswer(answer))
    const found = entries.find(one => one.DocNumber === number)
    if (found !== undefined) return { kind: 'there', externalId: found.Id, state: 'posted' }
    return this.#findByNote(record, signal)
  }

  documents(range: DocumentRange, signal: AbortSignal): AsyncIterable<ReceiverDocument> {
    return this.#documentsBy(this.#settings, range, signal)
  }

  accountsOf(record: ConnectorRecord): Promise<readonly string[] | undefined> {
    return mappedAccounts(record, this.#parts.mapping)
  }

  async #askCurrency(signal: AbortSignal): Promise<CurrencyAnswer> {
    const answer = await ask(this.#api, this.#settings, 'select * from Preferences', signal)
    if (answer.kind === 'failed') return answer
    const currency = homeCurrencyIn(answer)
    if (answer.status < 300 && currency !== undefined) return { kind: 'ok', currency }
    const fault = answer.status < 300 ? outcomeOfFault(answer) : outcomeOfRefusal(answer)
    const nothing = {
      kind: 'refused',
      code: 'receiver_refused',
      detail: 'no HomeCurrency in its preferences',
    } as const
    return currencyNotTold(fault ?? nothing, this.#settings.home_currency)
  }

  /** A company that numbers its entries itself has our note without our number. */
  async #findByNote(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const date = String(record.document['accounting_date'])
    try {
      for await (const { key, externalId } of this.#documentsBy(
        settingsOf(this.#settings, record),
        { from: date, until: date },
        signal,
      ))
        if (key === record.key) return { kind: 'there', externalId, state: 'posted' }
      return { kind: 'absent' }
    } catch (error) {
      return { kind: 'unknown_yet', code: 'no_answer', detail: String(error) }
    }
  }

  async *#documentsBy(
    settings: QuickbooksSettings,
    range: DocumentRange,
    signal: AbortSignal,
  ): AsyncIterable<ReceiverDocument> {
    const known = await this.#currency.known(signal)
    if (known.kind === 'failed') throw new Error(known.outcome.detail)
    yield* documentsOf(this.#api, { ...settings, homeCurrency: known.currency }, range, signal)
  }

  async #putOne(record: SentRecord, homeCurrency: string, signal: AbortSignal): Promise<PutOutcome> {
    const { realm, minor_version: minorVersion } = this.#settings
    const settings = settingsOf(this.#settings, record)
    const made = entryOf(record, await this.#parts.mapping.of(record), settings, homeCurrency)
    if (made.kind !== 'ok') return made
    const text = stringifyJson(made.body)
    const answer = await this.#api.send(
      {
        method: 'POST',
        path: `/v3/company/${realm}/journalentry`,
        query: { requestid: this.#requestIds.of(text), minorversion: String(minorVersion) }, // invariant 2
        body: { text, contentType: 'application/json' },
      },
      signal,
    )
    if (answer.kind === 'failed') return waiting(answer.outcome)
    const outcome = this.#outcomeOf(record, answer)
    if (outcome.kind !== 'refused') return outcome
    this.#requestIds.refused(text)
    return outcome.code === 'duplicate_document' ? this.#taken(record, outcome, signal) : outcome
  }

  #outcomeOf(record: SentRecord, answer: ApiAnswer): PutOutcome {
    if (answer.status >= 300) return outcomeOfRefusal(answer)
    const entry = entryIn(answer)
    if (entry === undefined) return outcomeOfFault(answer) ?? strangeAnswer(answer)
    const number = docNumberOf(record, settingsOf(this.#settings, record).prefix)
    if (entry.DocNumber === number) return { kind: 'accepted', externalId: entry.Id }
    const detail = `QuickBooks gave the entry ${entry.Id} the number ${answer.redact(entry.DocNumber)} and not ours, ${number}`
    return { kind: 'unclear', code: 'no_answer', detail } // invariant 3
  }

  /** The number is taken: by an earlier request of ours, or else by somebody. */
  async #taken(record: SentRecord, refused: PutOutcome, signal: AbortSignal): Promise<PutOutcome> {
    const found = await this.find(record, signal)
    if (found.kind === 'there') return { kind: 'accepted', externalId: found.externalId }
    return found.kind === 'absent'
      ? refused
      : { kind: 'unclear', code: 'no_answer', detail: reasonOf(refused) }
  }
}

function reasonOf(outcome: PutOutcome): string {
  return 'detail' in outcome ? outcome.detail : ''
}

/** QuickBooks wants a minute after 429. */
function waiting<T extends PutOutcome>(outcome: T): T {
  if (outcome.kind !== 'throttled' || outcome.code !== 'rate_limited') return outcome
  return { ...outcome, retryAfterMs: outcome.retryAfterMs ?? throttledMs }
}

function tokensOf({ auth }: QuickbooksSettings, { secret, tokenStore, nowMs }: ConnectorParts): TokenCache {
  return refreshTokens({
    tokenUrl: auth.token_url,
    clientId: auth.client_id,
    proof: { kind: 'secret', secret: () => secret(auth.client_secret), in: 'basic' },
    firstToken: () => secret(auth.refresh_token),
    store: tokenStore(() => secret(auth.token_key)),
    nowMs,
  })
}
