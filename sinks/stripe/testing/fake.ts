// A fake Stripe: invoice items by customer with pages, meter events with identifiers that it remembers for a day, and
// idempotency keys that answer for a day with what they answered first, errors too. Each request is decoded (qs) and validated
// against the shape of the parameters (ajv). The texts of its errors are ours, in Stripe's form.

import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import qs from 'qs'
import type { Connector } from '../../connector.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents, type StoredDocument } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, type FakeOptions, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { openConnector } from '../../testing/open-connector.js'
import { jsonShape } from '../../testing/shape.js'
import { stripeKind } from '../kind.js'

interface ItemParams {
  readonly customer: string
  readonly amount: number
  readonly currency: string
  readonly description?: string
  readonly discountable?: boolean
  readonly period?: { readonly start: number; readonly end: number }
  readonly metadata?: Readonly<Record<string, string>>
}

interface EventParams {
  readonly event_name: string
  readonly identifier?: string
  readonly timestamp?: number
  readonly payload: Readonly<Record<string, string>>
}

type Item = ItemParams & { readonly created: number }

export interface StripeFakeOptions extends FakeOptions {
  readonly send?: 'invoice_items' | 'meter_events'
  readonly discountable?: boolean
}

interface FirstAnswer {
  readonly body: string
  readonly atMs: number
  readonly answer: FakeAnswer
}

const dayMs = 86_400_000
const ajv = new Ajv2020({ strict: false, coerceTypes: true, allErrors: true })
const isItem = ajv.compile<ItemParams>(jsonShape('stripe', 'invoiceitem-create.schema.json'))
const isEvent = ajv.compile<EventParams>(jsonShape('stripe', 'meter-event-create.schema.json'))
const fixtures = jsonShape('stripe', 'fixtures.json') as {
  readonly invoiceitem: object
  readonly 'billing.meter_event': object
}

export const secrets: Readonly<Record<string, string>> = { STRIPE_KEY: 'rk_test_51weirsecret' }

export const mapping = `customers: { acme: cus_acme, globex: cus_globex }
event_name: { calls: api_calls }
`

export class StripeFake extends FakeServer {
  readonly items: Documents<Item>
  readonly events: Documents<EventParams>
  readonly currencies = new Set(['usd', 'eur', 'jpy', 'kwd', 'isk'])
  readonly #options: StripeFakeOptions
  readonly #firstAnswers = new Map<string, FirstAnswer>()

  constructor(options: StripeFakeOptions = {}) {
    super({ lateMs: 60_000, ...options })
    this.#options = options
    this.items = new Documents(this.nowMs)
    this.events = new Documents(this.nowMs)
  }

  settings(): Readonly<Record<string, unknown>> {
    const { send = 'invoice_items', discountable = false } = this.#options
    return { url: this.url, auth: { secret_key: { variable: 'STRIPE_KEY' } }, send, discountable }
  }

  connector(
    given: { readonly mapping?: string; readonly secrets?: typeof secrets } = {},
  ): Promise<Connector> {
    const { nowMs } = this
    return openConnector(stripeKind, this.settings(), { secrets, mapping, nowMs, rate: {}, ...given })
  }

  async effects(): Promise<readonly string[]> {
    return [...this.items.keys(), ...this.events.keys()]
  }

  booked(): readonly BookedDocument[] {
    const items = this.items.all().map(({ key, document: { currency, customer, amount } }) => ({
      key,
      lines: [{ currency: currency.toUpperCase(), account: customer, amount: ofCents(String(amount)) }],
    }))
    const events = this.events.all().map(({ key, document: { payload } }) => ({
      key,
      lines: [{ currency: '', account: payload['stripe_customer_id'] ?? '', amount: payload['value'] ?? '' }],
    }))
    return [...items, ...events]
  }

  protected routes(app: FastifyInstance): void {
    app.addHook('preHandler', async (request, reply) => {
      if (request.url.startsWith('/_fake/')) return
      if (request.headers.authorization !== `Bearer ${secrets['STRIPE_KEY']}`)
        return this.answer(reply, this.wording('credentials_refused'))
      return this.#replayed(request, reply)
    })
    app.get('/v1/invoiceitems', (request, reply) => this.#list(request, reply))
    app.get('/v1/billing/meters', (_, reply) =>
      this.answer(reply, { status: 200, body: { object: 'list', data: [], has_more: false, url: '' } }),
    )
    app.post('/v1/invoiceitems', (request, reply) => this.#createItem(request, reply))
    app.post('/v1/billing/meter_events', (request, reply) => this.#createEvent(request, reply))
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return errorOf(
          429,
          'invalid_request_error',
          'Too many requests.',
          { code: 'rate_limit' },
          {
            'stripe-rate-limited-reason': 'endpoint-rate',
          },
        )
      case '429_with_retry_after':
        return errorOf(
          429,
          'invalid_request_error',
          'Too many requests.',
          { code: 'rate_limit' },
          {
            'retry-after': '60',
          },
        )
      case 'outage':
        return { status: 503, body: 'down for maintenance' }
      case 'credentials_refused':
      case 'token_expired':
        return errorOf(401, 'invalid_request_error', `Invalid API Key provided: ${secrets['STRIPE_KEY']}`)
      case 'currency_not_enabled':
        return errorOf(400, 'invalid_request_error', 'Invalid currency: this account does not take it.', {
          param: 'currency',
        })
      case 'closed_period':
        return errorOf(400, 'invalid_request_error', words ?? 'The invoice is no longer a draft.')
      default:
        return errorOf(500, 'api_error', 'Something went wrong on the side of the server.')
    }
  }

  /** Stripe stores the first answer of a key, of an endpoint that had begun; also when the client has left. */
  protected override answer(reply: FastifyReply, answer: FakeAnswer): FastifyReply {
    const { status } = answer
    const isStored = status < 429 || status === 500
    if (reply.request.method === 'POST' && isStored) this.#remember(reply.request, answer)
    return super.answer(reply, answer)
  }

  #remember({ headers, body }: FastifyRequest, answer: FakeAnswer): void {
    const key = String(headers['idempotency-key'] ?? '')
    if (key !== '' && !this.#firstAnswers.has(key))
      this.#firstAnswers.set(key, { body: String(body), atMs: this.nowMs(), answer })
  }

  #replayed({ headers, body, method }: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const first = this.#firstAnswers.get(String(headers['idempotency-key'] ?? ''))
    if (method !== 'POST' || first === undefined || this.nowMs() - first.atMs > dayMs) return undefined
    if (first.body !== String(body))
      return super.answer(
        reply,
        errorOf(
          400,
          'idempotency_error',
          'Keys for idempotent requests can only be used with the same parameters.',
        ),
      )
    return super.answer(reply, {
      ...first.answer,
      headers: { ...first.answer.headers, 'idempotent-replayed': 'true' },
    })
  }

  #list({ query }: FastifyRequest, reply: FastifyReply): FastifyReply {
    const asked = qs.parse(query as Record<string, string>, { allowDots: false }) as Record<string, string>
    const {
      customer,
      limit = '10',
      starting_after: after,
      'created[gte]': since = '0',
    } = asked as {
      customer?: string
      limit?: string
      starting_after?: string
      'created[gte]'?: string
    }
    const newestFirst = this.items
      .visible()
      .filter(({ document }) => customer === undefined || document.customer === customer)
      .filter(({ document }) => document.created >= Number(since))
      .toReversed()
    const from = after === undefined ? 0 : newestFirst.findIndex(one => itemId(one) === after) + 1
    const page = newestFirst.slice(from, from + Number(limit))
    return this.answer(reply, {
      status: 200,
      body: {
        object: 'list',
        url: '/v1/invoiceitems',
        data: page.map(itemBody),
        has_more: from + page.length < newestFirst.length,
      },
    })
  }

  #createItem(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const params: unknown = qs.parse(String(request.body))
    return this.take(request, reply, {
      keys: [(params as ItemParams).metadata?.['weir_key'] ?? ''],
      judge: () => this.#judgeItem(params),
      commit: atMs => {
        const item = params as ItemParams
        const created = Math.floor(this.nowMs() / 1_000)
        const stored = this.items.add(item.metadata?.['weir_key'] ?? '', { ...item, created }, atMs)
        const answer = { status: 200, body: itemBody(stored) }
        this.#remember(request, answer)
        return answer
      },
    })
  }

  #judgeItem(params: unknown): FakeAnswer | undefined {
    if (!isItem(params)) return errorOf(400, 'invalid_request_error', ajv.errorsText(isItem.errors))
    if (!/^cus_(acme|globex|c\d+)$/.test(params.customer))
      return errorOf(400, 'invalid_request_error', `No such customer: '${params.customer}'`, {
        code: 'resource_missing',
        param: 'customer',
      })
    return this.currencies.has(params.currency) ? undefined : this.wording('currency_not_enabled')
  }

  #createEvent(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const params: unknown = qs.parse(String(request.body))
    const { identifier = '' } = params as EventParams
    return this.take(request, reply, {
      keys: [identifier],
      judge: () => this.#judgeEvent(params),
      commit: () => {
        // Seen at once: an identifier counts from the moment that it is taken.
        const { document } = this.events.add(identifier, params as EventParams, this.nowMs())
        const created = Math.floor(this.nowMs() / 1_000)
        return { status: 200, body: { ...fixtures['billing.meter_event'], ...document, created } }
      },
    })
  }

  #judgeEvent(params: unknown): FakeAnswer | undefined {
    if (!isEvent(params)) return errorOf(400, 'invalid_request_error', ajv.errorsText(isEvent.errors))
    const ageSeconds = this.nowMs() / 1_000 - (params.timestamp ?? 0)
    if (ageSeconds > 35 * 86_400 || ageSeconds < -300)
      return errorOf(400, 'invalid_request_error', 'The timestamp is too far in the past or the future.', {
        code: 'timestamp_too_far_in_past',
      })
    const known = this.events.find(params.identifier ?? '')
    return known !== undefined && this.nowMs() - known.visibleAtMs < dayMs
      ? errorOf(400, 'invalid_request_error', `An event already exists with identifier ${known.key}.`)
      : undefined
  }
}

/** As a decimal in the whole unit, for currencies of two digits. */
function ofCents(amount: string): string {
  const digits = amount.replace('-', '').padStart(3, '0')
  return `${amount.startsWith('-') ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`
}

function itemId({ id }: StoredDocument<Item>): string {
  return `ii_${id}`
}

function itemBody(stored: StoredDocument<Item>): object {
  const { created, ...params } = stored.document
  return { ...fixtures.invoiceitem, ...params, id: itemId(stored), date: created }
}

function errorOf(
  status: number,
  type: string,
  message: string,
  more: { readonly code?: string; readonly param?: string } = {},
  headers: Readonly<Record<string, string>> = {},
): FakeAnswer {
  return {
    status,
    headers: { 'request-id': 'req_1', ...headers },
    body: { error: { type, message, ...more } },
  }
}

/** `variant`: what is sent. */
export async function startFake(port: number, variant?: string): Promise<StartedFake> {
  const send = variant === 'meter_events' ? 'meter_events' : 'invoice_items'
  const fake = await new StripeFake({ hangMs: 90_000, lateMs: 5_000, send }).start(port)
  const customers = Array.from({ length: 200 }, (_, n) => `c${n}`)
  const [, ...rest] = mapping.split('\n')
  const known = ['acme', 'globex', ...customers].map(one => `${one}: cus_${one}`).join(', ')
  const whole = [`customers: { ${known} }`, ...rest].join('\n')
  return { fake, connection: fake.settings(), secrets, mapping: whole, customers }
}
