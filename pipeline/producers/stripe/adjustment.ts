// Stripe's adjustment of a meter event that was sent by mistake, as a retraction of ours. Stripe names the event alone; whose
// it is says the table that has the event. Both of Stripe's APIs.
// Invariant: nothing is retracted by guess: an event that no table has yet, or that has several customers, is refused, and
// the same request again is good once the table has it.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { isRecord } from '../../../schemas/json/json-text.js'
import { Problem } from '../../gateway/problem.js'
import type { ApiReply, ApiRoute, RefusalShape } from '../../gateway/route.js'
import { intakeProblems, producersTag } from '../producer-route.js'
import { jsonOf } from '../usage-event.js'
import { readForm } from './form.js'
import { v1Refusals, v2Refusals } from './refusals.js'
import type { StripeParts } from './routes.js'

export interface AdjustmentParts extends StripeParts {
  readonly customersOf: (source: string, id: string) => Promise<readonly string[]>
}

interface Asked {
  readonly eventName: string
  readonly identifier: string
}

const cancel = z.object({ identifier: z.string().min(1).max(200) })
const adjustmentBody = z
  .object({ event_name: z.string().min(1).max(200), type: z.literal('cancel'), cancel })
  .meta({ id: 'NewStripeAdjustment' })

const adjustmentSchema = (object: string) =>
  z.object({
    id: z.string().optional(),
    object: z.literal(object),
    cancel,
    created: z.string().optional(),
    event_name: z.string(),
    livemode: z.literal(true),
    status: z.enum(['complete', 'pending']),
    type: z.literal('cancel'),
  })

const example = { cancel: { identifier: 'req-1' }, event_name: 'tokens', type: 'cancel' } as const

export function adjustmentRoutes(parts: AdjustmentParts): readonly ApiRoute[] {
  return [
    route(parts, {
      path: '/v1/billing/meter_event_adjustments',
      operationId: 'createStripeAdjustment',
      object: 'billing.meter_event_adjustment',
      refusals: v1Refusals,
      body: {
        'application/x-www-form-urlencoded': {
          schema: z.string().describe('A form: event_name, type=cancel, cancel[identifier].'),
          example: 'event_name=tokens&type=cancel&cancel[identifier]=req-1',
        },
      },
      asked(body) {
        const { plain, nested } = readForm(body)
        return askedOf(plain.get('event_name'), plain.get('type'), nested.get('cancel')?.get('identifier'))
      },
      more: () => ({}),
    }),
    route(parts, {
      path: '/v2/billing/meter_event_adjustments',
      operationId: 'createStripeAdjustmentInJson',
      object: 'v2.billing.meter_event_adjustment',
      refusals: v2Refusals,
      body: { 'application/json': { schema: adjustmentBody, example } },
      asked(body) {
        const value = jsonOf(body)
        const { event_name: name, type, cancel: cancelled } = isRecord(value) ? value : {}
        return askedOf(name, type, isRecord(cancelled) ? cancelled['identifier'] : undefined)
      },
      more: ({ identifier }) => ({ id: `adj_${identifier}`, created: new Date().toISOString() }),
    }),
  ]
}

interface Variant {
  readonly path: string
  readonly operationId: string
  readonly object: string
  readonly refusals: RefusalShape
  readonly body: NonNullable<ApiRoute['body']>['content']
  asked(body: Buffer): Asked
  more(asked: Asked): Readonly<Record<string, unknown>>
}

function route(parts: AdjustmentParts, variant: Variant): ApiRoute {
  const { path, operationId, object, refusals, body } = variant
  return {
    method: 'POST',
    path,
    audits: { exempt: 'usage is data, with its own source and id' },
    access: { kind: 'scope', anyOf: ['ingest:lifecycle'], basic: true },
    operationId,
    tag: producersTag,
    summary: 'Take back a meter event of Stripe',
    description:
      'For Stripe’s clients. The event is retracted as `weir.usage.retracted` would; 404 while Weir has not read it. The key ' +
      'needs the scope for changes.',
    body: { required: true, content: body },
    responses: {
      200: {
        description: 'The retraction is on disk.',
        schema: adjustmentSchema(object),
        example: { object, ...example, livemode: true, status: 'complete' },
      },
    },
    problems: [...intakeProblems, 'invalid_request', 'unknown_event'],
    refusals,
    handle: call =>
      parts.events.withBody(call, async (bytes, take) => {
        const asked = variant.asked(bytes)
        const customers = await parts.customersOf(parts.settings.source, asked.identifier)
        const { rejected } = await take([retraction(asked, customers, parts.settings.source)], {
          isAllOrNone: true,
        })
        if (rejected[0] !== undefined) throw new Problem('invalid_request', rejected[0].detail)
        return answer(asked, variant)
      }),
  }
}

function answer(asked: Asked, { object, more }: Variant): ApiReply {
  const { eventName, identifier } = asked
  const told = {
    cancel: { identifier },
    event_name: eventName,
    livemode: true,
    status: 'complete',
    type: 'cancel',
  }
  return { status: 200, body: { object, ...told, ...more(asked) } }
}

function askedOf(name: unknown, type: unknown, identifier: unknown): Asked {
  if (typeof name !== 'string' || name === '') throw new Problem('invalid_request', 'event_name is missing.')
  if (type !== 'cancel') throw new Problem('invalid_request', 'type is not cancel.')
  if (typeof identifier !== 'string' || identifier === '' || identifier.length > 240)
    throw new Problem('invalid_request', 'cancel[identifier] is not a text of 1 to 240 characters.')
  return { eventName: name, identifier }
}

function retraction({ identifier }: Asked, customers: readonly string[], source: string) {
  const [customer] = customers
  if (customer === undefined || customers.length > 1) {
    const detail = customer === undefined ? 'is not known, or not yet' : 'belongs to several customers'
    throw new Problem('unknown_event', `The meter event ${identifier} ${detail}.`)
  }
  return {
    specversion: '1.0',
    id: `retracted:${identifier}`,
    source,
    type: 'weir.usage.retracted',
    subject: customer,
    data: { event_source: source, event_id: identifier, reason: 'meter event adjustment' },
  }
}

/** Of an event that was rated, is metered by nothing, or waits. */
export function customersIn(clickhouse: ClickHouseClient): AdjustmentParts['customersOf'] {
  const where = `cityHash64(event_source, event_id) = cityHash64({source: String}, {id: String})
    AND event_source = {source: String} AND event_id = {id: String} AND customer_id != ''`
  return async (source, id) => {
    const answer = await clickhouse.query({
      query: `SELECT customer_id FROM rated_usage WHERE ${where} UNION DISTINCT SELECT customer_id FROM event_outcomes WHERE ${where}
        LIMIT 2`,
      query_params: { source, id },
      format: 'JSONEachRow',
    })
    return (await answer.json<{ readonly customer_id: string }>()).map(row => row.customer_id)
  }
}
