// A fake Recurly: usage records by subscription and add-on, twice where they are posted twice; pages of them; answers remembered by
// Idempotency-Key; basic authentication. Bodies are validated against the published shape (ajv). The texts of its errors are ours.

import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connector } from '../../connector.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents, type StoredDocument } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { openConnector } from '../../testing/open-connector.js'
import { jsonShape } from '../../testing/shape.js'
import { recurlyKind } from '../kind.js'

interface UsageBody {
  readonly merchant_tag: string
  readonly amount: number
  readonly usage_timestamp: string
}

type Usage = UsageBody & { readonly place: string; readonly text: string }

export interface RecurlyFakeOptions extends FakeOptions {
  readonly quantity?: 'usage' | 'amount'
  readonly decimals?: number
}

const shape = jsonShape('recurly', 'usage.openapi.json') as {
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}
const ajv = new Ajv({ strict: false })
formats.default(ajv)
const isUsage = ajv.compile<UsageBody>({
  ...shape.components.schemas['UsageCreate'],
  required: ['merchant_tag', 'amount', 'usage_timestamp'],
  additionalProperties: false,
})

export const secrets: Readonly<Record<string, string>> = { RECURLY_KEY: 'recurlysecretkey1' }

export const mapping = `subscription:
  - from: subscription
add_on: { calls: code-calls, base: code-base, seats: code-seats }
`

export class RecurlyFake extends FakeServer {
  readonly usages: Documents<Usage>
  readonly #options: RecurlyFakeOptions
  readonly #firstAnswers = new Map<string, FakeAnswer>()

  constructor(options: RecurlyFakeOptions = {}) {
    super({ lateMs: 60_000, ...options })
    this.#options = options
    this.usages = new Documents(this.nowMs)
  }

  settings(): Readonly<Record<string, unknown>> {
    const { quantity = 'usage', decimals = 0 } = this.#options
    return { url: this.url, auth: { api_key: { variable: 'RECURLY_KEY' } }, quantity, decimals }
  }

  connector(
    given: { readonly mapping?: string; readonly secrets?: typeof secrets } = {},
  ): Promise<Connector> {
    const { nowMs } = this
    return openConnector(recurlyKind, this.settings(), { secrets, mapping, nowMs, rate: {}, ...given })
  }

  async effects(): Promise<readonly string[]> {
    return this.usages.keys()
  }

  booked(): readonly BookedDocument[] {
    return this.usages.all().map(({ key, document: { place, amount } }) => ({
      key,
      lines: [{ currency: '', account: place.split('/')[2] ?? '', amount: String(amount) }],
    }))
  }

  protected routes(app: FastifyInstance): void {
    const expected = `Basic ${Buffer.from(`${secrets['RECURLY_KEY']}:`).toString('base64')}`
    app.addHook('preHandler', async ({ url, headers }, reply) => {
      if (url.startsWith('/_fake/')) return undefined
      if (headers.authorization !== expected) return this.answer(reply, this.wording('credentials_refused'))
      if (headers.accept === 'application/vnd.recurly.v2021-02-25') return undefined
      return this.answer(reply, errorOf(406, 'invalid_api_version', 'There is no such version.'))
    })
    const path = '/subscriptions/:subscription/add_ons/:addOn/usage'
    app.get('/sites', (_, reply) =>
      this.answer(reply, { status: 200, body: { object: 'list', has_more: false, data: [] } }),
    )
    app.get(path, (request, reply) => this.#list(request, reply))
    app.post(path, (request, reply) => this.#create(request, reply))
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return errorOf(429, 'rate_limited', 'The limit of requests is exceeded.')
      case '429_with_retry_after': {
        // Recurly says when its window ends, and not how long to wait.
        const reset = String(Math.ceil(this.nowMs() / 1_000) + 60)
        const answer = errorOf(429, 'rate_limited', 'The limit of requests is exceeded.')
        return { ...answer, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset } }
      }
      case 'outage':
        return { status: 503, body: 'down for maintenance' }
      case 'credentials_refused':
      case 'token_expired':
        return errorOf(401, 'unauthorized', 'The key is not valid.')
      case 'closed_period':
        return errorOf(422, 'validation', words ?? 'The usage cannot be logged.')
      default:
        return errorOf(500, 'internal_server_error', 'Something went wrong on the side of the server.')
    }
  }

  #list({ query, url }: FastifyRequest, reply: FastifyReply): FastifyReply {
    const {
      begin_time: begin = '',
      end_time: end = '9',
      limit = '20',
      cursor = '0',
    } = query as Record<string, string>
    const isWithin = ({ document: { usage_timestamp: at } }: StoredDocument<Usage>): boolean =>
      Date.parse(at) >= Date.parse(begin) && Date.parse(at) <= Date.parse(end)
    const found = this.usages
      .visible()
      .filter(one => one.document.place === placeOf(url))
      .filter(one => begin === '' || isWithin(one))
    const until = Number(cursor) + Number(limit)
    const search = new URLSearchParams(query as Record<string, string>)
    search.set('cursor', String(until))
    const body = {
      object: 'list',
      has_more: until < found.length,
      next: until < found.length ? `${placeOf(url)}?${search}` : null,
      data: found.slice(Number(cursor), until).map(usageBody),
    }
    return this.answer(reply, { status: 200, headers: { 'content-type': 'application/json' }, body })
  }

  #create(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const key = String(request.headers['idempotency-key'] ?? '')
    const first = this.#firstAnswers.get(key)
    if (first !== undefined) return Promise.resolve(this.answer(reply, first))
    const text = String(request.body)
    const body: unknown = JSON.parse(text)
    return this.take(request, reply, {
      keys: [(body as UsageBody).merchant_tag],
      judge: () => {
        if (!isUsage(body)) return errorOf(422, 'validation', ajv.errorsText(isUsage.errors))
        return request.url.includes('gone')
          ? errorOf(404, 'not_found', 'There is no such subscription.', 'subscription_id')
          : undefined
      },
      commit: atMs => {
        const usage = { ...(body as UsageBody), place: placeOf(request.url), text }
        const stored = this.usages.add(usage.merchant_tag, usage, atMs)
        const answer = { status: 201, body: usageBody(stored) }
        if (key !== '') this.#firstAnswers.set(key, answer)
        return answer
      },
    })
  }
}

function placeOf(url: string): string {
  return url.replace(/\?.*/, '')
}

function usageBody({ id, document: { place, text, ...usage } }: StoredDocument<Usage>): object {
  return { id: `us_${id}`, object: 'usage', ...usage }
}

function errorOf(status: number, type: string, message: string, param?: string): FakeAnswer {
  const params = param === undefined ? [] : [{ param }]
  return { status, body: { error: { type, message, params } } }
}

export async function startFake(port: number): Promise<StartedFake> {
  const fake = await new RecurlyFake({ hangMs: 90_000, lateMs: 5_000 }).start(port)
  return { fake, connection: fake.settings(), secrets, mapping }
}
