// A fake Business Central: general journals with lines, a ledger of what was posted, and the limits that it sets to both. It
// validates each body against the shape of API v2.0 (ajv), undoes a `$batch` with `Isolation: snapshot` as a whole, posts
// every line of a journal whoever wrote it, checks tokens, and knows closed periods, blocked accounts and mandatory
// dimensions. The texts of its errors are ours, in the form of Business Central.

import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connector } from '../../connector.js'
import { AuthorizationServer } from '../../testing/authorization-server.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { matchesFilter } from '../../testing/odata-filter.js'
import { openConnector } from '../../testing/open-connector.js'
import { businessCentralKind } from '../kind.js'
import { keyIn } from '../records.js'
import { ajv, errorOf, wordingOf } from './wording.js'

interface LineBody {
  readonly accountNumber: string
  readonly postingDate: string
  readonly documentNumber: string
  readonly amount: number
  readonly description: string
  readonly dimensionSetLines?: readonly { readonly code: string; readonly valueCode: string }[]
}

interface Journal {
  readonly id: string
  readonly code: string
  readonly displayName: string
  readonly lines: LineBody[]
  /** The lines are gone from then on. */
  postedAtMs: number
}

export interface BusinessCentralFakeOptions extends FakeOptions {
  readonly authorization: AuthorizationServer
  /** The request of an entry that meets the faults. */
  readonly faultsAt?: 'journal' | 'lines' | 'post'
  /** People post what lies in `WEIR`, just before each look at the ledger. */
  readonly people?: boolean
  readonly posting?: 'automatic' | { readonly journal: string }
  readonly dimensions?: readonly string[]
}

const is = (name: string) => ajv.compile({ $ref: `bc#/$defs/${name}` })
const [isJournal, isBatch] = [is('journal'), is('batch')]

const companyId = '9a9b2f6a-77c5-ee11-9079-000d3a2b4c5d'
export const secrets: Readonly<Record<string, string>> = { BC_SECRET: 'entra-secret-1' }
const homeCurrency = 'USD'
export const mapping = 'accounts: { "1200": "2910", "4000": "6110", "2400": "5420" }\n'

/** Rows in one page of a list. */
const pageLength = 4

export class BusinessCentralFake extends FakeServer {
  readonly ledger: Documents<readonly LineBody[]>
  readonly journals: Journal[] = []
  readonly blockedAccounts = new Set<string>()
  mandatoryDimension = ''
  closedUntil = ''
  readonly #options: BusinessCentralFakeOptions
  #everywhere: Fault | undefined

  constructor(options: BusinessCentralFakeOptions) {
    super({ lateMs: 300_000, ...options })
    this.#options = options
    this.ledger = new Documents(this.nowMs)
    this.open('DEFAULT', 'of people')
    this.open('WEIR', 'Weir, posted by people')
  }

  /** Checks each token request as Entra ID does. */
  static async authorizationServer(): Promise<AuthorizationServer> {
    const server = await AuthorizationServer.start()
    server.judge = ({
      grant_type: grant,
      client_id: id,
      client_secret: secret,
      scope,
      client_assertion: assertion,
    }) => {
      if (grant !== 'client_credentials') return 'unsupported_grant_type'
      if (scope !== 'https://api.businesscentral.dynamics.com/.default') return 'invalid_scope'
      const isKnown = id === 'client-1' && (secret === 'entra-secret-1' || assertion !== undefined)
      return isKnown ? undefined : 'invalid_client'
    }
    return server
  }

  settings(): Readonly<Record<string, unknown>> {
    const { authorization, posting = 'automatic', dimensions = [] } = this.#options
    return {
      url: `${this.url}/v2.0/contoso/production/api/v2.0`,
      company: companyId,
      posting,
      dimensions,
      auth: {
        tenant: 'contoso.example',
        client_id: 'client-1',
        client_secret: { variable: 'BC_SECRET' },
        token_url: authorization.tokenUrl,
      },
    }
  }

  connector(given: { readonly mapping?: string } = {}): Promise<Connector> {
    const { nowMs } = this
    const parts = { secrets, mapping: given.mapping ?? mapping, nowMs }
    return openConnector(businessCentralKind, this.settings(), parts)
  }

  async effects(): Promise<readonly string[]> {
    if (this.#options.people) this.#postOfPeople()
    return this.ledger.keys()
  }

  booked(): readonly BookedDocument[] {
    return this.ledger.all().map(({ key, document }) => ({
      key,
      lines: document.map(({ accountNumber: account, amount }) => ({
        currency: homeCurrency,
        account,
        amount: String(amount),
      })),
    }))
  }

  open(code: string, displayName: string): Journal {
    const journal = { id: randomUUID(), code, displayName, lines: [], postedAtMs: Number.POSITIVE_INFINITY }
    this.journals.push(journal)
    return journal
  }

  linesIn(code: string): readonly LineBody[] {
    return this.journals.find(one => one.code === code)?.lines ?? []
  }

  /** The same fault for many requests: the whole service has it, until it is healed. */
  override fail(...faults: readonly Fault[]): void {
    const [first] = faults
    if (faults.length > 100 && first !== undefined) this.#everywhere = first
    else super.fail(...faults)
  }

  override heal(): void {
    this.#everywhere = undefined
    super.heal()
  }

  protected override expireToken({ headers }: FastifyRequest): void {
    this.#options.authorization.expire(headers.authorization)
  }

  protected routes(app: FastifyInstance): void {
    app.all('/v2.0/contoso/production/api/v2.0/*', (request, reply) => this.#serve(request, reply))
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    return wordingOf(fault, words)
  }

  #serve(request: FastifyRequest, reply: FastifyReply): FastifyReply | Promise<unknown> {
    const { method, url, headers } = request
    if (this.#everywhere !== undefined) return this.answer(reply, this.wording(this.#everywhere))
    if (!this.#options.authorization.accepts(headers.authorization))
      return this.answer(reply, this.wording('credentials_refused'))
    const { pathname, searchParams } = new URL(url, this.url)
    const path = decodeURIComponent(pathname).replace(/^.*?\/api\/v2\.0\//, '')
    if (path === '$batch') return this.#batch(request, reply)
    const [, below = ''] = new RegExp(`^companies\\(${companyId}\\)/(.*)$`).exec(path) ?? []
    const [, id = '', rest = ''] = /^journals\(([\w-]+)\)\/?(.*)$/.exec(below) ?? []
    const journal = this.journals.find(one => one.id === id)
    const filter = searchParams.get('$filter') ?? ''
    if (id !== '' && journal === undefined)
      return this.answer(
        reply,
        errorOf(404, 'Internal_RecordNotFound', 'The Gen. Journal Batch does not exist.'),
      )
    switch (`${method} ${journal === undefined ? below : `journal/${rest}`}`) {
      case 'GET companyInformation':
        return this.answer(reply, { status: 200, body: { value: [{ currencyCode: homeCurrency }] } })
      case 'GET journals':
        return this.#list(
          request,
          reply,
          this.journals.filter(one => matchesFilter(filter, one)),
        )
      case 'POST journals':
        return this.#create(request, reply)
      case 'DELETE journal/':
        return this.#remove(journal!, headers, reply)
      case 'GET journal/journalLines':
        return this.#list(
          request,
          reply,
          this.#linesOf(journal!).filter(one => matchesFilter(filter, one)),
        )
      case 'POST journal/Microsoft.NAV.post':
        return this.#post(request, reply, journal!)
      case 'GET generalLedgerEntries':
        return this.#entries(request, reply, filter)
      default:
        return this.answer(
          reply,
          errorOf(404, 'BadRequest_ResourceNotFound', `No resource found at ${path}.`),
        )
    }
  }

  #linesOf({ lines, postedAtMs }: Journal): readonly LineBody[] {
    return this.nowMs() < postedAtMs ? lines : []
  }

  #create(request: FastifyRequest, reply: FastifyReply): FastifyReply | Promise<unknown> {
    const body = JSON.parse(String(request.body)) as { readonly code: string; readonly displayName: string }
    const judge = (): FakeAnswer | undefined => {
      if (!isJournal(body)) return errorOf(400, 'BadRequest', ajv.errorsText(isJournal.errors))
      return this.journals.some(one => one.code === body.code) ? this.wording('duplicate_key') : undefined
    }
    const commit = (): FakeAnswer => {
      const { id, code, displayName } = this.open(body.code, body.displayName)
      return { status: 201, body: { id, code, displayName } }
    }
    return this.#step('journal', request, reply, [], judge, commit)
  }

  #remove(journal: Journal, headers: FastifyRequest['headers'], reply: FastifyReply): FastifyReply {
    if (headers['if-match'] === undefined)
      return this.answer(reply, errorOf(400, 'BadRequest_InvalidToken', 'If-Match is missing.'))
    const isLocked = journal.postedAtMs !== Number.POSITIVE_INFINITY && this.nowMs() < journal.postedAtMs
    if (isLocked)
      return this.answer(
        reply,
        errorOf(409, 'Request_EntityChanged', 'Another user has already changed the record.'),
      )
    this.journals.splice(this.journals.indexOf(journal), 1)
    return this.answer(reply, { status: 204 })
  }

  /** All or nothing, as the connector asks for it. */
  #batch(request: FastifyRequest, reply: FastifyReply): FastifyReply | Promise<unknown> {
    const body = JSON.parse(String(request.body)) as {
      readonly requests: readonly { readonly id: string; readonly url: string; readonly body: LineBody }[]
    }
    if (request.headers['isolation'] !== 'snapshot' || !isBatch(body))
      return this.answer(reply, errorOf(400, 'BadRequest', ajv.errorsText(isBatch.errors)))
    const targets = body.requests.map(({ url }) =>
      this.journals.find(one => url === `companies(${companyId})/journals(${one.id})/journalLines`),
    )
    const bad = body.requests.findIndex(
      (one, index) => targets[index] === undefined || this.blockedAccounts.has(one.body.accountNumber),
    )
    const good = body.requests.map(({ id }) => ({ id, status: 201, body: {} }))
    const judge = (): FakeAnswer | undefined => {
      if (bad === -1) return undefined
      const response = {
        id: body.requests[bad]!.id,
        status: 400,
        body: this.wording('inactive_account').body,
      }
      return { status: 200, body: { responses: [...good.slice(0, bad), response] } }
    }
    const commit = (): FakeAnswer => {
      for (const [index, one] of body.requests.entries()) targets[index]!.lines.push(one.body)
      return { status: 200, body: { responses: good } }
    }
    return this.#step('lines', request, reply, [], judge, commit)
  }

  #post(request: FastifyRequest, reply: FastifyReply, journal: Journal): FastifyReply | Promise<unknown> {
    const keys = [...new Set(this.#linesOf(journal).map(({ description }) => keyIn(description) ?? ''))]
    const commit = (atMs: number): FakeAnswer => {
      this.#toLedger(journal, atMs)
      return { status: 204 }
    }
    return this.#step('post', request, reply, keys, () => this.#objection(journal), commit)
  }

  #objection(journal: Journal): FakeAnswer | undefined {
    const lines = this.#linesOf(journal)
    if (lines.length === 0) return errorOf(400, 'Application_DialogException', 'There is nothing to post.')
    if (lines.some(({ postingDate }) => postingDate <= this.closedUntil)) return this.wording('closed_period')
    const lacksDimension = ({ dimensionSetLines = [] }: LineBody): boolean =>
      this.mandatoryDimension !== '' && !dimensionSetLines.some(one => one.code === this.mandatoryDimension)
    if (lines.some(lacksDimension)) return this.wording('missing_dimension')
    // In thousandths: a fake may.
    const sum = lines.reduce((total, { amount }) => total + Math.round(amount * 1_000), 0)
    return sum === 0 ? undefined : this.wording('unbalanced')
  }

  #toLedger(journal: Journal, atMs: number): void {
    const all = this.#linesOf(journal)
    for (const document of new Set(all.map(one => one.documentNumber))) {
      const lines = all.filter(one => one.documentNumber === document)
      this.ledger.add(keyIn(lines[0]!.description) ?? document, lines, atMs)
    }
    journal.postedAtMs = atMs
  }

  #postOfPeople(): void {
    const journal = this.journals.find(one => one.code === 'WEIR')!
    if (this.#objection(journal) !== undefined) return
    this.#toLedger(journal, this.nowMs())
    journal.lines.splice(0)
    journal.postedAtMs = Number.POSITIVE_INFINITY
  }

  #entries(request: FastifyRequest, reply: FastifyReply, filter: string): FastifyReply {
    if (this.#options.people) this.#postOfPeople()
    const all = this.ledger.visible().flatMap(({ document }) => document)
    const rows = all
      .map((line, index) => ({
        entryNumber: index + 1,
        postingDate: line.postingDate,
        documentNumber: line.documentNumber,
        accountNumber: line.accountNumber,
        description: line.description,
        debitAmount: Math.max(line.amount, 0),
        creditAmount: Math.max(-line.amount, 0),
      }))
      .filter(row => matchesFilter(filter, row))
    return this.#list(request, reply, rows)
  }

  #list(request: FastifyRequest, reply: FastifyReply, rows: readonly object[]): FastifyReply {
    const url = new URL(request.url, this.url)
    const from = Number(url.searchParams.get('$skiptoken') ?? 0)
    url.searchParams.set('$skiptoken', String(from + pageLength))
    const next = from + pageLength < rows.length ? { '@odata.nextLink': url.href } : {}
    return this.answer(reply, { status: 200, body: { value: rows.slice(from, from + pageLength), ...next } })
  }

  /** The step that was chosen for it meets the faults; the others do what they are asked. */
  #step(
    name: 'journal' | 'lines' | 'post',
    request: FastifyRequest,
    reply: FastifyReply,
    keys: readonly string[],
    judge: () => FakeAnswer | undefined,
    commit: (atMs: number) => FakeAnswer,
  ): FastifyReply | Promise<unknown> {
    const { faultsAt = 'post' } = this.#options
    if (name === faultsAt) return this.take(request, reply, { keys, judge, commit })
    return this.answer(reply, judge() ?? commit(this.nowMs()))
  }
}

export async function startFake(port: number): Promise<StartedFake> {
  const authorization = await BusinessCentralFake.authorizationServer()
  const fake = await new BusinessCentralFake({ authorization, hangMs: 90_000, lateMs: 5_000 }).start(port)
  return { fake, connection: fake.settings(), secrets, mapping }
}
