// Tickets about exceptions: found by their external id, which has the exception. Zendesk keeps as many tickets with one external
// id as it is given, so a ticket is looked for first, and made under an idempotency key beside.

import { z } from 'zod'
import type { CheckOutcome, PutOutcome } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Api, type ApiAnswer, type ApiRequest, jsonOf, strangeAnswer } from '../http/api.js'
import { basic, headerKey } from '../http/authorizer.js'
import { pageMs } from '../http/limiter.js'
import { withoutEnd } from '../http/list-end.js'
import { unavailable } from '../http/outcome.js'
import type { CaseFound, CaseSystem, CaseThere, CaseToTell } from '../write-back/case-connector.js'
import { writtenFields, type ZendeskSettings } from './config.js'
import { outcomeOfRefusal } from './outcome.js'

const requestMs = 30_000
const commentsOfPage = 100

const ticketSchema = z.object({ id: z.number(), status: z.string(), external_id: z.string().nullish() })
const ticketsSchema = z.object({ tickets: z.array(ticketSchema) })
const oneSchema = z.object({ ticket: ticketSchema })
const commentsSchema = z.object({
  comments: z.array(z.object({ plain_body: z.string().nullish(), body: z.string().nullish() })),
  meta: z.object({ has_more: z.boolean() }).optional(),
  links: z.object({ next: z.string().nullish() }).optional(),
})

type Answered = { readonly kind: 'good'; readonly answer: ApiAnswer } | PutOutcome

export class Tickets implements CaseSystem {
  readonly object = 'ticket'
  readonly pageSize = 4
  /** A new ticket is in the list of its external id at once; a request that was given up may still make it. */
  readonly settlesWithinMs = 2 * 60_000
  readonly attemptMs: number
  readonly written: readonly string[]
  readonly #settings: ZendeskSettings
  readonly #api: Api

  constructor(settings: ZendeskSettings, { limiter, nowMs, rate, secret }: ConnectorParts) {
    const { auth, url } = settings
    this.#settings = settings
    this.written = writtenFields(settings)
    this.attemptMs = pageMs(requestMs, 3 * this.pageSize, rate)
    const authorizer =
      'access_token' in auth
        ? headerKey('authorization', () => secret(auth.access_token), 'Bearer ')
        : basic(
            () => ({ kind: 'ok', secret: `${auth.user}/token` }),
            () => secret(auth.api_token),
          )
    this.#api = new Api({ baseUrl: url, authorizer, limiter, requestMs, nowMs })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const sent = await this.#send({ method: 'GET', path: '/api/v2/tickets/count' }, signal)
    return sent.kind === 'good' ? { kind: 'ready' } : unavailable(sent)
  }

  async find(exceptionId: string, signal: AbortSignal): Promise<CaseFound> {
    const query = { external_id: exceptionId }
    const sent = await this.#send({ method: 'GET', path: '/api/v2/tickets', query }, signal)
    if (sent.kind !== 'good') return sent
    const page = ticketsSchema.safeParse(jsonOf(sent.answer))
    if (!page.success) return strangeAnswer(sent.answer)
    // Somebody may have copied the id to another ticket by hand: the first one is ours.
    const ours = page.data.tickets.filter(one => one.external_id === exceptionId)
    const first = ours.toSorted((a, b) => a.id - b.id)[0]
    if (first === undefined) return { kind: 'absent' }
    return { kind: 'there', found: { id: String(first.id), name: `#${first.id}`, status: first.status } }
  }

  async create({ told, key }: CaseToTell, signal: AbortSignal): Promise<PutOutcome> {
    const { opened, priority, tags, fields } = this.#settings.ticket
    const custom = Object.entries(fields).map(([id, value]) => ({ id: Number(id), value }))
    const ticket = {
      external_id: told.exception_id,
      subject: told.subject,
      comment: { body: told.description, public: false },
      status: opened,
      ...(priority === undefined ? {} : { priority }),
      ...(tags.length === 0 ? {} : { tags }),
      ...(custom.length === 0 ? {} : { custom_fields: custom }),
    }
    const headers = { 'idempotency-key': key }
    const request = { method: 'POST', path: '/api/v2/tickets', headers, body: { json: { ticket } } } as const
    const sent = await this.#send(request, signal)
    return sent.kind === 'good' ? acceptedOf(sent.answer) : sent
  }

  async isTold({ id }: CaseThere, { key }: CaseToTell, signal: AbortSignal): Promise<boolean | PutOutcome> {
    let request: ApiRequest = {
      method: 'GET',
      path: `/api/v2/tickets/${id}/comments`,
      query: { 'page[size]': String(commentsOfPage), sort: '-created_at' },
    }
    for (let pages = 1; ; pages += 1) {
      const sent = await this.#send(request, signal)
      if (sent.kind !== 'good') return sent
      const page = commentsSchema.safeParse(jsonOf(sent.answer))
      if (!page.success) return strangeAnswer(sent.answer)
      const { comments, meta, links } = page.data
      if (comments.some(one => (one.plain_body ?? one.body ?? '').includes(markOf(key)))) return true
      if (meta?.has_more !== true || links?.next == null) return false
      const endless = withoutEnd(pages)
      if (endless !== undefined) return endless
      request = { method: 'GET', path: links.next }
    }
  }

  /** The comment and the status are one update. */
  async tell({ id, status }: CaseThere, { told, key }: CaseToTell, signal: AbortSignal): Promise<PutOutcome> {
    const { settled } = this.#settings.ticket
    if (status === 'closed' && told.state === 'settled') {
      const detail = `ticket #${id} was closed there for good, and takes nothing any more`
      return { kind: 'not_for_receiver', code: 'case_closed', detail }
    }
    const comment = { body: `${told.comment} ${markOf(key)}`, public: false }
    const ticket = { comment, status: told.state === 'open' ? 'open' : settled }
    const request = { method: 'PUT', path: `/api/v2/tickets/${id}`, body: { json: { ticket } } } as const
    const sent = await this.#send(request, signal)
    return sent.kind === 'good' ? acceptedOf(sent.answer) : sent
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<Answered> {
    const answer = await this.#api.send(request, signal)
    if (answer.kind === 'failed') return answer.outcome
    return answer.status < 300 ? { kind: 'good', answer } : outcomeOfRefusal(answer)
  }
}

function acceptedOf(answer: ApiAnswer): PutOutcome {
  const made = oneSchema.safeParse(jsonOf(answer))
  return made.success ? { kind: 'accepted', externalId: String(made.data.ticket.id) } : strangeAnswer(answer)
}

function markOf(key: string): string {
  return `[${key}]`
}
