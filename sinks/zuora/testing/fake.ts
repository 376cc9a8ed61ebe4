// A fake Zuora: keeps usage records, validates each body against the shape (ajv, without unknown names), repeats the stored answer
// of an Idempotency-Key for a day, errors too, knows accounts, units and tokens, and answers ZOQL in small pages. It keeps a
// usage record twice that is sent twice. The texts of its errors are ours, in the form of Zuora.

import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connector } from '../../connector.js'
import { AuthorizationServer } from '../../testing/authorization-server.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents, type StoredDocument } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { openConnector } from '../../testing/open-connector.js'
import { jsonShape } from '../../testing/shape.js'
import { zuoraKind } from '../kind.js'

export interface UsageBody {
  readonly AccountNumber: string
  readonly UOM: string
  readonly Quantity: number
  readonly StartDateTime: string
  readonly [field: string]: unknown
}

interface Given {
  readonly mapping?: string
  readonly secrets?: Readonly<Record<string, string>>
  readonly settings?: Readonly<Record<string, unknown>>
}

export interface ZuoraFakeOptions extends FakeOptions {
  readonly authorization: AuthorizationServer
  readonly keyField?: string
  /** Rows in one page of a query. */
  readonly rowsOfPage?: number
}

const ajv = new Ajv2020({ strict: false })
formats.default(ajv)
const isUsage = ajv.compile(jsonShape('zuora', 'usage-create.schema.json'))

export const secrets: Readonly<Record<string, string>> = { ZUORA_SECRET: 'zuora-client-secret-1' }
export const mapping = `uom: { calls: "API call" }
customers: { acme: A00000002 }
`

const dayMs = 86_400_000

export class ZuoraFake extends FakeServer {
  readonly usage: Documents<UsageBody>
  readonly canceledAccounts = new Set<string>()
  readonly #options: ZuoraFakeOptions
  readonly #replays = new Map<string, { text: string; answer: FakeAnswer; atMs: number; fromMs: number }>()
  readonly #locators = new Map<string, readonly StoredDocument<UsageBody>[]>()

  constructor(options: ZuoraFakeOptions) {
    super({ lateMs: 120_000, ...options })
    this.#options = options
    this.usage = new Documents(this.nowMs)
    options.authorization.expiresInSeconds = '3600'
  }

  static async authorizationServer(): Promise<AuthorizationServer> {
    const server = await AuthorizationServer.start()
    server.judge = ({ client_id: id, client_secret: secret, grant_type: grant }) =>
      grant === 'client_credentials' && id === 'client-1' && secret === secrets['ZUORA_SECRET']
        ? undefined
        : 'invalid_client'
    return server
  }

  settings(): Readonly<Record<string, unknown>> {
    const { authorization, keyField } = this.#options
    return {
      url: this.url,
      auth: {
        client_id: 'client-1',
        client_secret: { variable: 'ZUORA_SECRET' },
        token_url: authorization.tokenUrl,
      },
      ...(keyField === undefined ? {} : { key_field: keyField }),
    }
  }

  connector(given: Given = {}): Promise<Connector> {
    const settings = { ...this.settings(), ...given.settings }
    return openConnector(zuoraKind, settings, { secrets, mapping, nowMs: this.nowMs, rate: {}, ...given })
  }

  async effects(): Promise<readonly string[]> {
    return this.usage.keys()
  }

  booked(): readonly BookedDocument[] {
    return this.usage.all().map(({ key, document: { AccountNumber: account, Quantity } }) => ({
      key,
      lines: [{ currency: '', account, amount: String(Quantity) }],
    }))
  }

  protected override expireToken({ headers }: FastifyRequest): void {
    this.#options.authorization.expire(headers.authorization)
  }

  protected routes(app: FastifyInstance): void {
    app.addHook('preHandler', async (request, reply) => {
      if (
        !request.url.startsWith('/_fake/') &&
        !this.#options.authorization.accepts(request.headers.authorization)
      )
        await this.answer(reply, this.wording('credentials_refused'))
    })
    app.post('/v1/object/usage', (request, reply) => this.#create(request, reply))
    app.post('/v1/action/query', (request, reply) => {
      const { queryString } = JSON.parse(String(request.body)) as { queryString: string }
      return this.answer(reply, this.#query(queryString))
    })
    app.post('/v1/action/queryMore', (request, reply) => {
      const { queryLocator } = JSON.parse(String(request.body)) as { queryLocator: string }
      const rows = this.#locators.get(queryLocator)
      if (rows === undefined)
        return this.answer(reply, errorOf(400, 'INVALID_QUERY_LOCATOR', 'The locator is not known.'))
      return this.answer(reply, this.#pageOf(rows))
    })
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return {
          status: 429,
          body: { code: 'REQUEST_EXCEEDED_LIMIT', message: 'Too many requests at the same time.' },
        }
      case '429_with_retry_after':
        return {
          status: 429,
          headers: { 'retry-after': '60' },
          body: { message: 'Too many requests in a minute.' },
        }
      case 'outage':
        return { status: 503, body: 'down for maintenance' }
      case 'credentials_refused':
      case 'token_expired':
        return reasonOf(401, 90000011, 'The token is not valid.')
      case 'closed_period':
        return errorOf(400, 'INVALID_VALUE', words ?? 'The accounting period is closed.')
      case 'inactive_account':
        return errorOf(400, 'INVALID_VALUE', 'The account A00000002 is canceled.')
      case 'missing_dimension':
        return errorOf(400, 'MISSING_REQUIRED_VALUE', 'Missing required value: UOM')
      case 'duplicate_key':
        return errorOf(400, 'DUPLICATE_VALUE', 'A usage record with this unique key already exists.')
      case 'ok_with_error_inside':
        return errorOf(200, 'INVALID_VALUE', 'The unit of measure is not one of the tenant.')
      default:
        return reasonOf(500, 50000060, 'An internal error occurred.')
    }
  }

  /** Zuora stores what it answered to a key, but not what its gateway answers before it. */
  protected override answer(reply: FastifyReply, answer: FakeAnswer): FastifyReply {
    const key = reply.request.headers['idempotency-key']
    const isOfGateway = [401, 409, 422, 429, 503].includes(answer.status)
    if (typeof key === 'string' && !isOfGateway && !this.#replays.has(key)) {
      const text = String(reply.request.body)
      this.#replays.set(key, { text, answer, atMs: this.nowMs(), fromMs: this.nowMs() })
    }
    return super.answer(reply, answer)
  }

  async #create(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const key = String(request.headers['idempotency-key'] ?? '')
    const text = String(request.body)
    const body: unknown = JSON.parse(text)
    const { rejectUnknownFields } = request.query as { rejectUnknownFields?: string }
    if (!/^[\w-]{1,255}$/.test(key) || rejectUnknownFields !== 'true')
      return this.answer(reply, errorOf(400, 'INVALID_VALUE', 'The key or the query is wrong.'))
    const stored = this.#replays.get(key)
    if (stored !== undefined && this.nowMs() < stored.atMs + dayMs) {
      if (stored.text !== text)
        return this.answer(reply, reasonOf(422, 50000030, 'The key was used with another body.'))
      if (this.nowMs() < stored.fromMs)
        return this.answer(reply, reasonOf(409, 50000050, 'A request with this key is in progress.'))
      return super.answer(reply, stored.answer)
    }
    this.#replays.delete(key)
    const ours = String((body as UsageBody)[this.#options.keyField ?? 'Description']).replace(/^weir_/, '')
    return this.take(request, reply, {
      keys: [ours],
      judge: () => this.#judge(body),
      commit: atMs => {
        const { id } = this.usage.add(ours, body as UsageBody, atMs)
        const answer = { status: 200, body: { Success: true, Id: id } }
        this.#replays.set(key, { text, answer, atMs: this.nowMs(), fromMs: atMs })
        return answer
      },
    })
  }

  #judge(body: unknown): FakeAnswer | undefined {
    if (!isUsage(body)) return errorOf(400, 'INVALID_VALUE', ajv.errorsText(isUsage.errors))
    const usage = body as unknown as UsageBody
    if (!/^A\d{8}$/.test(usage.AccountNumber))
      return errorOf(400, 'INVALID_VALUE', `The account number ${usage.AccountNumber} is invalid.`)
    if (this.canceledAccounts.has(usage.AccountNumber)) return this.wording('inactive_account')
    if (usage.UOM !== 'API call') return this.wording('ok_with_error_inside')
    if (usage.Quantity < 0) return errorOf(400, 'INVALID_VALUE', 'The quantity must not be negative.')
    return undefined
  }

  #query(zoql: string): FakeAnswer {
    const [, account] = /AccountNumber = '([^']*)'/.exec(zoql) ?? []
    const [, from] = /StartDateTime >= '([^']*)'/.exec(zoql) ?? []
    const [, until] = /StartDateTime <= '([^']*)'/.exec(zoql) ?? []
    if (!/^select Id(, \w+)* from Usage where /.test(zoql))
      return errorOf(400, 'MALFORMED_QUERY', 'You have an error in your ZOQL syntax.')
    const rows = this.usage.visible().filter(({ document: { AccountNumber, StartDateTime } }) => {
      const atMs = Date.parse(StartDateTime)
      if (account !== undefined && AccountNumber !== account) return false
      return (
        (from === undefined || atMs >= Date.parse(from)) && (until === undefined || atMs <= Date.parse(until))
      )
    })
    return this.#pageOf(rows)
  }

  #pageOf(rows: readonly StoredDocument<UsageBody>[]): FakeAnswer {
    const { rowsOfPage = 2 } = this.#options
    const shown = rows.slice(0, rowsOfPage).map(({ id, document }) => ({ Id: id, ...document }))
    const rest = rows.slice(rowsOfPage)
    if (rest.length === 0) return { status: 200, body: { size: rows.length, records: shown, done: true } }
    const queryLocator = `locator-${this.#locators.size + 1}`
    this.#locators.set(queryLocator, rest)
    return { status: 200, body: { size: rows.length, records: shown, done: false, queryLocator } }
  }
}

function errorOf(status: number, code: string, message: string): FakeAnswer {
  return { status, body: { Success: false, Errors: [{ Code: code, Message: message }] } }
}

function reasonOf(status: number, code: number, message: string): FakeAnswer {
  return { status, body: { success: false, processId: 'P1', reasons: [{ code, message }] } }
}

export async function startFake(port: number): Promise<StartedFake> {
  const authorization = await ZuoraFake.authorizationServer()
  const options = { authorization, rowsOfPage: 2_000, hangMs: 90_000, lateMs: 5_000 }
  const fake = await new ZuoraFake(options).start(port)
  const customers = Array.from({ length: 200 }, (_, n) => `c${n}`)
  const accounts = customers.map((one, n) => `${one}: A${String(n + 100).padStart(8, '0')}`)
  const whole = mapping.replace('A00000002', `A00000002, ${accounts.join(', ')}`)
  return { fake, connection: fake.settings(), secrets, mapping: whole, customers }
}
