// The routes of Lago's events: one, and up to 100 together. Under a prefix of their own, and under Lago's own paths:
// `/api/v1/events` is OpenMeter's too, and there the body says whose it is.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isRecord } from '../../../schemas/json/json-text.js'
import { firstBytes } from '../../gateway/first-bytes.js'
import type { ApiReply, ApiRoute } from '../../gateway/route.js'
import {
  type Intake,
  ingestsUsage,
  intakeProblems,
  type ProducerParts,
  producersTag,
  takeSent,
} from '../producer-route.js'
import { jsonOf, type ReadEvent, type SentEvent } from '../usage-event.js'
import { lagoEvent } from './event.js'
import {
  lagoRefusals,
  lagoValidationExample,
  lagoValidationSchema,
  refuseBatch,
  refuseOne,
  validation,
} from './refusals.js'

const maxEvents = 100
const prefix = '/producers/lago'
const name = z.string().min(1).max(200)

const eventBody = z
  .object({
    transaction_id: name,
    external_subscription_id: name,
    code: name,
    timestamp: z
      .int()
      .min(0)
      .max(1_700_000_000)
      .optional()
      .describe('Unix seconds, also with decimals and as text'),
    properties: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'LagoEvent' })

const eventExample = {
  transaction_id: 'req-1',
  external_subscription_id: 'sub_1',
  code: 'tokens',
  timestamp: 1_700_000_000,
  properties: { tokens: 25 },
}

const createdSchema = z
  .object({
    lago_id: z.string(),
    transaction_id: z.string(),
    lago_customer_id: z.null(),
    code: z.string(),
    timestamp: z.string(),
    properties: z.record(z.string(), z.unknown()),
    lago_subscription_id: z.null(),
    external_subscription_id: z.string(),
    created_at: z.string(),
  })
  .meta({ id: 'LagoEventCreated' })

const at = '2026-01-31T12:00:00.000Z'
const createdExample = {
  ...eventExample,
  lago_id: '2f3b1c5a-0d4e-8f6a-9b7c-1a2b3c4d5e6f',
  lago_customer_id: null,
  lago_subscription_id: null,
  timestamp: at,
  created_at: at,
}

export function lagoRoutes(parts: ProducerParts): readonly ApiRoute[] {
  const single = singleRoute(parts)
  const batch = batchRoute(parts)
  return [
    single,
    batch,
    { ...batch, path: '/api/v1/events/batch', operationId: 'ingestLagoEventsAtItsPath' },
    { ...single, path: '/api/v1/events', claims: async ({ body }) => isLagos(await firstBytes(body)) },
  ]
}

/** No CloudEvent has an object as its `event`. */
function isLagos(bytes: Buffer): boolean {
  return /^\s*\{\s*"event"\s*:\s*\{/.test(bytes.subarray(0, 256).toString('latin1'))
}

const common = {
  method: 'POST',
  audits: { exempt: 'usage is data, with its own source and id' },
  access: ingestsUsage,
  tag: producersTag,
  problems: intakeProblems,
  refusals: lagoRefusals,
} as const

const refusedResponse = {
  description: 'Nothing was taken: `error_details` names each fault.',
  schema: lagoValidationSchema,
  example: lagoValidationExample,
}

function singleRoute(parts: ProducerParts): ApiRoute {
  return {
    ...common,
    path: `${prefix}/api/v1/events`,
    operationId: 'ingestLagoEvent',
    summary: 'Take an event of Lago',
    description:
      'For Lago’s clients. `transaction_id` is the id of the event, `code` its type, the properties its data; its subject is ' +
      'the customer of the subscription.',
    body: {
      required: true,
      content: {
        'application/json': { schema: z.object({ event: eventBody }), example: { event: eventExample } },
      },
    },
    responses: {
      200: {
        description: 'The event is on disk.',
        schema: z.object({ event: createdSchema }),
        example: { event: createdExample },
      },
      422: refusedResponse,
    },
    handle: call => takeSent(parts, singleIntake(parts), call),
  }
}

function singleIntake({ settings }: ProducerParts): Intake {
  return {
    isAllOrNone: true,
    refuse: refuseOne,
    read(body) {
      const nowMs = Date.now()
      const event = lagoEvent(memberOf(jsonOf(body), 'event'), nowMs)
      return {
        events: [event],
        answer: () => ({ status: 200, body: { event: created(event, settings.source, nowMs) } }),
      }
    },
  }
}

function batchRoute(parts: ProducerParts): ApiRoute {
  return {
    ...common,
    path: `${prefix}/api/v1/events/batch`,
    operationId: 'ingestLagoEvents',
    summary: 'Take up to 100 events of Lago',
    description: 'For Lago’s clients: all or none.',
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.object({ events: z.array(eventBody).min(1).max(maxEvents) }),
          example: { events: [eventExample] },
        },
      },
    },
    responses: {
      200: {
        description: 'All events are on disk.',
        schema: z.object({ events: z.array(createdSchema) }),
        example: { events: [createdExample] },
      },
      422: refusedResponse,
    },
    handle: call => takeSent(parts, batchIntake(parts), call),
  }
}

function batchIntake({ settings }: ProducerParts): Intake {
  return {
    isAllOrNone: true,
    refuse: refuseBatch,
    read(body) {
      const nowMs = Date.now()
      const given = memberOf(jsonOf(body), 'events')
      if (!Array.isArray(given) || given.length === 0) return refusedWhole('no_events')
      if (given.length > maxEvents) return refusedWhole('too_many_events')
      const events = given.map((event: unknown) => lagoEvent(event, nowMs))
      const answer = (): ApiReply => {
        const told = events.map(event => created(event, settings.source, nowMs))
        return { status: 200, body: { events: told } }
      }
      return { events, answer }
    },
  }
}

function refusedWhole(code: string) {
  const refused = validation({ events: [code] })
  return { events: [], answer: () => refused, refused }
}

function memberOf(value: unknown, member: string): unknown {
  return isRecord(value) ? value[member] : undefined
}

/** As Lago tells an event that it has taken. Answers are made of events that were taken. */
function created(event: ReadEvent, source: string, nowMs: number) {
  if (event.kind === 'faulty') throw new Error('a faulty event was answered as taken')
  const { id, type, time, subscriptionId, data } = event satisfies SentEvent
  const now = new Date(nowMs).toISOString()
  return {
    lago_id: uuidOf(source, id),
    transaction_id: id,
    lago_customer_id: null,
    code: type,
    timestamp: time ?? now,
    properties: data,
    lago_subscription_id: null,
    external_subscription_id: subscriptionId,
    created_at: now,
  }
}

/** The same event has the same, as a UUID of version 8. */
function uuidOf(source: string, id: string): string {
  const hex = createHash('sha256')
    .update(JSON.stringify([source, id]))
    .digest('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`]
  return [...parts, hex.slice(20, 32)].join('-')
}
