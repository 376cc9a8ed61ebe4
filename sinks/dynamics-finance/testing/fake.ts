// A fake Dynamics 365 Finance: general journals by company and batch number, written by a `$batch` whose parts a MIME parser reads
// (postal-mime). It validates each body against the shape (ajv), takes a changeset whole or not at all, checks tokens, and knows
// closed periods, suspended accounts, currencies, account structures and numbers that are taken. A job there posts, or an
// action. The texts of its errors are ours, in its form.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import PostalMime from 'postal-mime'
import type { Connector } from '../../connector.js'
import { AuthorizationServer } from '../../testing/authorization-server.js'
import { type BookedDocument, signed } from '../../testing/booked.js'
import { Documents } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { matchesFilter } from '../../testing/odata-filter.js'
import { openConnector } from '../../testing/open-connector.js'
import { dynamicsFinanceKind } from '../kind.js'
import { keyIn } from '../records.js'
import { changesetAnswer, errorOf, isHeader, isLine, problemsOf, wordingOf } from './wording.js'

interface Header {
  readonly dataAreaId: string
  readonly JournalBatchNumber: string
  readonly JournalName: string
  readonly Description: string
}

interface Line {
  readonly JournalBatchNumber: string
  readonly AccountDisplayValue: string
  readonly AccountType: string
  readonly CurrencyCode: string
  readonly TransDate: string
  readonly Text: string
  readonly DebitAmount?: number
  readonly CreditAmount?: number
}

interface Journal {
  readonly header: Header
  readonly lines: readonly Line[]
}

export interface DynamicsFinanceFakeOptions extends FakeOptions {
  readonly authorization: AuthorizationServer
  /** A job there posts what is written, just before each look at the headers. */
  readonly job?: boolean
  /** Further settings of the connection. */
  readonly settings?: Readonly<Record<string, unknown>>
}

export const secrets: Readonly<Record<string, string>> = { D365_SECRET: 'entra-secret-1' }
export const mapping = `accounts: { "1200": "130100", "4000": "401100", "2400": "250500" }
company: { default: usmf, eu: demf }
journal: { default: GenJrn, eu: GenJrn }
`

const pageLength = 4

export class DynamicsFinanceFake extends FakeServer {
  readonly journals: Documents<Journal>
  readonly posted = new Set<string>()
  readonly suspendedAccounts = new Set<string>()
  /** How many values an account has, main account included. */
  segments = 1
  closedUntil = ''
  mayPost = true
  readonly #options: DynamicsFinanceFakeOptions
  #everywhere: Fault | undefined

  constructor(options: DynamicsFinanceFakeOptions) {
    super({ lateMs: 300_000, ...options })
    this.#options = options
    this.journals = new Documents(this.nowMs)
  }

  /** Checks each token request as Entra ID does. */
  static async authorizationServer(): Promise<AuthorizationServer> {
    const server = await AuthorizationServer.start()
    server.judge = ({ grant_type: grant, client_id: id, client_secret: secret, scope = '' }) => {
      if (grant !== 'client_credentials') return 'unsupported_grant_type'
      if (!/^http:\/\/127\.0\.0\.1:\d+\/\.default$/.test(scope)) return 'invalid_scope'
      return id === 'client-1' && secret === secrets['D365_SECRET'] ? undefined : 'invalid_client'
    }
    return server
  }

  settings(): Readonly<Record<string, unknown>> {
    const { authorization, settings = {} } = this.#options
    return {
      url: this.url,
      ...settings,
      auth: {
        tenant: 'contoso.example',
        client_id: 'client-1',
        client_secret: { variable: 'D365_SECRET' },
        token_url: authorization.tokenUrl,
      },
    }
  }

  connector(given: { readonly mapping?: string } = {}): Promise<Connector> {
    const { nowMs } = this
    const parts = { secrets, mapping: given.mapping ?? mapping, nowMs }
    return openConnector(dynamicsFinanceKind, this.settings(), parts)
  }

  async effects(): Promise<readonly string[]> {
    return this.journals.visible().map(({ document }) => keyIn(document.header.Description) ?? '')
  }

  booked(): readonly BookedDocument[] {
    return this.journals.all().map(({ document: { header, lines } }) => ({
      key: keyIn(header.Description) ?? '',
      lines: lines.map(line => ({
        currency: line.CurrencyCode,
        account: line.AccountDisplayValue,
        amount: signed(line.DebitAmount, line.CreditAmount),
      })),
    }))
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
    app.all('/data/*', (request, reply) => this.#serve(request, reply))
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    return wordingOf(fault, words)
  }

  async #serve(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { method, url, headers } = request
    if (this.#everywhere !== undefined) return this.answer(reply, this.wording(this.#everywhere))
    if (!this.#options.authorization.accepts(headers.authorization))
      return this.answer(reply, this.wording('credentials_refused'))
    const { pathname, searchParams } = new URL(url, this.url)
    const path = decodeURIComponent(pathname).replace('/data/', '')
    if (`${method} ${path}` === 'POST $batch') return this.#batch(request, reply)
    if (searchParams.get('cross-company') !== 'true')
      return this.answer(reply, errorOf(400, 'cross-company is missing.'))
    switch (`${method} ${path}`) {
      case 'GET LedgerJournalHeaders':
        return this.#list(request, reply, this.#headers())
      case 'GET LedgerJournalLines':
        return this.#list(request, reply, this.#lines())
      default:
        return this.#act(method, path, reply)
    }
  }

  #headers(): readonly object[] {
    const all = this.journals.visible()
    if (this.#options.job) for (const { key } of all) this.posted.add(key)
    return all.map(({ key, document }) => ({
      ...document.header,
      IsPosted: this.posted.has(key) ? 'Yes' : 'No',
    }))
  }

  #lines(): readonly object[] {
    const all = this.journals.visible().flatMap(({ document }) => document.lines)
    return all.map(line => ({ DebitAmount: 0, CreditAmount: 0, ...line }))
  }

  async #batch(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { requests, changesets } = await partsOf(request)
    const [header, ...lines] = requests.map(one => one.body) as [Header, ...Line[]]
    const paths = requests.map(one => one.path)
    const isEntry =
      changesets === 1 &&
      paths[0] === '/data/LedgerJournalHeaders?cross-company=true' &&
      paths.slice(1).every(path => path === '/data/LedgerJournalLines?cross-company=true')
    if (!isEntry) return this.answer(reply, errorOf(400, 'The batch has not the form of an entry.'))
    const key = `${header.dataAreaId} ${header.JournalBatchNumber}`
    return this.take(request, reply, {
      keys: [keyIn(header.Description) ?? ''],
      judge: () => this.#judge(key, header, lines),
      commit: atMs => {
        this.journals.add(key, { header, lines }, atMs)
        return changesetAnswer(requests.map(() => ({ status: 204 })))
      },
    })
  }

  #judge(key: string, header: Header, lines: readonly Line[]): FakeAnswer | undefined {
    if (!isHeader(header)) return changesetAnswer([errorOf(400, problemsOf(isHeader))])
    if (!lines.every(line => isLine(line))) return changesetAnswer([errorOf(400, problemsOf(isLine))])
    if (this.journals.keys().includes(key)) return this.wording('duplicate_key')
    if (lines.some(line => line.TransDate.slice(0, 10) <= this.closedUntil))
      return this.wording('closed_period')
    const accounts = lines.map(line => line.AccountDisplayValue.split(/(?<!\\)-/))
    if (accounts.some(([main = '']) => this.suspendedAccounts.has(main)))
      return this.wording('inactive_account')
    const isComplete = (values: readonly string[], index: number): boolean =>
      lines[index]!.AccountType === 'Cust' ||
      (values.length === this.segments && values.every(one => one !== ''))
    if (!accounts.every(isComplete)) return this.wording('missing_dimension')
    // In thousandths: a fake may.
    const sum = lines.reduce(
      (total, { DebitAmount = 0, CreditAmount = 0 }) =>
        total + Math.round((DebitAmount - CreditAmount) * 1_000),
      0,
    )
    if (sum !== 0) return this.wording('unbalanced')
    return lines.every(line => ['USD', 'EUR'].includes(line.CurrencyCode))
      ? undefined
      : this.wording('currency_not_enabled')
  }

  /** `LedgerJournalHeaders(…)/<action>`: posts. */
  #act(method: string, path: string, reply: FastifyReply): FastifyReply {
    const [, company = '', batch = ''] =
      /^LedgerJournalHeaders\(dataAreaId='(\w+)',JournalBatchNumber='(\w+)'\)\/Microsoft\.Dynamics\.DataEntities\.weirPost$/.exec(
        path,
      ) ?? []
    const journal = this.journals.find(`${company} ${batch}`)
    if (method !== 'POST' || journal === undefined)
      return this.answer(reply, errorOf(404, 'No HTTP resource was found.'))
    if (!this.mayPost) return this.answer(reply, errorOf(400, 'Period 10 is closed for the ledger.'))
    this.posted.add(journal.key)
    return this.answer(reply, { status: 204 })
  }

  #list(request: FastifyRequest, reply: FastifyReply, all: readonly object[]): FastifyReply {
    const url = new URL(request.url, this.url)
    const filter = url.searchParams.get('$filter') ?? ''
    const rows = all.filter(row => filter === '' || matchesFilter(filter, row))
    const from = Number(url.searchParams.get('$skiptoken') ?? 0)
    url.searchParams.set('$skiptoken', String(from + pageLength))
    const next = from + pageLength < rows.length ? { '@odata.nextLink': url.href } : {}
    return this.answer(reply, { status: 200, body: { value: rows.slice(from, from + pageLength), ...next } })
  }
}

/** The requests inside a `$batch`, and how many changesets it has. */
async function partsOf({ headers, body }: FastifyRequest): Promise<{
  readonly changesets: number
  readonly requests: readonly { readonly path: string; readonly body: unknown }[]
}> {
  const mail = `MIME-Version: 1.0\r\nContent-Type: ${headers['content-type'] ?? ''}\r\n\r\n${String(body)}`
  const { attachments } = await PostalMime.parse(mail)
  const requests = attachments
    .filter(({ mimeType }) => mimeType === 'application/http')
    .map(({ content }) => {
      const text =
        typeof content === 'string' ? content : Buffer.from(content as ArrayBuffer).toString('utf8')
      const [head = '', json = ''] = text.split(/\r?\n\r?\n/)
      return { path: /^POST (\S+) HTTP\/1\.1/.exec(head)?.[1] ?? '', body: JSON.parse(json) as unknown }
    })
  const changesets = String(body).match(/^Content-Type: multipart\/mixed/gm)?.length ?? 0
  return { changesets, requests }
}

export async function startFake(port: number): Promise<StartedFake> {
  const authorization = await DynamicsFinanceFake.authorizationServer()
  const fake = await new DynamicsFinanceFake({
    authorization,
    job: true,
    hangMs: 110_000,
    lateMs: 5_000,
  }).start(port)
  return { fake, connection: fake.settings(), secrets, mapping }
}
