// A fake SAP S/4HANA: keeps accounting documents, validates each message against its shape (libxml2), checks the password or the
// token, knows closed periods, blocked accounts, unbalanced entries, currencies and missing assignments, and gives items by OData.
// What is against an entry stands in the log of an answer of 200. It takes the same entry twice, as SAP does. The texts of its log
// are ours, in SAP's form.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { XmlDocument, type XmlElement } from 'libxml2-wasm'
import type { Connector } from '../../connector.js'
import { xmlText } from '../../http/xml.js'
import { AuthorizationServer } from '../../testing/authorization-server.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents, type StoredDocument } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { openConnector } from '../../testing/open-connector.js'
import { readingXml, textAt, xmlShape } from '../../testing/xml-shape.js'
import { sapS4Kind } from '../kind.js'

interface Entry {
  readonly reference: string
  readonly references: readonly [string, string]
  readonly company: string
  /** `YYYY-MM-DD`. */
  readonly date: string
  readonly currency: string
  /** Of each item, with its sign. */
  readonly amounts: readonly string[]
  /** Of each item its account, or its customer. */
  readonly accounts: readonly { readonly name: string; readonly number: string }[]
}

export interface SapS4FakeOptions extends FakeOptions {
  /** Tokens of it instead of a password. */
  readonly authorization?: AuthorizationServer
  readonly settings?: Readonly<Record<string, unknown>>
  /** How many items it gives at once. */
  readonly pageLength?: number
}

const sfin = { s: 'http://sap.com/xi/SAPSCORE/SFIN' }
const problemOf = xmlShape('sap-s4', 'journal-entry-bulk-create-request.xsd')

export const secrets: Readonly<Record<string, string>> = {
  SAP_PASSWORD: 'sap-password-1',
  SAP_CLIENT_SECRET: 'sap-client-secret-1',
}

export const mapping = `accounts: { "1200": "12000000", "4000": "41000000", "2400": "24000000" }
company_code: { default: "1010", eu: "1710" }
document_type:
  - value: SA
profit_center:
  - match: { account: "4000" }
    value: YB110
  - omit: true
customers: { acme: "10100001" }
`

export class SapS4Fake extends FakeServer {
  readonly entries: Documents<Entry>
  /** G/L accounts that are blocked for posting. */
  readonly blockedAccounts = new Set<string>()
  closedUntil = ''
  readonly #options: SapS4FakeOptions

  constructor(options: SapS4FakeOptions = {}) {
    super({ lateMs: 300_000, ...options })
    this.#options = options
    this.entries = new Documents(this.nowMs)
  }

  static async authorizationServer(): Promise<AuthorizationServer> {
    const server = await AuthorizationServer.start()
    const expected = `Basic ${Buffer.from(`weir:${secrets['SAP_CLIENT_SECRET']}`).toString('base64')}`
    server.judge = ({ grant_type: grant }, authorization) => {
      if (grant !== 'client_credentials') return 'unsupported_grant_type'
      return authorization?.replaceAll('%2D', '-') === expected ? undefined : 'invalid_client'
    }
    return server
  }

  settings(): Readonly<Record<string, unknown>> {
    const { authorization, settings } = this.#options
    const byPassword = { user: 'WEIR_COMM', password: { variable: 'SAP_PASSWORD' } }
    const byToken = {
      token_url: authorization?.tokenUrl,
      client_id: 'weir',
      client_secret: { variable: 'SAP_CLIENT_SECRET' },
    }
    return { url: this.url, auth: authorization === undefined ? byPassword : byToken, ...settings }
  }

  connector(given: { readonly mapping?: string } = {}): Promise<Connector> {
    const { nowMs } = this
    return openConnector(sapS4Kind, this.settings(), { secrets, mapping: given.mapping ?? mapping, nowMs })
  }

  /** By the key in the header; the reference is only a short form of it. */
  async effects(): Promise<readonly string[]> {
    return this.entries.keys()
  }

  booked(): readonly BookedDocument[] {
    return this.entries.all().map(({ key, document: { currency, amounts, accounts } }) => ({
      key,
      lines: amounts.map((amount, n) => ({ currency, account: accounts[n]?.number ?? '', amount })),
    }))
  }

  protected override expireToken({ headers }: FastifyRequest): void {
    this.#options.authorization?.expire(headers.authorization)
  }

  protected routes(app: FastifyInstance): void {
    app.addHook('preHandler', async (request, reply) => {
      if (!request.url.startsWith('/_fake/') && !this.#knows(request))
        await this.answer(reply, this.wording('credentials_refused'))
    })
    app.post('/sap/bc/srt/scs_ext/sap/journalentrycreaterequestconfi', (request, reply) =>
      this.#take(request, reply),
    )
    app.get(
      '/sap/opu/odata/sap/API_OPLACCTGDOCITEMCUBE_SRV/A_OperationalAcctgDocItemCube',
      (request, reply) => this.#read(request, reply),
    )
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return { status: 429, body: 'Too many requests' }
      case '429_with_retry_after':
        return { status: 429, headers: { 'retry-after': '60' }, body: 'Too many requests' }
      case 'outage':
        return { status: 503, body: '<html><body>The system is being updated</body></html>' }
      case 'credentials_refused':
      case 'token_expired':
        return { status: 401, body: '<html><body>Logon failed</body></html>' }
      case 'closed_period':
        return refused('201(F5)', words ?? 'Posting period 010 2026 is not open')
      case 'inactive_account':
        return refused('351(F5)', 'Account 41000000 in company code 1010 is blocked for posting')
      case 'unbalanced':
        return refused('702(F5)', 'Balance in transaction currency')
      case 'missing_dimension':
        return refused('235(KI)', 'Account 41000000 requires an assignment to a CO object')
      case 'currency_not_enabled':
        return refused('105(SG)', 'Enter rate USD / CHF rate type M for 31.10.2026')
      case 'duplicate_key':
        return refused('117(F5)', 'The document has already been entered under number 1010 100000001 2026')
      case 'ok_with_error_inside':
        return refused('507(F5)', 'G/L account 41000000 is not defined in chart of accounts YCOA')
      default:
        return fault500('An error occurred while the message was processed.')
    }
  }

  #take(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const handled = readingXml(String(request.body), envelope => {
      const message = envelope.get('//s:JournalEntryBulkCreateRequest', sfin) as XmlElement | null
      if (message === null) return undefined
      const document = XmlDocument.fromString(message.toString())
      try {
        return this.#post(document, request, reply)
      } finally {
        document.dispose()
      }
    })
    return handled ?? Promise.resolve(this.answer(reply, fault500('The message is no XML of this service.')))
  }

  #post(document: XmlDocument, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const problem = problemOf(document)
    if (problem !== undefined) return Promise.resolve(this.answer(reply, fault500(problem)))
    const at = (name: string): string => textAt(document, `//JournalEntry/${name}`)
    const amounts = document.find('//AmountInTransactionCurrency').map(one => one.content)
    const accounts = document
      .find('//Item/GLAccount | //DebtorItem/Debtor')
      .map(one => ({ name: (one as XmlElement).name, number: one.content }))
    const entry: Entry = {
      reference: at('DocumentReferenceID'),
      references: [at('Reference1InDocumentHeader'), at('Reference2InDocumentHeader')],
      company: at('CompanyCode'),
      date: at('PostingDate'),
      currency: textAt(document, '//AmountInTransactionCurrency/@currencyCode'),
      amounts,
      accounts,
    }
    const judged = this.#judge(document, entry)
    const key = entry.references.join('')
    return this.take(request, reply, {
      keys: [key],
      judge: () => judged,
      commit: atMs => replyOf(this.entries.add(key, entry, atMs)),
    })
  }

  #judge(document: XmlDocument, { date, currency, amounts }: Entry): FakeAnswer | undefined {
    if (date <= this.closedUntil) return this.wording('closed_period')
    const accounts = document.find('//GLAccount').map(one => one.content)
    if (accounts.some(account => this.blockedAccounts.has(account))) return this.wording('inactive_account')
    if (!['USD', 'EUR'].includes(currency)) return this.wording('currency_not_enabled')
    const revenue = document.find('//Item[GLAccount="41000000"][not(AccountAssignment/ProfitCenter)]')
    if (revenue.length > 0) return this.wording('missing_dimension')
    const sides = document.find('//DebitCreditCode').map(one => one.content)
    if (amounts.some((amount, n) => (sides[n] === 'S') === amount.startsWith('-')))
      return refused('000(RW)', 'Wrong sign')
    const sum = amounts.reduce((total, amount) => total + inThousandths(amount), 0n)
    return sum === 0n ? undefined : this.wording('unbalanced')
  }

  #read(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { $filter = '', $top = '100', $skip = '0' } = request.query as Record<string, string>
    const reference = /DocumentReferenceID eq '([^']*)'/.exec($filter)?.[1]
    const [from = '', until = ''] = [...$filter.matchAll(/datetime'([\d-]{10})T/g)].map(([, date]) => date)
    const prefix = /startswith\(DocumentReferenceID,'([^']*)'\)/.exec($filter)?.[1] ?? ''
    const found = this.entries
      .visible()
      .filter(({ document }) =>
        reference === undefined
          ? document.date >= from && document.date <= until && document.reference.startsWith(prefix)
          : document.reference === reference,
      )
      .flatMap(itemsOf)
    const most = Math.min(Number($top), this.#options.pageLength ?? 1_000)
    return this.answer(reply, {
      status: 200,
      body: { d: { results: found.slice(Number($skip), Number($skip) + most) } },
    })
  }

  #knows({ headers }: FastifyRequest): boolean {
    const { authorization } = this.#options
    if (authorization !== undefined) return authorization.accepts(headers.authorization)
    const expected = Buffer.from(`WEIR_COMM:${secrets['SAP_PASSWORD']}`).toString('base64')
    return headers.authorization === `Basic ${expected}`
  }
}

const numberOf = (id: string): string => id.padStart(10, '0')

function itemsOf({ id, document }: StoredDocument<Entry>): readonly object[] {
  const { reference, references, company, date, currency, amounts, accounts } = document
  return amounts.map((amount, n) => ({
    CompanyCode: company,
    FiscalYear: date.slice(0, 4),
    AccountingDocument: numberOf(id),
    AccountingDocumentItem: String(n + 1).padStart(3, '0'),
    DocumentReferenceID: reference,
    Reference1InDocumentHeader: references[0],
    Reference2InDocumentHeader: references[1],
    PostingDate: `/Date(${Date.parse(date)})/`,
    TransactionCurrency: currency,
    AmountInTransactionCurrency: amount,
    GLAccount: accounts[n]?.name === 'Debtor' ? '0012100000' : numberOf(accounts[n]?.number ?? ''),
    Customer: accounts[n]?.name === 'Debtor' ? accounts[n].number : '',
  }))
}

function inThousandths(amount: string): bigint {
  const [whole = '', part = ''] = amount.replace('-', '').split('.')
  return BigInt(whole + part.padEnd(3, '0')) * (amount.startsWith('-') ? -1n : 1n)
}

type Tree = Parameters<typeof xmlText>[0]

function soap(status: number, body: Tree): FakeAnswer {
  const envelope = {
    '@xmlns:soap-env': 'http://schemas.xmlsoap.org/soap/envelope/',
    'soap-env:Header': {},
    'soap-env:Body': body,
  }
  return { status, headers: { 'content-type': 'text/xml' }, body: xmlText({ 'soap-env:Envelope': envelope }) }
}

function fault500(words: string): FakeAnswer {
  return soap(500, { 'soap-env:Fault': { faultcode: 'soap-env:Server', faultstring: words } })
}

function confirmation(document: Tree, severity: string, items: readonly Tree[]): FakeAnswer {
  return soap(200, {
    'n0:JournalEntryBulkCreateConfirmation': {
      '@xmlns:n0': sfin.s,
      MessageHeader: { CreationDateTime: '2026-11-01T00:00:00Z' },
      JournalEntryCreateConfirmation: {
        MessageHeader: { CreationDateTime: '2026-11-01T00:00:00Z' },
        JournalEntryCreateConfirmation: document,
        Log: { MaximumLogItemSeverityCode: severity, Item: items },
      },
      Log: {},
    },
  })
}

function replyOf({ id, document }: StoredDocument<Entry>): FakeAnswer {
  const year = document.date.slice(0, 4)
  const posted = { TypeID: '605(RW)', SeverityCode: '1', Note: `Document posted: BKPFF ${numberOf(id)}` }
  return confirmation(
    { AccountingDocument: numberOf(id), CompanyCode: document.company, FiscalYear: year },
    '1',
    [posted],
  )
}

function refused(typeId: string, note: string): FakeAnswer {
  return confirmation({ AccountingDocument: '0000000000', CompanyCode: '', FiscalYear: '0000' }, '3', [
    { TypeID: '609(RW)', SeverityCode: '3', Note: 'Error in document: BKPFF $ 0M4SMVI' },
    { TypeID: '001(XX)', SeverityCode: '2', Note: 'A warning that the currency is rarely used' },
    { TypeID: typeId, SeverityCode: '3', Note: note },
  ])
}

export async function startFake(port: number): Promise<StartedFake> {
  const fake = await new SapS4Fake({ hangMs: 90_000, lateMs: 5_000 }).start(port)
  return { fake, connection: fake.settings(), secrets, mapping }
}
