// The routes of Stripe's meter events: its first API (forms), its second (JSON), and the stream with its sessions. Stripe's
// clients take a host and no path, so these are Stripe's own paths; none of them is a path of Weir's.

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { isRecord } from '../../../schemas/json/json-text.js'
import { Problem } from '../../gateway/problem.js'
import type { ApiCall, ApiReply, ApiRoute } from '../../gateway/route.js'
import {
  type Intake,
  ingestsUsage,
  intakeProblems,
  type ProducerParts,
  producersTag,
  takeSent,
} from '../producer-route.js'
import type { StripeSettings } from '../settings.js'
import { jsonOf, type ReadEvent } from '../usage-event.js'
import { readForm } from './form.js'
import { type MeterEventContext, v1MeterEvent, v2MeterEvent } from './meter-event.js'
import { refuseV1, refuseV2, streamRefusals, v1Refusals, v2Refusals } from './refusals.js'

const maxStreamEvents = 100
const formType = 'application/x-www-form-urlencoded'
const jsonType = 'application/json'
const payloadExample = { stripe_customer_id: 'cus_1', value: '25' }

const v1Answer = z
  .object({
    object: z.literal('billing.meter_event'),
    created: z.int(),
    event_name: z.string(),
    identifier: z.string(),
    livemode: z.literal(true),
    payload: z.record(z.string(), z.string()),
    timestamp: z.int(),
  })
  .meta({ id: 'StripeMeterEvent' })

const v2Event = z
  .object({
    event_name: z.string().min(1).max(200),
    identifier: z.string().min(1).max(200).optional(),
    payload: z.object({ stripe_customer_id: z.string().min(1).max(200), value: z.string() }),
    timestamp: z.iso.datetime({ offset: true }).optional(),
  })
  .meta({ id: 'NewStripeMeterEvent' })

const v2Answer = z
  .object({
    object: z.literal('v2.billing.meter_event'),
    created: z.string(),
    event_name: z.string(),
    identifier: z.string(),
    livemode: z.literal(true),
    payload: z.record(z.string(), z.string()),
    timestamp: z.string(),
  })
  .meta({ id: 'StripeMeterEventV2' })

const v2Example = { event_name: 'tokens', identifier: 'req-1', payload: payloadExample }
const created = '2026-01-31T12:00:00.000Z'

export interface StripeParts extends ProducerParts {
  readonly settings: StripeSettings
}

export function meterEventRoutes(parts: StripeParts): readonly ApiRoute[] {
  return [v1Route(parts), v2Route(parts), streamRoute(parts)]
}

const common = {
  method: 'POST',
  audits: { exempt: 'usage is data, with its own source and id' },
  access: ingestsUsage,
  tag: producersTag,
  problems: [...intakeProblems, 'invalid_request'],
} as const

function v1Route(parts: StripeParts): ApiRoute {
  return {
    ...common,
    path: '/v1/billing/meter_events',
    operationId: 'createStripeMeterEvent',
    summary: 'Take a meter event of Stripe',
    description:
      'For Stripe’s clients. `identifier`, else the Idempotency-Key, is the id of the event; `event_name` its type; the ' +
      'customer’s field of the payload its subject; the payload its data.',
    body: {
      required: true,
      content: {
        [formType]: {
          schema: z
            .string()
            .describe('A form: event_name, payload[…], identifier, timestamp in Unix seconds.'),
          example:
            'event_name=tokens&payload[value]=25&payload[stripe_customer_id]=cus_1&identifier=req-1&timestamp=1790000000',
        },
      },
    },
    responses: {
      200: {
        description: 'The event is on disk.',
        schema: v1Answer,
        example: {
          object: 'billing.meter_event',
          created: 1790000000,
          event_name: 'tokens',
          identifier: 'req-1',
          livemode: true,
          payload: payloadExample,
          timestamp: 1790000000,
        },
      },
    },
    refusals: v1Refusals,
    handle: call => takeSent(parts, v1Intake(parts), call),
  }
}

function v1Intake(parts: StripeParts): Intake {
  return {
    isAllOrNone: true,
    refuse: refuseV1,
    read(body, call) {
      const context = contextOf(parts, call)
      const event = v1MeterEvent(readForm(body), context)
      const now = Math.floor(context.nowMs / 1000)
      const answer = (): ApiReply => {
        const { type, id, data, time } = soundOf(event)
        const timestamp = time === undefined ? now : Math.floor(Date.parse(time) / 1000)
        const told = { event_name: type, identifier: id, livemode: true, payload: data, timestamp }
        return { status: 200, body: { object: 'billing.meter_event', created: now, ...told } }
      }
      return { events: [event], answer }
    },
  }
}

function v2Route(parts: StripeParts): ApiRoute {
  return {
    ...common,
    path: '/v2/billing/meter_events',
    operationId: 'createStripeMeterEventInJson',
    summary: 'Take a meter event of Stripe, in JSON',
    description: 'The same as the first API of Stripe takes as a form; `timestamp` is RFC 3339.',
    body: { required: true, content: { [jsonType]: { schema: v2Event, example: v2Example } } },
    responses: {
      200: {
        description: 'The event is on disk.',
        schema: v2Answer,
        example: {
          object: 'v2.billing.meter_event',
          created,
          ...v2Example,
          livemode: true,
          timestamp: created,
        },
      },
    },
    refusals: v2Refusals,
    handle: call => takeSent(parts, v2Intake(parts), call),
  }
}

function v2Intake(parts: StripeParts): Intake {
  return {
    isAllOrNone: true,
    refuse: refuseV2,
    read(body, call) {
      const context = contextOf(parts, call)
      const event = v2MeterEvent(jsonOf(body), context)
      const now = new Date(context.nowMs).toISOString()
      const answer = (): ApiReply => {
        const { type, id, data, time } = soundOf(event)
        const told = {
          event_name: type,
          identifier: id,
          livemode: true,
          payload: data,
          timestamp: time ?? now,
        }
        return { status: 200, body: { object: 'v2.billing.meter_event', created: now, ...told } }
      }
      return { events: [event], answer }
    },
  }
}

function streamRoute(parts: StripeParts): ApiRoute {
  return {
    ...common,
    path: '/v2/billing/meter_event_stream',
    operationId: 'streamStripeMeterEvents',
    summary: 'Take up to 100 meter events of Stripe',
    description:
      'All or none, with the token of a session or an API key. An event without an identifier has the Idempotency-Key ' +
      'and its place for one.',
    body: {
      required: true,
      content: {
        [jsonType]: {
          schema: z
            .object({ events: z.array(v2Event).min(1).max(maxStreamEvents) })
            .meta({ id: 'StripeMeterEvents' }),
          example: { events: [v2Example] },
        },
      },
    },
    responses: {
      200: { description: 'All events are on disk.', schema: z.object({}), example: {} },
    },
    refusals: streamRefusals,
    handle: call => takeSent(parts, streamIntake(parts), call),
  }
}

function streamIntake(parts: StripeParts): Intake {
  return {
    isAllOrNone: true,
    refuse: refuseV2,
    read(body, call) {
      const value = jsonOf(body)
      const events = isRecord(value) ? value['events'] : undefined
      if (!Array.isArray(events) || events.length === 0 || events.length > maxStreamEvents)
        throw new Problem('invalid_request', `events is not a list of 1 to ${maxStreamEvents} events.`)
      const context = contextOf(parts, call)
      const read = events.map((event: unknown, at) =>
        v2MeterEvent(event, { ...context, otherwiseId: `${context.otherwiseId}:${at}` }),
      )
      return { events: read, answer: () => ({ status: 200, body: {} }) }
    },
  }
}

function contextOf({ settings }: StripeParts, { headers }: ApiCall): MeterEventContext {
  const key = headers['idempotency-key']
  const otherwiseId = typeof key === 'string' && key !== '' ? key : randomUUID()
  return { nowMs: Date.now(), otherwiseId, customerKey: settings.customer_key }
}

/** Answers are made of events that were taken. */
function soundOf(event: ReadEvent) {
  if (event.kind === 'faulty') throw new Error('a faulty event was answered as taken')
  return event
}
