// Metronome's ingestion: a list of up to 100 events, all or none. Their clients read the `message` of a refusal.

import { z } from 'zod'
import { isRecord } from '../../../schemas/json/json-text.js'
import { Problem } from '../../gateway/problem.js'
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
import {
  eventOr,
  type FaultyEvent,
  invalid,
  jsonOf,
  missing,
  nameFault,
  type ReadEvent,
  readInstant,
  readProperties,
  typeFault,
} from '../usage-event.js'

const maxEvents = 100
const name = z.string().min(1).max(200)

export const metronomeBody = z
  .array(
    z.object({
      transaction_id: name,
      customer_id: name,
      event_type: name,
      timestamp: z.iso.datetime({ offset: true }),
      properties: z.record(z.string(), z.unknown()).optional(),
    }),
  )
  .max(maxEvents)

export const metronomeExample = [
  {
    transaction_id: 'req-1',
    customer_id: 'acme',
    event_type: 'tokens',
    timestamp: '2026-01-31T12:00:00Z',
    properties: { tokens: '25' },
  },
]

export const metronomeRefusals: RefusalShape = refusalShape(
  {
    schema: z.looseObject({ message: z.string() }).meta({ id: 'MetronomeError' }),
    example: { message: 'The API key is not known.' },
  },
  ({ message }) => ({ body: { message } }),
)

export function metronomeRoute(parts: ProducerParts): ApiRoute {
  return {
    method: 'POST',
    path: '/producers/metronome/v1/ingest',
    audits: { exempt: 'usage is data, with its own source and id' },
    access: ingestsUsage,
    operationId: 'ingestMetronomeEvents',
    tag: producersTag,
    summary: 'Take events of Metronome',
    description:
      'For Metronome’s clients: up to 100 events, all or none. `transaction_id` is the id of the event, `event_type` its ' +
      'type, `customer_id` its subject, the properties its data.',
    body: {
      required: true,
      content: { 'application/json': { schema: metronomeBody, example: metronomeExample } },
    },
    responses: { 200: { description: 'All events are on disk.', schema: z.object({}), example: {} } },
    problems: [...intakeProblems, 'invalid_request'],
    refusals: metronomeRefusals,
    handle: call => takeSent(parts, metronomeIntake, call),
  }
}

export const metronomeIntake: Intake = {
  isAllOrNone: true,
  refuse: refuseMetronome,
  read(body) {
    const events = jsonOf(body)
    if (!Array.isArray(events)) throw new Problem('invalid_request', 'The body is not a list of events.')
    if (events.length > maxEvents)
      throw new Problem('invalid_request', `Send at most ${maxEvents} events at a time.`)
    const nowMs = Date.now()
    return {
      events: events.map((event: unknown) => metronomeEvent(event, nowMs)),
      answer: () => ({ status: 200, body: {} }),
    }
  },
}

function metronomeEvent(value: unknown, nowMs: number): ReadEvent {
  if (!isRecord(value)) return { kind: 'faulty', id: '', faults: [invalid('event', 'is not an object')] }
  const { transaction_id: id, customer_id: customer, event_type: type } = value
  const time = readInstant('timestamp', value['timestamp'], nowMs)
  const properties = readProperties('properties', value['properties'])
  const faults = [
    nameFault('transaction_id', id),
    nameFault('customer_id', customer),
    typeFault('event_type', type),
    time.kind === 'fault' ? time.fault : time.time === undefined ? missing('timestamp') : undefined,
    'fault' in properties ? properties.fault : undefined,
  ]
  return eventOr(faults, {
    id: id as string,
    type: type as string,
    customer: { id: customer as string, as: 'theirs' },
    time: time.kind === 'ok' ? time.time : undefined,
    data: 'fault' in properties ? {} : properties.data,
  })
}

const toldFaults = 20

function refuseMetronome(faulty: readonly (FaultyEvent & { readonly index: number })[]): ApiReply {
  const words = faulty.flatMap(({ index, faults }) => faults.map(({ detail }) => `event ${index}: ${detail}`))
  const more = words.length > toldFaults ? ` and ${words.length - toldFaults} more` : ''
  const message = `No event was taken. ${words.slice(0, toldFaults).join('; ')}${more}.`
  return { status: 400, body: { message } }
}
