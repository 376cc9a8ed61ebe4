// A fake QuickBooks Online company: keeps journal entries, as many of one number as it is sent unless it minds, validates each
// body against the shape of JournalEntry (ajv), repeats its first answer for a `requestid`, knows the closing date, inactive
// accounts, unbalanced entries, currencies, customers on lines of accounts receivable and required classes, answers the query
// language, and takes refresh tokens once. The texts of its errors are ours, in the form of QuickBooks.

import { randomUUID } from 'node:crypto'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connector } from '../../connector.js'
import type { TokenStore } from '../../oauth/token-store.js'
import { AuthorizationServer } from '../../testing/authorization-server.js'
import { type BookedDocument, negative } from '../../testing/booked.js'
import { Documents } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault, Refusal } from '../../testing/fault.js'
import { openConnector, storeInMemory, type TestParts } from '../../testing/open-connector.js'
import { jsonShape } from '../../testing/shape.js'
import { quickbooksKind } from '../kind.js'

export interface EntryBody {
  readonly DocNumber: string
  readonly TxnDate: string
  readonly PrivateNote: string
  readonly CurrencyRef?: { readonly value: string }
  readonly Line: readonly {
    readonly Amount: number
    readonly JournalEntryLineDetail: {
      readonly PostingType: 'Debit' | 'Credit'
      readonly AccountRef: { readonly value: string }
      readonly Entity?: { readonly Type: string; readonly EntityRef: { readonly value: string } }
      readonly ClassRef?: { readonly value: string }
    }
  }[]
}

export interface QuickbooksFakeOptions extends FakeOptions {
  readonly authorization?: AuthorizationServer
}

const ajv = new Ajv2020({ strict: false })
addFormats.default(ajv)
const isEntry = ajv.compile(jsonShape('quickbooks', 'journal-entry.schema.json'))

const realm = '4620816365291234567'
const receivable = '84'

export const secrets: Readonly<Record<string, string>> = {
  QBO_SECRET: 'qbo-client-secret-1',
  QBO_REFRESH_TOKEN: 'qbo-refresh-token-1',
  QBO_TOKEN_KEY: 'key-of-kept-tokens-1',
}

export const mapping = `accounts: { "1200": "84", "4000": "79", "2400": "91" }
customers: { acme: "58" }
class:
  - match: { account: "4000", segment.team: core }
    value: "5000000000000012345"
  - omit: true
`

/** With a customer for the receivables of summaries, which have none. */
const mappingWithSummaries = mapping.replace(
  'customers: { acme: "58" }',
  'customers: [{ match: { customer: acme }, value: "58" }, { match: { kind: summary }, value: "58" }]',
)

export class QuickbooksFake extends FakeServer {
  readonly entries: Documents<EntryBody>
  readonly inactiveAccounts = new Set<string>()
  /** The company's preference to warn of numbers that are there already. */
  mindsNumbers = false
  /** It numbers entries itself, whatever it is sent. */
  numbersItself = false
  requiresClass = false
  homeCurrency = 'USD'
  closingDate = ''
  /** As our bucket: it outlives a connector. */
  readonly tokens: TokenStore = storeInMemory()
  readonly #options: QuickbooksFakeOptions
  readonly #answers = new Map<string, FakeAnswer>()

  constructor(options: QuickbooksFakeOptions) {
    super({ lateMs: 200_000, ...options })
    this.#options = options
    this.entries = new Documents(this.nowMs)
  }

  /** Checks the client and the refresh token: that of the consent counts always, each later one once. */
  static async authorizationServer(): Promise<AuthorizationServer> {
    const server = await AuthorizationServer.start()
    const unused = new Set<string>()
    server.judge = ({ grant_type: grant, refresh_token: token = '' }, authorization) => {
      if (authorization !== `Basic ${btoa(`qbo-client:${secrets['QBO_SECRET']}`)}`) return 'invalid_client'
      if (grant !== 'refresh_token') return 'unsupported_grant_type'
      return token === secrets['QBO_REFRESH_TOKEN'] || unused.delete(token) ? undefined : 'invalid_grant'
    }
    server.extra = () => {
      const next = `qbo-refresh-${randomUUID()}`
      unused.add(next)
      return { refresh_token: next, x_refresh_token_expires_in: 8_726_400 }
    }
    return server
  }

  settings(): Readonly<Record<string, unknown>> {
    return {
      url: this.url,
      realm,
      auth: {
        client_id: 'qbo-client',
        client_secret: { variable: 'QBO_SECRET' },
        refresh_token: { variable: 'QBO_REFRESH_TOKEN' },
        token_key: { variable: 'QBO_TOKEN_KEY' },
        token_url: this.#options.authorization?.tokenUrl,
      },
    }
  }

  /** Without the limit per minute, which would hold tests up in real time. */
  connector(given: Partial<TestParts> & { readonly settings?: object } = {}): Promise<Connector> {
    const { nowMs, tokens: tokenStore } = this
    return openConnector(
      quickbooksKind,
      { ...this.settings(), ...given.settings },
      {
        secrets,
        mapping: mappingWithSummaries,
        nowMs,
        rate: { concurrent: 10 },
        tokenStore,
        ...given,
      },
    )
  }

  async effects(): Promise<readonly string[]> {
    return this.entries.keys()
  }

  booked(): readonly BookedDocument[] {
    return this.entries.all().map(({ key, document: { CurrencyRef, Line } }) => ({
      key,
      lines: Line.map(({ Amount, JournalEntryLineDetail: { PostingType, AccountRef } }) => ({
        currency: CurrencyRef?.value ?? 'USD',
        account: AccountRef.value,
        amount: PostingType === 'Debit' ? String(Amount) : negative(Amount),
      })),
    }))
  }

  protected override expireToken({ headers }: FastifyRequest): void {
    this.#options.authorization?.expire(headers.authorization)
  }

  protected routes(app: FastifyInstance): void {
    app.addHook('preHandler', async ({ url, headers }, reply) => {
      if (url.startsWith('/_fake/')) return
      if (!this.#options.authorization?.accepts(headers.authorization))
        await this.answer(reply, this.wording('credentials_refused'))
      else if (!url.startsWith(`/v3/company/${realm}/`))
        await this.answer(reply, faultOf(403, 'AuthorizationFault', '3100', 'ApplicationAuthorizationFailed'))
    })
    app.get(`/v3/company/${realm}/query`, (request, reply) => this.#query(request, reply))
    app.post(`/v3/company/${realm}/journalentry`, (request, reply) => this.#post(request, reply))
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return faultOf(429, 'ThrottleFault', '3001', 'ThrottleExceeded')
      case '429_with_retry_after':
        return {
          ...faultOf(429, 'ThrottleFault', '3001', 'ThrottleExceeded'),
          headers: { 'retry-after': '60' },
        }
      case 'outage':
        return { status: 503, body: 'Service Unavailable' }
      case 'credentials_refused':
      case 'token_expired': {
        const error = [{ message: 'AuthenticationFailed', detail: 'Token expired', code: '3200' }]
        return { status: 401, body: { fault: { error, type: 'AUTHENTICATION' } } }
      }
      default: {
        const known = refusals[fault as Refusal]
        if (known === undefined)
          return faultOf(500, 'SystemFault', '10000', 'An application error has occurred')
        const [status, code, message, detail] = known
        return faultOf(status, 'ValidationFault', code, message, words ?? detail)
      }
    }
  }

  async #post(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { requestid: id = '', minorversion } = request.query as Record<string, string>
    if (id === '' || id.length > 50 || minorversion !== '75')
      return this.answer(reply, faultOf(400, 'ValidationFault', '2010', 'Request has invalid parameters'))
    const first = this.#answers.get(id)
    if (first !== undefined) return this.answer(reply, first)
    const body: unknown = JSON.parse(String(request.body))
    const key = /^weir_(\S+) /.exec((body as EntryBody).PrivateNote)?.[1] ?? ''
    const keep = (answer: FakeAnswer): FakeAnswer => {
      this.#answers.set(id, answer)
      return answer
    }
    const judge = (): FakeAnswer | undefined => {
      const refused = this.#judge(body)
      return refused === undefined ? undefined : keep(refused)
    }
    return this.take(request, reply, {
      keys: [key],
      judge,
      refuseFirst: fault => keep(this.wording(fault)),
      commit: atMs => {
        const DocNumber = this.numbersItself ? '17' : (body as EntryBody).DocNumber
        const { id: Id } = this.entries.add(key, { ...(body as EntryBody), DocNumber }, atMs)
        return keep({
          status: 200,
          body: { JournalEntry: { ...(body as EntryBody), DocNumber, Id, SyncToken: '0' } },
        })
      },
    })
  }

  #judge(body: unknown): FakeAnswer | undefined {
    if (!isEntry(body))
      return faultOf(
        400,
        'ValidationFault',
        '2010',
        'Request has invalid or unsupported property',
        ajv.errorsText(isEntry.errors),
      )
    const { Line, TxnDate, DocNumber, CurrencyRef, PrivateNote } = body as unknown as EntryBody
    const words = this.refusalOf(/^weir_(\S+) /.exec(PrivateNote)?.[1] ?? '')
    if (words !== undefined || TxnDate <= this.closingDate) return this.wording('closed_period', words)
    const isTaken = this.entries.visible().some(({ document }) => document.DocNumber === DocNumber)
    if (this.mindsNumbers && isTaken) return this.wording('duplicate_key')
    const details = Line.map(({ JournalEntryLineDetail }) => JournalEntryLineDetail)
    if (details.some(({ AccountRef }) => this.inactiveAccounts.has(AccountRef.value)))
      return this.wording('inactive_account')
    if (
      details.some(
        ({ AccountRef, Entity }) => AccountRef.value === receivable && Entity?.EntityRef.value !== '58',
      )
    )
      return faultOf(
        400,
        'ValidationFault',
        '6000',
        'A business validation error has occurred',
        'Choose a customer for lines of accounts receivable.',
      )
    if (this.requiresClass && details.some(({ ClassRef }) => ClassRef === undefined))
      return this.wording('missing_dimension')
    if (CurrencyRef !== undefined && CurrencyRef.value !== 'EUR') return this.wording('currency_not_enabled')
    // In thousandths: a fake may.
    const signed = Line.map(({ Amount, JournalEntryLineDetail: { PostingType } }) =>
      Math.round(Amount * (PostingType === 'Debit' ? 1_000 : -1_000)),
    )
    return signed.reduce((sum, one) => sum + one, 0) === 0 ? undefined : this.wording('unbalanced')
  }

  #query(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { query = '' } = request.query as Record<string, string>
    if (/where.*PrivateNote/i.test(query))
      return this.answer(
        reply,
        faultOf(400, 'ValidationFault', '4001', 'Property PrivateNote is not queryable'),
      )
    if (query === 'select * from Preferences')
      return this.answer(reply, {
        status: 200,
        body: {
          QueryResponse: {
            Preferences: [
              { CurrencyPrefs: { MultiCurrencyEnabled: true, HomeCurrency: { value: this.homeCurrency } } },
            ],
          },
        },
      })
    const [, number] = /DocNumber = '([^']*)'/.exec(query) ?? []
    const [, from = '0'] = /TxnDate >= '([\d-]+)'/.exec(query) ?? []
    const [, until = '9'] = /TxnDate <= '([\d-]+)'/.exec(query) ?? []
    const [, start = '1', most = '100'] = /startposition (\d+) maxresults (\d+)/.exec(query) ?? []
    const found = this.entries
      .visible()
      .filter(({ document: { DocNumber, TxnDate } }) =>
        number === undefined ? TxnDate >= from && TxnDate <= until : DocNumber === number,
      )
      .map(({ id, document }) => ({ ...document, Id: id, SyncToken: '0', domain: 'QBO' }))
      .slice(Number(start) - 1, Number(start) - 1 + Number(most))
    const page = found.length === 0 ? {} : { JournalEntry: found, startPosition: 1, maxResults: found.length }
    return this.answer(reply, { status: 200, body: { QueryResponse: page, time: '2026-11-01T00:00:00Z' } })
  }
}

/** Status, code, message, detail. */
const refusals: Readonly<Record<Refusal, readonly [number, string, string, string]>> = {
  closed_period: [400, '6210', 'Account Period Closed', 'The date lies in a period that is closed.'],
  inactive_account: [
    400,
    '610',
    'Object Not Found',
    'Something that is used here was made inactive: account 84.',
  ],
  unbalanced: [400, '6000', 'A business validation error has occurred', 'Debits and credits differ by 0.25.'],
  missing_dimension: [
    400,
    '6000',
    'A business validation error has occurred',
    'A class is required on each line.',
  ],
  currency_not_enabled: [
    400,
    '6000',
    'A business validation error has occurred',
    'The currency GBP is not active.',
  ],
  duplicate_key: [400, '6140', 'Duplicate Document Number Error', 'The number is in use: TxnId=1001.'],
  ok_with_error_inside: [200, '2500', 'Invalid Reference Id', 'The account 79 is not there.'],
}

function faultOf(status: number, type: string, code: string, Message: string, Detail = Message): FakeAnswer {
  const errors = [{ Message, Detail, code, element: '' }]
  return { status, body: { Fault: { Error: errors, type }, time: '2026-11-01T00:00:00Z' } }
}

export async function startFake(port: number): Promise<StartedFake> {
  const authorization = await QuickbooksFake.authorizationServer()
  const fake = await new QuickbooksFake({ authorization, hangMs: 150_000, lateMs: 5_000 }).start(port)
  return { fake, connection: fake.settings(), secrets, mapping }
}
