// The routes of explain: one event, and the events of a charge.

import { z } from 'zod'
import { Problem } from '../gateway/problem.js'
import {
  type ApiCall,
  type ApiReply,
  type ApiRoute,
  type ApiTag,
  needs,
  readQuery,
} from '../gateway/route.js'
import type { ChargeEvents } from './charge-events.js'
import type { Identity } from './event-rows.js'
import type { EventExplanation } from './explanation.js'
import { chargeEventsExample, chargeEventsSchema, explanationExample, explanationSchema } from './shapes.js'

export interface ExplainApi {
  /** Undefined: nothing is known of the event. */
  explain(identity: Identity): Promise<EventExplanation | undefined>
  /** Messages of LEDGER that ClickHouse has not taken yet. */
  behind(): Promise<number>
  eventsOfCharge(
    chargeId: string,
    limit: number,
    cursor: string | undefined,
  ): Promise<ChargeEvents | 'bad cursor' | undefined>
}

const tag: ApiTag = {
  name: 'Explain',
  description: 'What became of an event, and which events a charge is made of.',
}

const eventQuery = z.object({
  source: z.string().min(1).max(256).describe("The event's source"),
  id: z.string().min(1).max(256).describe("The event's id"),
})

const maxPage = 1_000
const chargeParams = z.object({
  id: z
    .string()
    .describe('A charge_id')
    .meta({ examples: ['ch_1f0c'] }),
})
const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(maxPage).default(100).describe('Events in a page'),
  cursor: z.string().min(1).max(2_048).optional().describe('`next_cursor` of the page before'),
})

export function explainRoutes(api: ExplainApi): readonly ApiRoute[] {
  return [eventRoute(api), chargeRoute(api)]
}

function eventRoute(api: ExplainApi): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/events',
    access: needs('read'),
    operationId: 'explainEvent',
    tag,
    summary: 'What became of an event',
    description:
      'Every station from receipt to delivery with its time, its commit, the reason and where it leads: twins, the version ' +
      'of the subscription and why not another, the arithmetic, the charge, batch, journal entry, and what the receiver calls ' +
      'it. It tells what ClickHouse holds; `clickhouse_behind` says how many messages of LEDGER it has still to take.',
    query: eventQuery,
    responses: {
      200: { description: 'What is known of it.', schema: explanationSchema, example: explanationExample },
    },
    problems: ['invalid_request', 'unknown_event'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const identity = readQuery(call, eventQuery)
      const explanation = await api.explain(identity)
      if (explanation !== undefined) return { status: 200, body: explanation }
      throw await unknownEvent(api, identity)
    },
  }
}

async function unknownEvent(api: ExplainApi, { source, id }: Identity): Promise<Problem> {
  const behind = await api.behind()
  const late =
    behind === 0
      ? 'ClickHouse holds all that was committed'
      : `ClickHouse is ${behind} messages of LEDGER behind, so it may still come`
  return new Problem(
    'unknown_event',
    `Nothing is known of the event ${id} of ${source}: neither rated_usage nor dead_letters nor event_outcomes names it. ${late}.`,
    { extra: { looked_at: ['rated_usage', 'dead_letters', 'event_outcomes'], clickhouse_behind: behind } },
  )
}

function chargeRoute(api: ExplainApi): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/charges/{id}/events',
    access: needs('read'),
    operationId: 'listEventsOfCharge',
    tag,
    summary: 'The events of a charge',
    description:
      'Each event with what it adds, in the order of their times. The amounts of all pages add up to `amount`; a row with ' +
      '`events` 0 is a correction that names its cause. `lines` has how it was billed, posted and delivered, and of what it deferred ' +
      'the schedule, the months that were released, and what remains. A base fee has lines and no events.',
    params: chargeParams,
    query: pageQuery,
    responses: {
      200: { description: 'A page.', schema: chargeEventsSchema, example: chargeEventsExample },
    },
    problems: ['invalid_request', 'invalid_cursor', 'unknown_charge'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const { limit, cursor } = readQuery(call, pageQuery)
      const id = call.params['id'] ?? ''
      const page = await api.eventsOfCharge(id, limit, cursor)
      if (page === undefined)
        throw new Problem('unknown_charge', `Neither rated usage nor a sealed line names the charge ${id}.`)
      if (page === 'bad cursor') throw new Problem('invalid_cursor', 'The cursor is none of this list.')
      return { status: 200, body: page }
    },
  }
}
