// A fake Xero: keeps manual journals, as many of the same narration as it is sent, validates each page against the schemas of Xero's
// own OpenAPI file (ajv, without unknown names), checks tokens and the organisation, repeats the stored answer of an
// Idempotency-Key for six minutes, knows the lock date, archived accounts, unbalanced journals and tracking categories, and
// answers filters. The texts of its errors are ours, in Xero's form.

import { randomUUID } from 'node:crypto'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connector } from '../../connector.js'
import { AuthorizationServer } from '../../testing/authorization-server.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import { type Fault, isRefusal, type Refusal } from '../../testing/fault.js'
import { openConnector, type TestParts } from '../../testing/open-connector.js'
import { jsonShape } from '../../testing/shape.js'
import { xeroKind } from '../kind.js'

export interface JournalBody {
  readonly Narration: string
  readonly Date: string
  readonly Status: string
  readonly JournalLines: readonly {
    readonly LineAmount: number
    readonly AccountCode?: string
    readonly TaxType?: string
    readonly Tracking?: readonly { readonly Name: string; readonly Option: string }[]
  }[]
}
type Kept = JournalBody & { readonly id: string; readonly atMs: number }

export interface XeroFakeOptions extends FakeOptions {
  readonly authorization?: AuthorizationServer
  readonly auth?: 'custom_connection' | 'consent'
  readonly status?: 'posted' | 'draft'
}

const tenant = '3b2f6a0e-9d0b-4d55-8f2e-0c6f6f1f7a11'
const scopes = ['accounting.transactions', 'accounting.settings.read']
const replayMs = 6 * 60_000
const ajv = new Ajv2020({ strict: false })
addFormats.default(ajv)
const isPage = ajv.compile(shapeOf('ManualJournals'))
const isError = ajv.compile(shapeOf('Error'))

export const secrets: Readonly<Record<string, string>> = {
  XERO_SECRET: 'xero-client-secret-1',
  XERO_REFRESH_TOKEN: 'xero-refresh-token-1',
  XERO_TOKEN_KEY: 'key-of-kept-tokens-1',
}

export const mapping = `accounts: { "1200": "610", "4000": "200", "2400": "850" }
tracking_1:
  - from: segment.region
  - omit: true
`

export class XeroFake extends FakeServer {
  readonly journals: Documents<Kept>
  readonly archivedAccounts = new Set<string>()
  lockDate = ''
  baseCurrency = 'USD'
  readonly #options: XeroFakeOptions
  readonly #replays = new Map<string, { text: string; answer: FakeAnswer; atMs: number }>()

  constructor(options: XeroFakeOptions) {
    super({ lateMs: 200_000, ...options })
    this.#options = options
    this.journals = new Documents(this.nowMs)
  }

  /** Checks the client and its grant as Xero does; a refresh token counts once and brings the next. */
  static async authorizationServer(): Promise<AuthorizationServer> {
    const server = await AuthorizationServer.start()
    server.expiresInSeconds = 1_800
    let current = secrets['XERO_REFRESH_TOKEN']!
    server.judge = ({ grant_type: grant, scope, refresh_token: token }, authorization) => {
      const isOurs = authorization === `Basic ${btoa(`xero-client:${secrets['XERO_SECRET']}`)}`
      if (!isOurs) return 'invalid_client'
      if (grant === 'client_credentials')
        return scope?.split(' ').every(one => scopes.includes(one)) ? undefined : 'invalid_scope'
      return grant === 'refresh_token' && token === current ? undefined : 'invalid_grant'
    }
    server.extra = ({ grant_type: grant }) => {
      if (grant !== 'refresh_token') return {}
      current = `xero-refresh-${randomUUID()}`
      return { refresh_token: current }
    }
    return server
  }

  settings(): Readonly<Record<string, unknown>> {
    const { auth = 'custom_connection', authorization, status = 'posted' } = this.#options
    const consent = {
      refresh_token: { variable: 'XERO_REFRESH_TOKEN' },
      token_key: { variable: 'XERO_TOKEN_KEY' },
    }
    return {
      url: `${this.url}/api.xro/2.0`,
      tenant,
      status,
      tracking: ['Region'],
      auth: {
        client_id: 'xero-client',
        client_secret: { variable: 'XERO_SECRET' },
        token_url: authorization?.tokenUrl,
        ...(auth === 'consent' ? consent : {}),
      },
    }
  }

  /** Without the limit per minute, which would hold tests up in real time. */
  connector(given: Partial<TestParts> & { readonly settings?: object } = {}): Promise<Connector> {
    const { nowMs } = this
    return openConnector(
      xeroKind,
      { ...this.settings(), ...given.settings },
      { secrets, mapping, nowMs, rate: { concurrent: 5 }, ...given },
    )
  }

  async effects(): Promise<readonly string[]> {
    return this.journals.keys()
  }

  booked(): readonly BookedDocument[] {
    return this.journals.all().map(({ key, document: { JournalLines } }) => ({
      key,
      lines: JournalLines.map(({ AccountCode = '', LineAmount }) => ({
        currency: 'USD',
        account: AccountCode,
        amount: String(LineAmount),
      })),
    }))
  }

  protected override expireToken({ headers }: FastifyRequest): void {
    this.#options.authorization?.expire(headers.authorization)
  }

  protected routes(app: FastifyInstance): void {
    app.addHook('preHandler', async (request, reply) => {
      const { url, headers } = request
      if (url.startsWith('/_fake/')) return
      if (!this.#options.authorization?.accepts(headers.authorization))
        await this.answer(reply, this.wording('credentials_refused'))
      else if (headers['xero-tenant-id'] !== tenant)
        await this.answer(reply, {
          status: 403,
          body: { Title: 'Forbidden', Detail: 'AuthenticationUnsuccessful' },
        })
      else if (headers.accept !== 'application/json')
        await this.answer(reply, {
          status: 200,
          headers: { 'content-type': 'text/xml' },
          body: '<Response/>',
        })
    })
    app.get('/api.xro/2.0/ManualJournals', (request, reply) => this.#list(request, reply))
    app.get('/api.xro/2.0/Organisation', (_, reply) =>
      this.answer(reply, { status: 200, body: { Organisations: [{ BaseCurrency: this.baseCurrency }] } }),
    )
    app.put('/api.xro/2.0/ManualJournals', (request, reply) => this.#put(request, reply))
  }

  protected wording(fault: Fault): FakeAnswer {
    switch (fault) {
      case '429_without':
        return { status: 429, headers: { 'x-rate-limit-problem': 'concurrent' }, body: '' }
      case '429_with_retry_after':
        return { status: 429, headers: { 'x-rate-limit-problem': 'minute', 'retry-after': '60' }, body: '' }
      case 'outage':
        return { status: 503, body: 'The organisation is offline' }
      case 'credentials_refused':
      case 'token_expired':
        return {
          status: 401,
          body: { Title: 'Unauthorized', Status: 401, Detail: 'TokenExpired: token expired' },
        }
      default:
        if (isRefusal(fault)) return errorOf('ValidationException', wordsOf[fault])
        return {
          status: 500,
          body: { ErrorNumber: 500, Type: 'InternalError', Message: 'An error occurred.' },
        }
    }
  }

  async #put(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { summarizeErrors } = request.query as { summarizeErrors?: string }
    const key = String(request.headers['idempotency-key'] ?? '')
    const text = String(request.body)
    if (summarizeErrors !== 'false' || key === '' || key.length > 128)
      return this.answer(
        reply,
        errorOf('QueryParseException', 'summarizeErrors or Idempotency-Key is wrong.'),
      )
    const stored = this.#replays.get(key)
    if (stored !== undefined && this.nowMs() < stored.atMs + replayMs) {
      if (stored.text === text) return this.answer(reply, stored.answer)
      return this.answer(reply, errorOf('IdempotencyException', 'The key was used for another request.'))
    }
    const page: unknown = JSON.parse(text)
    if (!isPage(page))
      return this.answer(reply, errorOf('PostDataInvalidException', ajv.errorsText(isPage.errors)))
    const journals = (page as unknown as { ManualJournals: readonly JournalBody[] }).ManualJournals
    const keep = (atMs: number, fault?: Refusal): FakeAnswer => {
      const verdicts = journals.map((one, n) => this.#judge(one, atMs, n === 0 ? fault : undefined))
      const answer = { status: 200, body: { Id: randomUUID(), Status: 'OK', ManualJournals: verdicts } }
      this.#replays.set(key, { text, answer, atMs: this.nowMs() })
      return answer
    }
    return this.take(request, reply, {
      keys: journals.map(keyOf),
      refuseFirst: fault => keep(this.nowMs(), fault),
      commit: atMs => keep(atMs),
    })
  }

  /** The verdict on one journal, which is kept when nothing is against it. */
  #judge(journal: JournalBody, atMs: number, fault: Refusal | undefined): object {
    const words = fault === undefined ? this.#wordsAgainst(journal) : wordsOf[fault]
    const shown = { ...journal, Date: `/Date(${Date.parse(journal.Date)}+0000)/` }
    if (words !== undefined)
      return {
        ...shown,
        ManualJournalID: '00000000-0000-0000-0000-000000000000',
        StatusAttributeString: 'ERROR',
        ValidationErrors: [{ Message: words }],
      }
    const id = randomUUID()
    this.journals.add(keyOf(journal), { ...journal, id, atMs }, atMs)
    return { ...shown, ManualJournalID: id, StatusAttributeString: 'OK' }
  }

  #wordsAgainst(journal: JournalBody): string | undefined {
    const { JournalLines: lines, Date: date } = journal
    const refused = this.refusalOf(keyOf(journal))
    if (refused !== undefined) return refused
    if (date <= this.lockDate) return wordsOf.closed_period
    if (lines.some(({ AccountCode = '' }) => this.archivedAccounts.has(AccountCode)))
      return wordsOf.inactive_account
    // In thousandths: a fake may.
    if (lines.reduce((sum, { LineAmount }) => sum + Math.round(LineAmount * 1_000), 0) !== 0)
      return wordsOf.unbalanced
    const options = lines.flatMap(({ Tracking = [] }) => Tracking)
    if (options.some(({ Name, Option }) => Name !== 'Region' || !['North', 'South'].includes(Option)))
      return wordsOf.missing_dimension
    return undefined
  }

  #list(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { where = '', page = '1', pageSize = '100' } = request.query as Record<string, string>
    const since = Date.parse(String(request.headers['if-modified-since'] ?? '1970-01-01T00:00:00Z'))
    const [, begin = ''] = /Narration\.StartsWith\("([^"]*)"\)/.exec(where) ?? []
    const [, from = '0'] = /Date>=DateTime\(([\d,]+)\)/.exec(where) ?? []
    const [, until = '9'] = /Date<=DateTime\(([\d,]+)\)/.exec(where) ?? []
    const found = this.journals.visible().filter(({ document: { Narration, Date: date, atMs } }) => {
      const day = date.replaceAll('-', ',')
      return Narration.startsWith(begin) && day >= from && day <= until && atMs >= since
    })
    const start = (Number(page) - 1) * Number(pageSize)
    const shown = found
      .slice(start, start + Number(pageSize))
      .map(({ document: { id, atMs, ...journal } }) => ({
        ...journal,
        Date: `/Date(${Date.parse(journal.Date)}+0000)/`,
        UpdatedDateUTC: `/Date(${atMs}+0000)/`,
        ManualJournalID: id,
      }))
    return this.answer(reply, {
      status: 200,
      body: { Id: randomUUID(), Status: 'OK', ManualJournals: shown },
    })
  }
}

const wordsOf: Readonly<Record<Refusal, string>> = {
  closed_period: 'The date lies before the lock date of this organisation.',
  inactive_account: 'The account 200 has been archived.',
  unbalanced: 'The total debits (2.25) must equal the total credits (2.00).',
  missing_dimension: 'The tracking option West is not active.',
  currency_not_enabled: 'The currency EUR is not subscribed to.',
  duplicate_key: 'This has been sent before.',
  ok_with_error_inside: 'The account 610 cannot be used in a manual journal.',
}

function keyOf({ Narration }: JournalBody): string {
  return /^weir_(\S+) /.exec(Narration)?.[1] ?? ''
}

function errorOf(type: string, words: string): FakeAnswer {
  const Elements = type === 'ValidationException' ? [{ ValidationErrors: [{ Message: words }] }] : []
  const body = { ErrorNumber: 10, Type: type, Message: words, Elements }
  if (!isError(body)) throw new Error(ajv.errorsText(isError.errors))
  return { status: 400, body }
}

/** A schema of the OpenAPI file as one of JSON Schema, in which no object may have other names than its own. */
function shapeOf(name: string): object {
  const { components } = jsonShape('xero', 'manual-journals.openapi.json') as {
    components: { schemas: Record<string, { properties?: object }> }
  }
  for (const schema of Object.values(components.schemas))
    if (schema.properties !== undefined) Object.assign(schema, { additionalProperties: false })
  return { $ref: `#/components/schemas/${name}`, components }
}

export async function startFake(port: number): Promise<StartedFake> {
  const authorization = await XeroFake.authorizationServer()
  const fake = await new XeroFake({ authorization, hangMs: 90_000, lateMs: 5_000 }).start(port)
  return { fake, connection: fake.settings(), secrets, mapping }
}
