// The SAP S/4HANA connector: one journal entry per record by the synchronous SOAP service, under a short form of our key as its
// document reference.
// Invariants:
// 1. SAP keeps no entry from being posted twice. So after an unclear answer the entry is looked up by its reference, and `absent`
//    proves nothing for as long as SAP may still work on the request (`settles_minutes`).
// 2. Only the number of an accounting document in the reply is a success.

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
import { Api } from '../http/api.js'
import { type Authorizer, basic, bearer } from '../http/authorizer.js'
import { pageMs } from '../http/limiter.js'
import { unavailable, unknownYet } from '../http/outcome.js'
import { prefixPlace, settingsOf } from '../kept-prefix.js'
import { clientCredentials } from '../oauth/client-credentials.js'
import { mappedAccounts } from '../receiver-lines.js'
import type { SapS4Settings } from './config.js'
import { accountName, documentsOf, idOf, pageOf } from './documents.js'
import { outcomeOfReply } from './outcome.js'
import { envelopeOf, isDebtor, referenceOf } from './records.js'

const requestMs = 120_000
const soapAction =
  'http://sap.com/xi/SAPSCORE/SFIN/JournalEntryCreateRequestConfirmation_In/JournalEntryCreateRequestConfirmation_InRequest'

export class SapS4Connector implements Connector {
  /** Requests under way at the same time; the limiter lets fewer go. */
  readonly pageSize = 8
  readonly attemptMs: number
  readonly settlesWithinMs: number
  readonly #settings: SapS4Settings
  readonly #parts: ConnectorParts
  readonly #api: Api

  constructor(settings: SapS4Settings, parts: ConnectorParts) {
    const { limiter, rate, nowMs } = parts
    this.#settings = settings
    this.#parts = parts
    this.attemptMs = pageMs(requestMs, this.pageSize, rate)
    this.settlesWithinMs = settings.settles_minutes * 60_000
    const authorizer = authorizerOf(settings, parts)
    this.#api = new Api({ baseUrl: settings.url, authorizer, limiter, requestMs, nowMs })
  }

  /** Reads one document, which needs the user's rights and posts nothing. */
  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const broken = await this.#parts.mapping.problem()
    if (broken !== undefined) return broken
    const page = await this.#read('WEIR', signal)
    return page.kind === 'ok' ? { kind: 'ready' } : unavailable(page)
  }

  /** Our key is found by the prefix that it was sent with, whatever the setting says by now. */
  place(): Promise<Placed> {
    return prefixPlace(this.#settings)
  }

  put(records: readonly SentRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    return Promise.all(records.map(record => this.#putOne(record, signal)))
  }

  async find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome> {
    const page = await this.#read(referenceOf(record, settingsOf(this.#settings, record).prefix), signal)
    if (page.kind !== 'ok') return unknownYet(page)
    const [item] = page.items
    return item === undefined
      ? { kind: 'absent' }
      : { kind: 'there', externalId: idOf(item), state: 'posted' }
  }

  documents(range: DocumentRange, signal: AbortSignal): AsyncIterable<ReceiverDocument> {
    return documentsOf(this.#api, this.#settings, range, signal)
  }

  accountsOf(record: ConnectorRecord): Promise<readonly string[] | undefined> {
    return mappedAccounts(record, this.#parts.mapping, (mapping, line, journal) =>
      accountName(isDebtor(line, journal, this.#settings) ? mapping.customer() : mapping.account(line)),
    )
  }

  async #putOne(record: SentRecord, signal: AbortSignal): Promise<PutOutcome> {
    const made = envelopeOf(record, await this.#parts.mapping.of(record), settingsOf(this.#settings, record))
    if (made.kind !== 'ok') return made
    const { post_path: path, client } = this.#settings
    const answer = await this.#api.send(
      {
        method: 'POST',
        path,
        ...(client === undefined ? {} : { query: { 'sap-client': client } }),
        headers: { soapaction: `"${soapAction}"` },
        body: { xml: made.xml },
      },
      signal,
    )
    return answer.kind === 'failed' ? answer.outcome : outcomeOfReply(answer)
  }

  /** In all company codes: a mapping that was changed since must not hide a document that is there. */
  #read(reference: string, signal: AbortSignal) {
    const filter = `DocumentReferenceID eq '${reference}'`
    return pageOf(this.#api, this.#settings, { filter, top: 1 }, signal)
  }
}

function authorizerOf({ auth }: SapS4Settings, { secret, nowMs }: ConnectorParts): Authorizer {
  if ('user' in auth)
    return basic(
      () => ({ kind: 'ok', secret: auth.user }),
      () => secret(auth.password),
    )
  const { token_url: tokenUrl, client_id: clientId, client_secret: source, scope } = auth
  const proof = { kind: 'secret', secret: () => secret(source), in: 'basic' } as const
  return bearer(
    clientCredentials({ tokenUrl, clientId, proof, nowMs, ...(scope === undefined ? {} : { scope }) }),
  )
}
