// A fake Zendesk: tickets with an external id that several may have, comments, and answers remembered by idempotency key for a while.
// The texts of its errors are ours, in Zendesk's form.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connector } from '../../connector.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents, type StoredDocument } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { allAllowed, openConnector } from '../../testing/open-connector.js'
import { zendeskKind } from '../kind.js'

interface Ticket {
  readonly external_id: string
  readonly subject: string
  readonly status: string
  readonly priority?: string
  readonly tags?: readonly string[]
  readonly custom_fields?: readonly { readonly id: number; readonly value: string }[]
}

interface Comment {
  readonly ticket: string
  readonly body: string
  readonly isPublic: boolean
  readonly status: string
}

export const secrets: Readonly<Record<string, string>> = { ZENDESK_TOKEN: 'zendesk-token-1' }
const known = new Set(['external_id', 'subject', 'comment', 'status', 'priority', 'tags', 'custom_fields'])
const statuses = new Set(['new', 'open', 'pending', 'hold', 'solved', 'closed'])
const keyLivesMs = 2 * 3_600_000

export class ZendeskFake extends FakeServer {
  readonly tickets = new Documents<Ticket>(() => this.nowMs())
  readonly comments = new Documents<Comment>(() => this.nowMs())
  /** Tickets that the system has closed for good. */
  readonly closed = new Set<string>()
  readonly #byIdempotencyKey = new Map<
    string,
    { readonly atMs: number; readonly body: string; readonly id: string }
  >()

  settings(): Readonly<Record<string, unknown>> {
    return {
      url: this.url,
      auth: { user: 'weir@acme.example', api_token: { variable: 'ZENDESK_TOKEN' } },
      ticket: { priority: 'high', tags: ['weir'], fields: { '360001': 'billing' } },
    }
  }

  connector(given: object = {}): Promise<Connector> {
    const { nowMs } = this
    return openConnector(zendeskKind, this.settings(), { secrets, nowMs, rate: {}, ...given })
  }

  async effects(): Promise<readonly string[]> {
    return [...this.tickets.keys().map(exception => `${exception}-1`), ...this.comments.keys()]
  }

  booked(): readonly BookedDocument[] {
    return this.tickets.keys().map(key => ({ key: `${key}-1`, lines: [] }))
  }

  protected routes(app: FastifyInstance): void {
    const expected = `Basic ${Buffer.from(`weir@acme.example/token:${secrets['ZENDESK_TOKEN']}`).toString('base64')}`
    app.addHook('preHandler', async ({ url, headers }, reply) => {
      if (url.startsWith('/_fake/') || headers.authorization === expected) return undefined
      return this.answer(reply, this.wording('credentials_refused'))
    })
    app.get('/api/v2/tickets/count', (_, reply) =>
      this.answer(reply, { status: 200, body: { count: { value: this.tickets.keys().length } } }),
    )
    app.get('/api/v2/tickets', ({ query }, reply) => {
      const { external_id: id = '' } = query as { external_id?: string }
      const tickets = this.tickets.visible().filter(one => one.key === id)
      return this.answer(reply, { status: 200, body: { tickets: tickets.map(one => this.#shown(one)) } })
    })
    app.post('/api/v2/tickets', (request, reply) => this.#create(request, reply))
    app.put<{ Params: { id: string } }>('/api/v2/tickets/:id', (request, reply) =>
      this.#update(request, request.params.id, reply),
    )
    app.get<{ Params: { id: string } }>('/api/v2/tickets/:id/comments', ({ params, query }, reply) =>
      this.#list(params.id, query as Record<string, string>, reply),
    )
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return { status: 429, body: { error: 'APIRateLimitExceeded', description: 'Too many requests.' } }
      case '429_with_retry_after':
        return { ...this.wording('429_without'), headers: { 'retry-after': '60' } }
      case 'outage':
        return { status: 503, body: 'down for maintenance' }
      case 'credentials_refused':
      case 'token_expired':
        return { status: 401, body: { error: 'Could not authenticate you' } }
      case 'closed_period':
        return invalid(words ?? 'A field of the ticket is required.')
      default:
        return { status: 500, body: { error: 'InternalError' } }
    }
  }

  #create(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const text = String(request.body)
    const { ticket } = JSON.parse(text) as {
      readonly ticket: Ticket & { readonly comment: { body: string } }
    }
    const idempotencyKey = String(request.headers['idempotency-key'] ?? '')
    const first = this.#byIdempotencyKey.get(idempotencyKey)
    const hit = first !== undefined && this.nowMs() - first.atMs < keyLivesMs ? first : undefined
    return this.take(request, reply, {
      keys: [`${ticket.external_id}-1`],
      judge: () => {
        if (hit !== undefined && hit.body !== text)
          return {
            status: 400,
            body: { error: 'IdempotentRequestError', description: 'The request differs.' },
          }
        return judged(ticket)
      },
      commit: atMs => {
        if (hit !== undefined) {
          const there = this.tickets.all().find(one => one.id === hit.id)!
          return {
            status: 200,
            headers: { 'x-idempotency-lookup': 'hit' },
            body: { ticket: this.#shown(there) },
          }
        }
        const stored = this.tickets.add(ticket.external_id, ticket, atMs)
        this.#byIdempotencyKey.set(idempotencyKey, { atMs: this.nowMs(), body: text, id: stored.id })
        const headers = { 'x-idempotency-lookup': 'miss' }
        return { status: 201, headers, body: { ticket: this.#shown(stored) } }
      },
    })
  }

  #update(request: FastifyRequest, id: string, reply: FastifyReply): Promise<unknown> {
    const { ticket } = JSON.parse(String(request.body)) as {
      readonly ticket: { readonly comment: { body: string; public: boolean }; readonly status: string }
    }
    const key = /\[(exc_[^\]]*)\]$/.exec(ticket.comment.body)?.[1] ?? ticket.comment.body
    return this.take(request, reply, {
      keys: [key],
      judge: () => {
        if (!this.tickets.all().some(one => one.id === id))
          return { status: 404, body: { error: 'RecordNotFound' } }
        return this.closed.has(id) ? invalid('Status: closed prevents ticket update') : judged(ticket)
      },
      commit: atMs => {
        const { body, public: isPublic } = ticket.comment
        this.comments.add(key, { ticket: id, body, isPublic, status: ticket.status }, atMs)
        return { status: 200, body: { ticket: this.#shown(this.tickets.all().find(one => one.id === id)!) } }
      },
    })
  }

  #list(id: string, query: Record<string, string>, reply: FastifyReply): FastifyReply {
    const from = Number(query['page[after]'] ?? 0)
    const size = Number(query['page[size]'])
    const all = this.comments.visible().filter(one => one.document.ticket === id)
    const comments = all
      .slice(from, from + size)
      .map(({ document: { body } }) => ({ plain_body: body, body }))
    const next = `${this.url}/api/v2/tickets/${id}/comments?page[after]=${from + size}&page[size]=${size}`
    const hasMore = from + size < all.length
    const body = { comments, meta: { has_more: hasMore }, links: { next: hasMore ? next : null } }
    return this.answer(reply, { status: 200, body })
  }

  #shown({ id, key, document }: StoredDocument<Ticket>): object {
    const last = this.comments.visible().findLast(one => one.document.ticket === id)
    const status = this.closed.has(id) ? 'closed' : (last?.document.status ?? document.status)
    return { id: Number(id), external_id: key, subject: document.subject, status }
  }
}

/** What is there that a ticket does not have is passed over in silence there; here it is told. */
function judged(ticket: object): FakeAnswer | undefined {
  const unknown = Object.keys(ticket).find(name => !known.has(name))
  if (unknown !== undefined) return invalid(`${unknown} is no field of a ticket`)
  return statuses.has(String((ticket as Ticket).status)) ? undefined : invalid('Status is invalid')
}

function invalid(words: string): FakeAnswer {
  const details = { base: [{ description: words }] }
  return { status: 422, body: { error: 'RecordInvalid', description: 'Record validation errors', details } }
}

export async function startFake(port: number): Promise<StartedFake> {
  const fake = await new ZendeskFake({ lateMs: 1_000 }).start(port)
  return { fake, connection: allAllowed(zendeskKind, fake.settings()), secrets }
}
