// The Xero connector: a page of records is one request of manual journals, each with a verdict of its own.
// Invariants:
// 1. Our key begins the narration, and every look-up is by it: Xero forgets the header Idempotency-Key after minutes.
// 2. `summarizeErrors=false` is always sent, so that a journal that Xero refuses leaves the others of its page.
// 3. A draft is `written` and not in effect.

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
import { Api, strangeAnswer } from '../http/api.js'
import { bearer } from '../http/authorizer.js'
import { IdempotencyKeys } from '../http/idempotency-keys.js'
import { pageMs } from '../http/limiter.js'
import { unavailable, unknownYet } from '../http/outcome.js'
import { prefixPlace, settingsOf } from '../kept-prefix.js'
import { type ClientProof, clientCredentials } from '../oauth/client-credentials.js'
import { refreshTokens } from '../oauth/refresh-tokens.js'
import type { TokenCache } from '../oauth/token-cache.js'
import { type CurrencyAnswer, currencyNotTold, ReceiverCurrency } from '../receiver-currency.js'
import { mappedAccounts } from '../receiver-lines.js'
import { scopeOf, type XeroSettings } from './config.js'
import { baseCurrencyIn, documentsOf, journalsIn, stateOf } from './documents.js'
import { outcomeOfRefusal, outcomesOfPage } from './outcome.js'
import { accountId, journalOf, keyInNarration, narrationBegin } from './records.js'

const journals = '/ManualJournals'
const requestMs = 60_000
const dayMs = 86_400_000

interface Going {
  readonly record: SentRecord
  readonly body: object
}

export class XeroConnector implements Connector {
  /** One request, where 5,000 a day are allowed. After a lost answer each record of it is looked up. */
  readonly pageSize = 25
  readonly attemptMs: number
  readonly settlesWithinMs = 5 * 60_000
  readonly #settings: XeroSettings
  readonly #parts: ConnectorParts
  readonly #api: Api
  readonly #currency: ReceiverCurrency
  readonly #keys = new IdempotencyKeys()

  constructor(settings: XeroSettings, parts: ConnectorParts) {
    const { limiter, rate, nowMs } = parts
    this.#settings = settings
    this.#parts = parts
    this.attemptMs = pageMs(requestMs, 1 + this.pageSize, rate)
    this.#api = new Api({
      baseUrl: settings.url,
      authorizer: bearer(tokensOf(settings, parts)),
      limiter,
      requestMs,
      nowMs,
      headers: { accept: 'application/json', 'xero-tenant-id': settings.tenant },
    })
    this.#currency = new ReceiverCurrency({
      setting: { name: 'currency', value: settings.currency },
      receiver: 'the organisation of Xero',
      ask: signal => this.#askCurrency(signal),
    })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const query = { page: '1', pageSize: '1' }
    const answer = await this.#api.send({ method: 'GET', path: journals, query }, signal)
    if (answer.kind === 'failed') return unavailable(answer.outcome)
    if (answer.status >= 300) return unavailable(outcomeOfRefusal(answer))
    const known = await this.#currency.known(signal)
    return known.kind === 'ok' ? { kind: 'ready' } : unavailable(known.outcome)
  }

  /** Our key is found by the prefix that it was sent with, whatever the setting says by now. */
  place(): Promise<Placed> {
    return prefixPlace(this.#settings)
  }

  async put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    const known = await this.#currency.known(signal)
    if (known.kind === 'failed') return records.map(() => known.outcome)
    const settings = { ...this.#settings, currency: known.currency }
    const outcomes = new Map<SentRecord, PutOutcome>()
    const going: Going[] = []
    for (const record of records) {
      const made = journalOf(record, await this.#parts.mapping.of(record), settingsOf(settings, record))
      if (made.kind === 'ok') going.push({ record, body: made.body })
      else outcomes.set(record, made)
    }
    const answered = await this.#send(going, signal)
    for (const [index, { record }] of going.entries()) outcomes.set(record, answered[index]!)
    return records.map(record => outcomes.get(record)!)
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const { prefix } = settingsOf(this.#settings, record)
    // It cannot have been changed last before we had it. A day is for clocks that differ.
    const since = new Date(Date.parse(record.recordedAt) - dayMs).toISOString()
    const answer = await this.#api.send(
      {
        method: 'GET',
        path: journals,
        query: { where: `Narration.StartsWith("${narrationBegin(record, prefix)}")`, page: '1' },
        headers: { 'if-modified-since': since },
      },
      signal,
    )
    if (answer.kind === 'failed') return unknownYet(answer.outcome)
    if (answer.status >= 300) return unknownYet(outcomeOfRefusal(answer))
    const listed = journalsIn(answer)
    if (listed === undefined) return unknownYet(strangeAnswer(answer))
    const ours = listed.filter(one => keyInNarration(one.Narration, prefix) === record.key)
    for (const state of ['posted', 'written'] as const) {
      const found = ours.find(one => stateOf(one) === state) // invariant 3
      if (found !== undefined) return { kind: 'there', externalId: found.ManualJournalID, state }
    }
    return { kind: 'absent' }
  }

  async *documents(range: DocumentRange, signal: AbortSignal): AsyncIterable<ReceiverDocument> {
    const known = await this.#currency.known(signal)
    if (known.kind === 'failed') throw new Error(known.outcome.detail)
    const { prefix } = this.#settings
    yield* documentsOf(this.#api, { prefix, currency: known.currency }, range, signal)
  }

  async #askCurrency(signal: AbortSignal): Promise<CurrencyAnswer> {
    const { auth } = this.#settings
    const isGranted = 'refresh_token' in auth || scopeOf(this.#settings, auth).includes('accounting.settings')
    if (!isGranted)
      return { kind: 'not_told', detail: 'the scope accounting.settings.read was not asked for' }
    const answer = await this.#api.send({ method: 'GET', path: '/Organisation' }, signal)
    const { currency: setting } = this.#settings
    // A consent without that scope is answered as a token that does not count.
    if (answer.kind === 'failed') return currencyNotTold(answer.outcome, setting)
    const currency = baseCurrencyIn(answer)
    if (answer.status < 300 && currency !== undefined) return { kind: 'ok', currency }
    return currencyNotTold(answer.status < 300 ? strangeAnswer(answer) : outcomeOfRefusal(answer), setting)
  }

  /** Of accounts that the mapping names by their ids the list has the codes. */
  async accountsOf(record: ConnectorRecord): Promise<readonly string[] | undefined> {
    const accounts = await mappedAccounts(record, this.#parts.mapping)
    return accounts?.some(one => accountId.test(one)) === true ? undefined : accounts
  }

  async #send(going: readonly Going[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    if (going.length === 0) return []
    const text = stringifyJson({ ManualJournals: going.map(({ body }) => body) })
    const answer = await this.#api.send(
      {
        method: 'PUT',
        path: journals,
        query: { summarizeErrors: 'false' }, // invariant 2
        headers: { 'idempotency-key': this.#keys.of(text) },
        body: { text, contentType: 'application/json' },
      },
      signal,
    )
    if (answer.kind === 'failed') return going.map(() => answer.outcome)
    // Xero took nothing of the page and may not say which journal is at fault, so that each is judged alone.
    if (answer.status === 400 && going.length > 1)
      return (await Promise.all(going.map(one => this.#send([one], signal)))).flat()
    const outcomes = outcomesOfPage(
      answer,
      going.map(({ record }) => ({ key: record.key, prefix: settingsOf(this.#settings, record).prefix })),
    )
    if (outcomes.some(({ kind }) => kind === 'refused')) this.#keys.refused(text)
    return outcomes
  }
}

function tokensOf(settings: XeroSettings, { secret, tokenStore, nowMs }: ConnectorParts): TokenCache {
  const { auth } = settings
  const { client_id: clientId, token_url: tokenUrl } = auth
  const proof: ClientProof = { kind: 'secret', secret: () => secret(auth.client_secret), in: 'basic' }
  if (!('refresh_token' in auth))
    return clientCredentials({ tokenUrl, clientId, proof, scope: scopeOf(settings, auth), nowMs })
  const { refresh_token: first, token_key: key } = auth
  return refreshTokens({
    tokenUrl,
    clientId,
    proof,
    firstToken: () => secret(first),
    store: tokenStore(() => secret(key)),
    nowMs,
  })
}
