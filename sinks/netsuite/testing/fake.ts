// A fake NetSuite: keeps journal entries by external id, validates each body against the shape of `journalEntry` (ajv), knows
// closed periods, inactive accounts, unbalanced entries, currencies and missing subsidiaries, checks tokens and OAuth 1.0a
// signatures, and answers SuiteQL for the list of our entries. The texts of its errors are ours, in NetSuite's form.

import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { decodeJwt, jwtVerify } from 'jose'
import type { Connector } from '../../connector.js'
import { AuthorizationServer } from '../../testing/authorization-server.js'
import { type BookedDocument, signed } from '../../testing/booked.js'
import { Documents } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { openConnector } from '../../testing/open-connector.js'
import { jsonShape } from '../../testing/shape.js'
import { netsuiteKind } from '../kind.js'

interface EntryBody {
  readonly externalId: string
  readonly tranDate: string
  readonly subsidiary?: { readonly id: string }
  readonly currency: { readonly id: string }
  readonly approvalStatus?: { readonly id: string }
  readonly line: {
    readonly items: readonly {
      readonly account: { readonly id: string }
      readonly debit?: number
      readonly credit?: number
    }[]
  }
}

export interface NetsuiteFakeOptions extends FakeOptions {
  readonly authorization?: AuthorizationServer
  /** `token_based`: OAuth 1.0a instead of tokens. */
  readonly auth?: 'client_credentials' | 'token_based'
  readonly approval?: 'approved' | 'by_account'
}

const ajv = new Ajv2020({ strict: false, formats: { date: /^\d{4}-\d\d-\d\d$/ } })
const isEntry = ajv.compile(jsonShape('netsuite', 'journal-entry.schema.json'))
const isError = ajv.compile(jsonShape('netsuite', 'ns-error.schema.json'))

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
export const privateKeyPem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const publicKey: KeyObject = createPublicKey(pair.publicKey.export({ type: 'spki', format: 'pem' }))

export const secrets: Readonly<Record<string, string>> = {
  NETSUITE_KEY: privateKeyPem,
  CONSUMER_KEY: 'consumer-key-1',
  CONSUMER_SECRET: 'consumer-secret-1',
  TOKEN_ID: 'token-id-1',
  TOKEN_SECRET: 'token-secret-1',
}

export const mapping = `accounts: { "1200": "119", "4000": "54", "2400": "77" }
currency: { USD: "1", EUR: "4" }
subsidiary: { default: "1", eu: "3" }
customers: { acme: "1042" }
`

export class NetsuiteFake extends FakeServer {
  readonly entries: Documents<EntryBody>
  /** Internal ids. */
  readonly inactiveAccounts = new Set<string>()
  closedUntil = ''
  readonly #options: NetsuiteFakeOptions

  constructor(options: NetsuiteFakeOptions) {
    super({ lateMs: 300_000, ...options })
    this.#options = options
    this.entries = new Documents(this.nowMs)
    const { authorization } = options
    if (authorization !== undefined) authorization.expiresInSeconds = '3600'
  }

  /** Checks the assertion of each token request as NetSuite does. */
  static async authorizationServer(): Promise<AuthorizationServer> {
    const server = await AuthorizationServer.start()
    server.judge = ({ client_assertion: assertion = '', grant_type: grant, client_assertion_type: type }) => {
      if (grant !== 'client_credentials' || !/jwt-bearer$/.test(type ?? '')) return 'invalid_request'
      const { iss, aud, scope, exp = 0, iat = 0 } = decodeJwt(assertion)
      const isSound =
        iss === 'client-1' && aud === server.tokenUrl && scope === 'rest_webservices' && exp - iat <= 3_600
      return isSound ? undefined : 'invalid_client'
    }
    return server
  }

  settings(): Readonly<Record<string, unknown>> {
    const { auth = 'client_credentials', authorization, approval = 'approved' } = this.#options
    const tokenBased = {
      consumer_key: { variable: 'CONSUMER_KEY' },
      consumer_secret: { variable: 'CONSUMER_SECRET' },
      token_id: { variable: 'TOKEN_ID' },
      token_secret: { variable: 'TOKEN_SECRET' },
    }
    const byCertificate = {
      client_id: 'client-1',
      certificate_id: 'cert-1',
      private_key: { variable: 'NETSUITE_KEY' },
      algorithm: 'ES256',
      token_url: authorization?.tokenUrl,
    }
    return {
      url: this.url,
      account: '1234567_SB1',
      approval,
      auth: auth === 'token_based' ? tokenBased : byCertificate,
    }
  }

  connector(given: { readonly mapping?: string } = {}): Promise<Connector> {
    const { nowMs } = this
    return openConnector(netsuiteKind, this.settings(), { secrets, mapping: given.mapping ?? mapping, nowMs })
  }

  async effects(): Promise<readonly string[]> {
    return this.entries.keys().map(id => id.replace(/^weir_/, ''))
  }

  booked(): readonly BookedDocument[] {
    return this.entries.all().map(({ key, document: { currency, line } }) => ({
      key: key.replace(/^weir_/, ''),
      lines: line.items.map(({ account, debit, credit }) => ({
        currency: isoOf(currency.id),
        account: account.id,
        amount: signed(debit, credit),
      })),
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
    const path = '/services/rest/record/v1/journalEntry'
    app.get(path, (_, reply) => this.answer(reply, { status: 200, body: { items: [], hasMore: false } }))
    app.get<{ Params: { id: string } }>(`${path}/:id`, ({ params }, reply) => this.#read(params.id, reply))
    app.put<{ Params: { id: string } }>(`${path}/:id`, (request, reply) =>
      this.#put(request, request.params.id, reply),
    )
    app.post('/services/rest/query/v1/suiteql', (request, reply) => this.#query(request, reply))
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return errorOf(429, 'CONCURRENCY_LIMIT_EXCEEDED', 'Concurrent request limit exceeded.')
      case '429_with_retry_after': {
        const { status, body } = errorOf(
          429,
          'CONCURRENCY_LIMIT_EXCEEDED',
          'Concurrent request limit exceeded.',
        )
        return { status, headers: { 'retry-after': '60' }, body }
      }
      case 'outage':
        return { status: 503, body: 'down for maintenance' }
      case 'credentials_refused':
      case 'token_expired':
        return errorOf(401, 'INVALID_LOGIN', 'Invalid login attempt.')
      case 'closed_period':
        return errorOf(400, 'USER_ERROR', words ?? 'The posting period for this date is closed.')
      case 'inactive_account':
        return errorOf(400, 'USER_ERROR', 'The account 119 is inactive.', 'line.items[0].account')
      case 'unbalanced':
        return errorOf(400, 'USER_ERROR', 'The debits and credits of this entry do not balance.')
      case 'missing_dimension':
        return errorOf(400, 'USER_ERROR', 'Please enter a value for: Subsidiary.')
      case 'currency_not_enabled':
        return errorOf(400, 'INVALID_KEY_OR_REF', 'The currency 9 is not enabled for this subsidiary.')
      case 'duplicate_key':
        return errorOf(400, 'USER_ERROR', 'An entry with this external id already exists.')
      default:
        return errorOf(500, 'UNEXPECTED_ERROR', 'An unexpected error occurred.')
    }
  }

  #read(id: string, reply: FastifyReply): FastifyReply {
    const found = this.entries.find(id.replace(/^eid:/, ''))
    if (found === undefined)
      return this.answer(reply, errorOf(404, 'NONEXISTENT_ID', 'The record does not exist.'))
    return this.answer(reply, { status: 200, body: { id: found.id, ...found.document } })
  }

  #put(request: FastifyRequest, id: string, reply: FastifyReply): Promise<unknown> {
    const externalId = id.replace(/^eid:/, '')
    const body: unknown = JSON.parse(String(request.body))
    return this.take(request, reply, {
      keys: [externalId.replace(/^weir_/, '')],
      judge: () => this.#judge(externalId, body),
      commit: atMs => {
        const stored = this.entries.upsert(externalId, body as EntryBody, atMs)
        return {
          status: 204,
          headers: { location: `${this.url}/services/rest/record/v1/journalEntry/${stored.id}` },
        }
      },
    })
  }

  #judge(externalId: string, body: unknown): FakeAnswer | undefined {
    if (!isEntry(body)) return errorOf(400, 'INVALID_CONTENT', ajv.errorsText(isEntry.errors))
    const entry = body as unknown as EntryBody
    if (entry.externalId !== externalId)
      return errorOf(400, 'INVALID_VALUE', 'externalId is not that of the path.')
    if (this.entries.isUnderWay(externalId))
      return errorOf(400, 'RCRD_HAS_BEEN_CHANGED', 'The record has been changed.')
    if (entry.subsidiary === undefined) return this.wording('missing_dimension')
    if (entry.tranDate <= this.closedUntil) return this.wording('closed_period')
    const { items } = entry.line
    if (items.some(({ account }) => this.inactiveAccounts.has(account.id)))
      return this.wording('inactive_account')
    // In cents: a fake may.
    const sum = items.reduce(
      (total, { debit = 0, credit = 0 }) => total + Math.round((debit - credit) * 1_000),
      0,
    )
    if (sum !== 0) return this.wording('unbalanced')
    if (!['1', '4'].includes(entry.currency.id)) return this.wording('currency_not_enabled')
    return undefined
  }

  #query(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { q } = JSON.parse(String(request.body)) as { q: string }
    const [, from = '', until = ''] = /BETWEEN TO_DATE\('([\d-]+)'.*AND TO_DATE\('([\d-]+)'/.exec(q) ?? []
    const { offset = '0', limit = '1000' } = request.query as { offset?: string; limit?: string }
    if (request.headers['prefer'] !== 'transient')
      return this.answer(reply, errorOf(400, 'INVALID_HEADER', 'The header Prefer must be transient.'))
    const all = this.entries
      .visible()
      .filter(({ document }) => document.tranDate >= from && document.tranDate <= until)
    const rows = all.flatMap(({ id, key, document }) =>
      document.line.items.map(({ account, debit = 0, credit = 0 }) => ({
        links: [],
        id,
        externalid: key,
        trandate: document.tranDate,
        currency: isoOf(document.currency.id),
        approvalstatus: document.approvalStatus?.id ?? '2',
        account: account.id,
        debit: String(debit),
        credit: String(credit),
      })),
    )
    const items = rows.slice(Number(offset), Number(offset) + Number(limit))
    return this.answer(reply, {
      status: 200,
      body: { items, hasMore: Number(offset) + items.length < rows.length },
    })
  }

  #knows({ headers, method, url }: FastifyRequest): boolean {
    const { authorization = '' } = headers
    if (this.#options.auth === 'token_based') return isSigned(authorization, method, `${this.url}${url}`)
    return this.#options.authorization?.accepts(authorization) ?? false
  }
}

/** Whether the assertion of a token request is signed by the key that NetSuite would hold. */
export async function isAssertionSigned(assertion: string): Promise<boolean> {
  const { protectedHeader } = await jwtVerify(assertion, publicKey)
  return protectedHeader.kid === 'cert-1' && protectedHeader.alg === 'ES256'
}

/** RFC 5849, 3.4, computed here a second time from what arrived. */
function isSigned(authorization: string, method: string, url: string): boolean {
  const fields = new Map(
    [...authorization.replace(/^OAuth /, '').matchAll(/(\w+)="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [name, decodeURIComponent(value)] as const,
    ),
  )
  if (fields.get('realm') !== '1234567_SB1') return false
  const { origin, pathname, searchParams } = new URL(url)
  const pairs = [...fields].filter(([name]) => name !== 'realm' && name !== 'oauth_signature')
  const encode = (text: string): string =>
    encodeURIComponent(text).replaceAll(
      /[!'()*]/g,
      char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
    )
  const parameters = [...pairs, ...searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const base = [method, `${origin}${pathname}`, parameters].map(encode).join('&')
  const key = `${secrets['CONSUMER_SECRET']}&${secrets['TOKEN_SECRET']}`
  return createHmac('sha256', key).update(base).digest('base64') === fields.get('oauth_signature')
}

function isoOf(currency: string): string {
  return currency === '1' ? 'USD' : 'EUR'
}

function errorOf(status: number, code: string, detail: string, path?: string): FakeAnswer {
  const body = {
    type: 'https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.1',
    title: status < 500 ? 'Bad Request' : 'Internal Server Error',
    status,
    'o:errorDetails': [
      { detail, 'o:errorCode': code, ...(path === undefined ? {} : { 'o:errorPath': path }) },
    ],
  }
  if (!isError(body)) throw new Error(ajv.errorsText(isError.errors))
  return { status, body }
}

export async function startFake(port: number): Promise<StartedFake> {
  const authorization = await NetsuiteFake.authorizationServer()
  const fake = await new NetsuiteFake({ authorization, hangMs: 90_000, lateMs: 5_000 }).start(port)
  return { fake, connection: fake.settings(), secrets, mapping }
}
