// The route of Orb's ingestion, and how Orb refuses.

import { z } from 'zod'
import type { Problem } from '../../gateway/problem.js'
import type { ApiReply, ApiRoute, RefusalShape } from '../../gateway/route.js'
import {
  type Intake,
  ingestsUsage,
  intakeProblems,
  type ProducerParts,
  producersTag,
  refusalShape,
  takeSent,
} from '../producer-route.js'
import { type FaultyEvent, jsonOf, type ReadEvent } from '../usage-event.js'
import { conflicting, orbEvents } from './ingest.js'

const name = z.string().min(1).max(200)

export const orbBody = z
  .object({
    events: z.array(
      z.object({
        event_name: name,
        idempotency_key: name,
        external_customer_id: name.describe('Or customer_id'),
        timestamp: z.iso.datetime({ offset: true }).describe('Without an offset it is in UTC'),
        properties: z.record(z.string(), z.unknown()),
      }),
    ),
  })
  .meta({ id: 'OrbEvents' })

export const orbExample = {
  events: [
    {
      event_name: 'tokens',
      idempotency_key: 'req-1',
      external_customer_id: 'acme',
      timestamp: '2026-01-31T12:00:00Z',
      properties: { tokens: 25 },
    },
  ],
}

const query = z.object({
  debug: z.string().optional().describe('`true`: the answer tells the keys'),
  backfill_id: z.string().optional().describe('Is taken and means nothing: late usage needs no backfill'),
})

const answerSchema = z
  .object({
    validation_failed: z.array(
      z.object({ idempotency_key: z.string(), validation_errors: z.array(z.string()) }),
    ),
    debug: z.object({ ingested: z.array(z.string()), duplicate: z.array(z.string()) }).optional(),
  })
  .meta({ id: 'OrbIngested' })

export function orbRoute(parts: ProducerParts): ApiRoute {
  return {
    method: 'POST',
    path: '/producers/orb/v1/ingest',
    audits: { exempt: 'usage is data, with its own source and id' },
    access: ingestsUsage,
    operationId: 'ingestOrbEvents',
    tag: producersTag,
    summary: 'Take events of Orb',
    description:
      'For Orb’s clients. `idempotency_key` is the id of the event, `event_name` its type, the customer its subject, the ' +
      'properties its data. A malformed event is told in `validation_failed`, and its neighbours are taken.',
    query,
    body: { required: true, content: { 'application/json': { schema: orbBody, example: orbExample } } },
    responses: {
      200: {
        description: 'All events are on disk.',
        schema: answerSchema,
        example: { validation_failed: [] },
      },
    },
    problems: [...intakeProblems, 'invalid_request'],
    refusals: orbRefusals,
    handle: call => takeSent(parts, orbIntake(parts.events.maxEvents), call),
  }
}

export function orbIntake(maxEvents: number): Intake {
  return {
    isAllOrNone: false,
    refuse: refuseOrb,
    read(body, { query: asked }) {
      const events = orbEvents(jsonOf(body), maxEvents, Date.now())
      const twice = conflicting(events)
      const answer = (): ApiReply => ({
        status: 200,
        body: { validation_failed: [], ...debugOf(events, asked) },
      })
      return { events, answer, refused: twice.size === 0 ? undefined : refuseOrb(conflicts(twice)) }
    },
  }
}

/** Whether an event was there before is found out after the answer. */
function debugOf(events: readonly ReadEvent[], { debug }: Readonly<Record<string, unknown>>) {
  return debug === 'true' ? { debug: { ingested: events.map(({ id }) => id), duplicate: [] } } : {}
}

function conflicts(keys: ReadonlySet<string>): readonly FaultyEvent[] {
  const detail = 'two events of the request have this idempotency_key and differ; none was taken'
  const fault = { field: 'idempotency_key', code: 'invalid', detail } as const
  return [...keys].map(id => ({ kind: 'faulty', id, faults: [fault] }))
}

function refuseOrb(faulty: readonly FaultyEvent[]): ApiReply {
  const failed = faulty.map(({ id, faults }) => ({
    idempotency_key: id,
    validation_errors: faults.map(({ detail }) => detail),
  }))
  const [first] = failed
  const detail = `${failed.length} events failed validation; the first, ${first!.idempotency_key}: ${first!.validation_errors[0]}`
  const body = {
    ...errorOf('400-request-validation-errors', 400, 'Request validation failed', detail),
    validation_errors: failed.flatMap(one => one.validation_errors),
    validation_failed: failed,
  }
  return { status: 400, body }
}

/** The pages of Orb's documents by which its clients tell the kinds of errors. */
const documents = 'https://docs.withorb.com/reference/error-responses#'
const kinds: ReadonlyMap<number, string> = new Map([
  [400, '400-request-validation-errors'],
  [401, '401-authentication-error'],
  [413, '413-request-too-large'],
  [429, '429-too-many-requests'],
])

const errorSchema = z
  .looseObject({
    type: z.string(),
    status: z.int(),
    title: z.string(),
    detail: z.string(),
    message: z.string().describe('The same as detail: what the client shows'),
    validation_errors: z.array(z.string()).optional(),
  })
  .meta({ id: 'OrbError' })

/** Also Metronome’s, whose clients read `message` alone. */
export const orbRefusals: RefusalShape = refusalShape(
  {
    schema: errorSchema,
    example: errorOf('401-authentication-error', 401, 'Not authenticated', 'The API key is not known.'),
  },
  (problem: Problem) => {
    const { status, message } = problem
    const kind = kinds.get(status) ?? `${status}`
    const { title } = problem.body()
    return {
      body: {
        ...errorOf(kind, status, title, message),
        validation_errors: status === 400 ? [message] : undefined,
      },
    }
  },
)

function errorOf(kind: string, status: number, title: string, detail: string) {
  return { type: `${documents}${kind}`, status, title, detail, message: detail }
}
