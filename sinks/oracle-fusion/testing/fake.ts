// A fake Oracle Fusion: takes imports of journals (ajv for the request, csv-parse for the file), works on each as an ESS request
// that takes a few questions, imports a group whole or not at all, keeps rejected rows in the interface under their group, and
// lists journal batches. It keeps a journal twice that is imported twice. The texts of its reports are ours, with Oracle's codes.

import { Ajv2020 } from 'ajv/dist/2020.js'
import { Decimal } from 'decimal.js'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { strToU8, zipSync } from 'fflate'
import type { Connector } from '../../connector.js'
import { AuthorizationServer } from '../../testing/authorization-server.js'
import { type BookedDocument, signed } from '../../testing/booked.js'
import { Documents } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault, Refusal } from '../../testing/fault.js'
import { openConnector } from '../../testing/open-connector.js'
import { jsonShape } from '../../testing/shape.js'
import { oracleFusionKind } from '../kind.js'
import { type InterfaceRow, problemOf, rowsIn } from './gl-interface.js'

export interface Batch {
  readonly name: string
  readonly description: string
  readonly groupId: string
  readonly rows: readonly InterfaceRow[]
  status: 'P' | 'U'
}

interface Job {
  readonly status: 'SUCCEEDED' | 'ERROR'
  readonly report: string
  /** Questions about its status that it answers with RUNNING. */
  running: number
}

interface ImportBody {
  readonly DocumentContent: string
  readonly ParameterList: string
}

export interface OracleFusionFakeOptions extends FakeOptions {
  readonly authorization: AuthorizationServer
  readonly auth?: 'client' | 'password'
  readonly autoPost?: boolean
  /** Whether reports name the rows. */
  readonly namesRows?: boolean
  readonly runningFor?: number
}

const ajv = new Ajv2020({ strict: false })
const isImport = ajv.compile(jsonShape('oracle-fusion', 'erp-integrations.schema.json'))

export const secrets: Readonly<Record<string, string>> = {
  ORACLE_SECRET: 'oracle-client-secret-1',
  ORACLE_PASSWORD: 'oracle-password-1',
}
export const mapping = `accounts: { "1200": "01.000.12000.0000", "4000": "01.000.40000.0000" }
`

const codeOf: Readonly<Record<Refusal, string>> = {
  closed_period: 'EP01 The date is not in an open period.',
  inactive_account: 'EF01 The account is not active for this date.',
  unbalanced: 'EU02 The journal does not balance.',
  missing_dimension: 'EF04 The account is not valid: a segment value is missing.',
  currency_not_enabled: 'EC09 No enabled currency.',
  duplicate_key: 'EX01 duplicate',
  ok_with_error_inside: 'EM31 The row cannot be used.',
}

export class OracleFusionFake extends FakeServer {
  readonly batches: Documents<Batch>
  readonly inactiveAccounts = new Set<string>()
  closedUntil = ''
  /** Whether the user may see journal batches. */
  showsBatches = true
  readonly #options: OracleFusionFakeOptions
  readonly #jobs = new Map<string, Job>()
  /** Rows that wait or were rejected, by group. */
  readonly #interface = new Map<string, InterfaceRow[]>()

  constructor(options: OracleFusionFakeOptions) {
    super({ lateMs: 1_200_000, ...options })
    this.#options = options
    this.batches = new Documents(this.nowMs)
    options.authorization.expiresInSeconds = '3600'
  }

  static async authorizationServer(): Promise<AuthorizationServer> {
    const server = await AuthorizationServer.start()
    const basic = `Basic ${Buffer.from(`client-1:${secrets['ORACLE_SECRET']}`).toString('base64')}`
    server.judge = ({ grant_type: grant, scope }, authorization) =>
      grant === 'client_credentials' &&
      scope === 'urn:opc:resource:fusion' &&
      decodeURIComponent(authorization ?? '') === basic
        ? undefined
        : 'invalid_client'
    return server
  }

  settings(): Readonly<Record<string, unknown>> {
    const { authorization, auth = 'client' } = this.#options
    const client = {
      client_id: 'client-1',
      client_secret: { variable: 'ORACLE_SECRET' },
      token_url: authorization.tokenUrl,
      scope: 'urn:opc:resource:fusion',
    }
    return {
      url: this.url,
      auth: auth === 'client' ? client : { user: 'weir', password: { variable: 'ORACLE_PASSWORD' } },
      ledger_id: '300000001',
      currency: 'USD',
      data_access_set: '300000002',
      source: 'Weir',
      category: 'Usage',
      poll_seconds: 0.001,
    }
  }

  connector(given: { readonly mapping?: string; readonly settings?: object } = {}): Promise<Connector> {
    const settings = { ...this.settings(), ...given.settings }
    return openConnector(oracleFusionKind, settings, {
      secrets,
      mapping,
      nowMs: this.nowMs,
      rate: {},
      ...given,
    })
  }

  async effects(): Promise<readonly string[]> {
    return this.batches.keys()
  }

  booked(): readonly BookedDocument[] {
    return this.batches.all().map(({ key, document: { rows } }) => ({
      key,
      lines: rows.map(row => ({
        currency: row['CURRENCY_CODE'] ?? '',
        account: [row['SEGMENT1'], row['SEGMENT2'], row['SEGMENT3'], row['SEGMENT4']].join('.'),
        amount: signed(row['ENTERED_DR'], row['ENTERED_CR']),
      })),
    }))
  }

  /** AutoPost, or a person. */
  postAll(): void {
    for (const { document } of this.batches.visible()) document.status = 'P'
  }

  protected override expireToken({ headers }: FastifyRequest): void {
    this.#options.authorization.expire(headers.authorization)
  }

  protected routes(app: FastifyInstance): void {
    app.addHook('preHandler', async (request, reply) => {
      if (!request.url.startsWith('/_fake/') && !this.#knows(request))
        await this.answer(reply, this.wording('credentials_refused'))
    })
    const base = '/fscmRestApi/resources/11.13.18.05'
    app.post(`${base}/erpintegrations`, (request, reply) => this.#import(request, reply))
    app.get<{ Querystring: { finder?: string } }>(`${base}/erpintegrations`, ({ query }, reply) =>
      this.answer(reply, this.#find(query.finder ?? '')),
    )
    app.get<{ Querystring: Record<string, string> }>(`${base}/journalBatches`, ({ query, headers }, reply) =>
      this.answer(
        reply,
        headers['rest-framework-version'] === '4' ? this.#list(query) : { status: 400, body: 'the version' },
      ),
    )
  }

  protected wording(fault: Fault): FakeAnswer {
    switch (fault) {
      case '429_without':
        return { status: 429, body: 'too many requests' }
      case '429_with_retry_after':
        return { status: 429, headers: { 'retry-after': '60' }, body: 'too many requests' }
      case 'outage':
        return { status: 503, body: 'down for maintenance' }
      case 'credentials_refused':
      case 'token_expired':
        return { status: 401, body: '' }
      default:
        return { status: 500, body: { title: 'Internal Server Error', status: '500' } }
    }
  }

  async #import(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const body: unknown = JSON.parse(String(request.body))
    if (!isImport(body)) return this.answer(reply, { status: 400, body: ajv.errorsText(isImport.errors) })
    const { DocumentContent, ParameterList } = body as unknown as ImportBody
    const [, source = '', ledgerId = '', groupId = ''] = ParameterList.split(',')
    const rows = rowsIn(DocumentContent)
    const names = [...new Set(rows.map(row => row['REFERENCE1'] ?? ''))]
    const isOfGroup = (row: InterfaceRow): boolean =>
      row['GROUP_ID'] === groupId && row['USER_JE_SOURCE_NAME'] === source && row['LEDGER_ID'] === ledgerId
    const run = (atMs: number, first?: Refusal): FakeAnswer => {
      const waiting = [...(this.#interface.get(groupId) ?? []), ...rows.filter(isOfGroup)]
      const requestId = String(7_001 + this.#jobs.size)
      const errors = waiting.flatMap(row => {
        const name = row['REFERENCE1'] ?? ''
        const error = first !== undefined && name === names[0] ? codeOf[first] : this.#errorOf(row, waiting)
        return error === undefined ? [] : [`${error.slice(0, 4)} | ${name} | ${error}`]
      })
      const { namesRows = true, runningFor = 0 } = this.#options
      this.#interface.set(groupId, errors.length === 0 ? [] : waiting)
      if (errors.length === 0) this.#keep(waiting, groupId, atMs)
      const report = namesRows
        ? ['Journal Import Execution Report', ...errors].join('\n')
        : 'The import has errors.'
      this.#jobs.set(requestId, {
        status: errors.length === 0 ? 'SUCCEEDED' : 'ERROR',
        report,
        running: runningFor,
      })
      return { status: 201, body: { OperationName: 'importBulkData', ReqstId: requestId } }
    }
    return this.take(request, reply, {
      keys: names.map(keyOf),
      commit: atMs => run(atMs),
      refuseFirst: fault => run(this.nowMs(), fault),
    })
  }

  /** A row twice makes a batch twice. */
  #keep(rows: readonly InterfaceRow[], groupId: string, atMs: number): void {
    const seen = new Map<string, InterfaceRow[][]>()
    for (const row of rows) {
      const name = row['REFERENCE1'] ?? ''
      const copies = seen.get(name) ?? []
      const place = copies.find(copy => !copy.some(one => JSON.stringify(one) === JSON.stringify(row)))
      if (place === undefined) copies.push([row])
      else place.push(row)
      seen.set(name, copies)
    }
    for (const [name, copies] of seen)
      for (const copy of copies) {
        const status = this.#options.autoPost === false ? 'U' : 'P'
        const description = copy[0]?.['REFERENCE2'] ?? ''
        this.batches.add(keyOf(name), { name, description, groupId, rows: copy, status }, atMs)
      }
  }

  #errorOf(row: InterfaceRow, all: readonly InterfaceRow[]): string | undefined {
    const form = problemOf(row)
    if (form !== undefined) return `EM31 ${form}`
    const name = row['REFERENCE1'] ?? ''
    const words = this.refusalOf(keyOf(name))
    if (words !== undefined) return `EP01 ${words}`
    if ((row['ACCOUNTING_DATE'] ?? '') <= this.closedUntil) return codeOf.closed_period
    const segments = [row['SEGMENT1'], row['SEGMENT2'], row['SEGMENT3'], row['SEGMENT4']]
    if (segments.some(one => one === '')) return codeOf.missing_dimension
    if (this.inactiveAccounts.has(row['SEGMENT3'] ?? '')) return codeOf.inactive_account
    // In thousandths: a fake may.
    const cents = (text = ''): number => Math.round(Number(text === '' ? '0' : text) * 1_000)
    const own = all.filter(one => one['REFERENCE1'] === name)
    const balance = own.reduce((sum, one) => sum + cents(one['ENTERED_DR']) - cents(one['ENTERED_CR']), 0)
    return balance === 0 ? undefined : codeOf.unbalanced
  }

  #find(finder: string): FakeAnswer {
    const [, what, requestId = ''] = /^(\w+);requestId=(\d+)(?:,fileType=ALL)?$/.exec(finder) ?? []
    const job = this.#jobs.get(requestId)
    if (job === undefined) return { status: 400, body: `no request ${requestId}` }
    if (what === 'ESSJobStatusRF') {
      job.running -= 1
      return {
        status: 200,
        body: { items: [{ ReqstId: requestId, RequestStatus: job.running < 0 ? job.status : 'RUNNING' }] },
      }
    }
    const zip = zipSync({ [`${requestId}.txt`]: strToU8(job.report) })
    return { status: 200, body: { items: [{ DocumentContent: Buffer.from(zip).toString('base64') }] } }
  }

  #list({ q = '', limit = '25', offset = '0' }: Record<string, string>): FakeAnswer {
    const likes = [...q.matchAll(/BatchName LIKE '([^']*)%'/g)].map(([, beginning = '']) => beginning)
    const debitsOf = (rows: readonly InterfaceRow[]) =>
      rows.reduce((sum, row) => sum.plus(row['ENTERED_DR'] || '0'), new Decimal(0)).toNumber()
    const all = (this.showsBatches ? this.batches.visible() : []).map(({ id, document }) => ({
      JeBatchId: Number(id),
      BatchName: `${document.name} Weir ${id}: A ${document.groupId}`,
      BatchDescription: document.description,
      Status: document.status,
      RunningTotalDr: debitsOf(document.rows),
    }))
    const found = all.filter(one => likes.some(beginning => one.BatchName.startsWith(beginning)))
    const items = found.slice(Number(offset), Number(offset) + Number(limit))
    const hasMore = Number(offset) + items.length < found.length
    return {
      status: 200,
      body: { items, count: items.length, hasMore, limit: Number(limit), offset: Number(offset) },
    }
  }

  #knows({ headers: { authorization } }: FastifyRequest): boolean {
    if (this.#options.auth !== 'password') return this.#options.authorization.accepts(authorization)
    return authorization === `Basic ${Buffer.from(`weir:${secrets['ORACLE_PASSWORD']}`).toString('base64')}`
  }
}

function keyOf(name: string): string {
  return name.replace(/^weir_/, '')
}

export async function startFake(port: number): Promise<StartedFake> {
  const authorization = await OracleFusionFake.authorizationServer()
  const fake = await new OracleFusionFake({ authorization, hangMs: 150_000, lateMs: 5_000 }).start(port)
  return { fake, connection: { ...fake.settings(), poll_seconds: 0.2 }, secrets, mapping }
}
