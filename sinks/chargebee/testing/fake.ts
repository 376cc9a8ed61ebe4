// A fake Chargebee: usages by id, one for each subscription, item price and second; pages of them; basic authentication. Each request is
// decoded (qs) and validated against the shape (ajv). The texts of its errors are ours, in Chargebee's form.

import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import qs from 'qs'
import type { Connector } from '../../connector.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { openConnector } from '../../testing/open-connector.js'
import { jsonShape } from '../../testing/shape.js'
import { chargebeeKind } from '../kind.js'

interface UsageBody {
  readonly id: string
  readonly subscription_id: string
  readonly item_price_id: string
  readonly quantity: string
  readonly usage_date: number
  readonly note?: string
}

export interface ChargebeeFakeOptions extends FakeOptions {
  readonly quantity?: 'usage' | 'amount'
}

const shape = jsonShape('chargebee', 'usage.schema.json') as {
  readonly $defs: { readonly usage_create: object }
}
const ajv = new Ajv2020({ strict: false, coerceTypes: true })
const isUsage = ajv.compile<UsageBody>({ ...shape.$defs.usage_create, additionalProperties: false })

export const secrets: Readonly<Record<string, string>> = { CHARGEBEE_KEY: 'test_cbsecretkey' }

export const mapping = `subscription:
  - from: subscription
item_price: { calls: calls-USD-Monthly, base: base-USD-Monthly, seats: seats-USD-Monthly }
`

export class ChargebeeFake extends FakeServer {
  readonly usages: Documents<UsageBody>
  readonly #options: ChargebeeFakeOptions

  constructor(options: ChargebeeFakeOptions = {}) {
    super({ lateMs: 60_000, ...options })
    this.#options = options
    this.usages = new Documents(this.nowMs)
  }

  settings(): Readonly<Record<string, unknown>> {
    const { quantity = 'usage' } = this.#options
    return { site: 'acme-test', url: this.url, auth: { api_key: { variable: 'CHARGEBEE_KEY' } }, quantity }
  }

  connector(
    given: { readonly mapping?: string; readonly secrets?: typeof secrets } = {},
  ): Promise<Connector> {
    const { nowMs } = this
    return openConnector(chargebeeKind, this.settings(), { secrets, mapping, nowMs, rate: {}, ...given })
  }

  async effects(): Promise<readonly string[]> {
    return this.usages.keys()
  }

  booked(): readonly BookedDocument[] {
    return this.usages.all().map(({ key, document: { subscription_id: account, quantity: amount } }) => ({
      key,
      lines: [{ currency: '', account, amount }],
    }))
  }

  protected routes(app: FastifyInstance): void {
    const expected = `Basic ${Buffer.from(`${secrets['CHARGEBEE_KEY']}:`).toString('base64')}`
    app.addHook('preHandler', async ({ url, headers }, reply) => {
      if (url.startsWith('/_fake/') || headers.authorization === expected) return undefined
      return this.answer(reply, this.wording('credentials_refused'))
    })
    app.get('/api/v2/usages', (request, reply) => this.#list(request, reply))
    app.post<{ Params: { id: string } }>('/api/v2/subscriptions/:id/usages', (request, reply) =>
      this.#create(request, request.params.id, reply),
    )
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return errorOf(429, 'api_request_limit_exceeded', 'The limit of requests is exceeded.')
      case '429_with_retry_after': {
        const answer = errorOf(429, 'api_request_limit_exceeded', 'The limit of requests is exceeded.')
        return { ...answer, headers: { 'retry-after': '60' } }
      }
      case 'outage':
        return { status: 503, body: 'down for maintenance' }
      case 'credentials_refused':
      case 'token_expired':
        return errorOf(401, 'api_authentication_failed', 'The key is not valid.')
      case 'duplicate_key':
        return errorOf(400, 'duplicate_entry', 'A usage exists for this date.', 'usage_date')
      case 'closed_period':
        return errorOf(400, 'invalid_state_for_request', words ?? 'The invoice of this period is closed.')
      default:
        return errorOf(500, 'internal_error', 'Something went wrong on the side of the server.')
    }
  }

  #list({ query }: FastifyRequest, reply: FastifyReply): FastifyReply {
    const asked = query as Readonly<Record<string, string>>
    const { 'id[is]': id, 'usage_date[between]': between, limit = '10', offset = '0' } = asked
    const [after = 0, before = Number.POSITIVE_INFINITY] = (
      between === undefined ? [] : (JSON.parse(between) as number[])
    ) as readonly number[]
    const found = this.usages
      .visible()
      .filter(({ key }) => id === undefined || key === id)
      .filter(({ document: { usage_date: at } }) => at >= after && at <= before)
    const end = Number(offset) + Number(limit)
    const list = found.slice(Number(offset), end).map(({ document }) => ({
      usage: { ...document, object: 'usage', created_at: Math.floor(this.nowMs() / 1_000) },
    }))
    const next = end < found.length ? { next_offset: String(end) } : {}
    return this.answer(reply, { status: 200, body: { list, ...next } })
  }

  #create(request: FastifyRequest, subscription: string, reply: FastifyReply): Promise<unknown> {
    const params: unknown = qs.parse(String(request.body))
    const usage = (): UsageBody => ({ ...(params as UsageBody), subscription_id: subscription })
    return this.take(request, reply, {
      keys: [(params as UsageBody).id],
      judge: () => this.#judge(params, subscription),
      commit: atMs => {
        const { document } = this.usages.add(usage().id, usage(), atMs)
        return { status: 200, body: { usage: { ...document, object: 'usage' } } }
      },
    })
  }

  #judge(params: unknown, subscription: string): FakeAnswer | undefined {
    if (!isUsage(params)) return errorOf(400, 'param_wrong_value', ajv.errorsText(isUsage.errors))
    if (!/^\d+(\.\d+)?$/.test(params.quantity) || Number(params.quantity) === 0)
      return errorOf(400, 'param_wrong_value', 'The quantity must be above 0.', 'quantity')
    if (subscription.startsWith('gone'))
      return errorOf(404, 'resource_not_found', `There is no subscription ${subscription}.`)
    if (this.usages.keys().includes(params.id))
      return errorOf(400, 'duplicate_entry', `A usage with the id ${params.id} exists.`, 'id')
    const isTaken = this.usages
      .visible()
      .some(
        ({ document: one }) =>
          one.subscription_id === subscription &&
          one.item_price_id === params.item_price_id &&
          one.usage_date === params.usage_date,
      )
    return isTaken ? this.wording('duplicate_key') : undefined
  }
}

function errorOf(status: number, code: string, message: string, param?: string): FakeAnswer {
  const body = {
    message,
    type: 'invalid_request',
    api_error_code: code,
    error_code: code,
    http_status_code: status,
    http_code: status,
    ...(param === undefined ? {} : { param }),
  }
  return { status, body }
}

export async function startFake(port: number): Promise<StartedFake> {
  const fake = await new ChargebeeFake({ hangMs: 90_000, lateMs: 5_000 }).start(port)
  return { fake, connection: fake.settings(), secrets, mapping }
}
