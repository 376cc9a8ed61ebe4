// POST /v1/events, and the same for OpenMeter producers. Contract sections 2 and 7.
// Invariants:
// 1. I1: `accepted` counts events that the broker has on disk. A 503 says which part of the request is on disk and which
//    part may be (`outcome_unknown`); sending all of it again with the same ids is harmless.
// 2. A refused event does not affect the others. The answer is 202 even when all are refused, because a producer that
//    retries on 4xx must not resend events that can never be accepted.
// 3. A body that is neither JSON nor a usage batch in Arrow is answered with 400, since no single event is at
//    fault.

import type { IncomingHttpHeaders } from 'node:http'
import { binaryModeEvent, isBinaryMode } from '../../schemas/event/binary-mode.js'
import { type ParsedEvent, parseMessage } from '../../schemas/event/cloud-event.js'
import type { EventStream } from '../../schemas/event/event-stream.js'
import { messageFormOf } from '../../schemas/event/media-types.js'
import type { Rejection } from '../../schemas/rejection.js'
import { batchEvents, decodeUsageBatch, type UsageBatch } from '../../schemas/usage-batch/usage-batch.js'
import { beginSpan, type OpenSpan } from '../tracing/spans.js'
import type { Admission, Seat } from './admission.js'
import type { PublishingTrail } from './audit-trail.js'
import { streamScopes } from './chunk-builder.js'
import type { EventProtection } from './event-protection.js'
import type { EventPublisher, Receipt } from './event-publisher.js'
import {
  acceptedExample,
  binaryHeaders,
  eventBody,
  eventContentTypes,
  eventsAcceptedSchema,
  partlyTaken,
} from './event-shapes.js'
import type { GatewayLimits } from './limits.js'
import { markStampedTimes } from './openmeter-time.js'
import { malformedBody, Problem, unavailable } from './problem.js'
import { isProblemCode, meaningOf, type ProblemCode } from './problem-codes.js'
import { acceptedEncodings, readBody } from './read-body.js'
import { type ApiCall, type ApiRoute, type ApiTag, needs } from './route.js'
import { type Caller, holds } from './scopes.js'
import {
  type EventVerdict,
  partitionStopped,
  type SortedEvents,
  type SortOptions,
  sortBatch,
  sortEvents,
} from './sort-events.js'
import type { GatewayTelemetry } from './telemetry.js'
import type { Turns } from './turns.js'

/** Whether the pipeline behind the gateway keeps up. */
export type Pressure =
  | { readonly kind: 'ok' }
  | { readonly kind: 'slow'; readonly retryAfterSeconds: number }
  | { readonly kind: 'stopped'; readonly retryAfterSeconds: number; readonly detail: string }

export interface EventIntake {
  readonly partitions: number
  readonly limits: GatewayLimits
  readonly admission: Admission
  readonly turns: Turns
  readonly publisher: EventPublisher
  readonly telemetry: GatewayTelemetry
  readonly audit: PublishingTrail
  pressure(): Pressure
  /** Stopped partitions, each with the reason. Events of their customers are refused, all others are accepted. */
  stoppedPartitions(): ReadonlyMap<number, string>
  /** Replaces what is personal, before anything is kept. */
  readonly protection: EventProtection
}

const stoppedRetryAfterSeconds = 30

const ingest = needs('ingest:usage', 'ingest:lifecycle', 'ingest:catalog')
const eventsTag: ApiTag = {
  name: 'Events',
  description: 'Usage, changes of customers and subscriptions, and prices, as CloudEvents.',
}
const ingestProblems: readonly ProblemCode[] = [
  'malformed_arrow',
  'too_many_events',
  'pipeline_behind',
  'too_much_in_flight',
  'pipeline_stopped',
  'partition_stopped',
  'broker_unavailable',
  'outcome_unknown',
]

/** Usage and changes of customers are data, with their own source and id; prices are somebody's act. */
const publishedActs = ['catalog.published', 'fx_rate.published'] as const

export function eventRoutes(intake: EventIntake): readonly ApiRoute[] {
  return [
    {
      method: 'POST',
      path: '/v1/events',
      audits: publishedActs,
      access: ingest,
      operationId: 'ingestEvents',
      tag: eventsTag,
      summary: 'Send events',
      description:
        'Takes one event, a JSON array, NDJSON, a batch in Arrow, or one event in the HTTP binary mode (`ce-` headers). ' +
        'Answers after the broker has the events on disk. A malformed event is refused alone, its neighbours are taken; ' +
        'the answer is 202 even when all are refused. Sending the same events again is harmless: `source` and `id` ' +
        'identify an event for ever. A 503 says which part is on disk; send everything again. ' +
        `Bodies may be compressed (Content-Encoding: ${acceptedEncodings.join(', ')}).`,
      headers: binaryHeaders,
      body: eventBody,
      responses: {
        202: {
          description: 'A verdict on each refused event, and where the accepted ones lie.',
          schema: eventsAcceptedSchema,
          example: acceptedExample,
        },
      },
      problems: ingestProblems,
      problemMembers: { 503: partlyTaken },
      handle: call => admitted(intake, call, (seat, span) => takeEach(intake, call, seat, span)),
    },
    {
      method: 'POST',
      path: '/api/v1/events',
      audits: publishedActs,
      access: ingest,
      operationId: 'ingestEventsOpenMeter',
      tag: eventsTag,
      summary: 'Send events as OpenMeter producers do',
      description:
        'The same events as `POST /v1/events`, taken all or none: when one is malformed, `errors` names each fault. ' +
        'A `time` that the SDK stamped is no part of the content, so an event that is sent again with its id is a ' +
        'duplicate: `time` as the last member, in UTC with milliseconds, and within 5 minutes of its arrival.',
      headers: binaryHeaders,
      body: eventBody,
      responses: { 204: { description: 'All events are on disk.' } },
      problems: ['malformed_events', ...ingestProblems],
      problemMembers: { 503: partlyTaken },
      handle: call => admitted(intake, call, (seat, span) => takeAll(intake, call, seat, span)),
    },
  ]
}

async function takeEach(intake: EventIntake, call: ApiCall, seat: Seat, span: OpenSpan) {
  const { sorted, bytes } = await readEvents(intake, call, seat)
  const stopped = sorted.rejected.find(({ code }) => code === partitionStopped)
  if (sorted.accepted === 0 && stopped !== undefined) throw stoppedProblem(stopped, sorted.rejected)
  const receipts = await publishSorted(intake, sorted, span, call.caller)
  report(intake, sorted, bytes)
  return { status: 202, body: { accepted: sorted.accepted, rejected: sorted.rejected, receipts } }
}

async function takeAll(intake: EventIntake, call: ApiCall, seat: Seat, span: OpenSpan) {
  const { sorted, bytes } = await readEvents(intake, call, seat, markStampedTimes)
  const stopped = sorted.rejected.find(({ code }) => code === partitionStopped)
  if (stopped !== undefined) throw stoppedProblem(stopped)
  if (sorted.rejected.length > 0) {
    countRejected(intake, sorted.rejected)
    const errors = sorted.rejected.map(({ index, code, detail, pointer }) => ({
      pointer: `/${index}${pointer ?? ''}`,
      code,
      detail,
    }))
    // OpenMeter's SDK shows its caller the detail alone.
    const first = `${errors[0]?.pointer}: ${errors[0]?.detail}`
    const detail = `${errors.length} events are malformed and none was taken. The first fault is at ${first}`
    throw new Problem('malformed_events', detail, { errors })
  }
  await publishSorted(intake, sorted, span, call.caller)
  report(intake, sorted, bytes)
  return { status: 204 }
}

/** The answer to a request that is refused as a whole for a reason that the sender cannot fix. */
export function stoppedProblem({ detail }: EventVerdict, rejected?: readonly EventVerdict[]): Problem {
  const extra = rejected === undefined ? {} : { accepted: 0, rejected }
  return unavailable(partitionStopped, detail, stoppedRetryAfterSeconds, extra)
}

/**
 * Runs `work`, unless the pipeline is behind or too many requests are in flight; then gives back its place
 * and bytes. The span is that of the request.
 */
export async function admitted<T>(
  intake: EventIntake,
  call: ApiCall,
  work: (seat: Seat, span: OpenSpan) => Promise<T>,
): Promise<T> {
  const seat = seatFor(intake, call.caller)
  const span = beginSpan('receive events', 'serve', {}, name => headerOf(call.headers, name))
  try {
    const answer = await work(seat, span)
    span.end()
    return answer
  } catch (error) {
    span.end({}, error instanceof Problem ? error.code : String(error))
    throw error
  } finally {
    seat.leave()
  }
}

/** A place for one request, or a `Problem` while the pipeline is behind or too much is in flight. */
export function seatFor(
  intake: Pick<EventIntake, 'pressure' | 'admission' | 'limits'>,
  { keyId }: Caller,
): Seat {
  const pressure = intake.pressure()
  if (pressure.kind === 'slow') {
    throw unavailable('pipeline_behind', 'The pipeline is behind.', pressure.retryAfterSeconds)
  }
  if (pressure.kind === 'stopped') {
    throw unavailable('pipeline_stopped', pressure.detail, pressure.retryAfterSeconds)
  }
  const seat = intake.admission.enter(keyId)
  if (seat === undefined) {
    const detail = 'Too many requests are in flight, of this key or in all.'
    throw unavailable('too_much_in_flight', detail, intake.limits.retryAfterSeconds)
  }
  return seat
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

async function readEvents(
  intake: EventIntake,
  call: ApiCall,
  seat: Seat,
  prepare = (events: readonly ParsedEvent[], _arrivalMs: number) => events,
): Promise<{ readonly sorted: SortedEvents; readonly bytes: number }> {
  const { limits } = intake
  const body = await readEventBody(intake, call, seat)
  const form = withoutPersonalColumns(formOf(call.headers, body, limits), intake.protection)
  const count = form.kind === 'batch' ? form.batch.rows : form.events.length
  if (count > limits.maxEvents) {
    throw new Problem('too_many_events', `Send at most ${limits.maxEvents} events at a time.`)
  }
  const options = sortOptions(intake, call.caller, Date.now())
  const sorted =
    form.kind === 'batch'
      ? await sortBatch(form.batch, body, options)
      : await sortEvents(await intake.protection.protect(prepare(form.events, options.arrivalMs)), options)
  return { sorted, bytes: body.length }
}

/** The body of a request with events, within the limits of all of them; a large one when its turn has come. */
export async function readEventBody(
  { limits, turns }: Pick<EventIntake, 'limits' | 'turns'>,
  call: ApiCall,
  seat: Seat,
): Promise<Buffer> {
  const body = await readBody(call.body, call.headers, {
    maxBytes: limits.maxBodyBytes,
    timeoutMs: limits.bodyTimeoutMs,
    idleMs: limits.bodyIdleMs,
    take: bytes => seat.take(bytes),
    retryAfterSeconds: limits.retryAfterSeconds,
  })
  if (body.length > limits.largeBodyBytes) await turns.take(call.caller.keyId ?? '')
  return body
}

export function sortOptions(intake: EventIntake, caller: Caller, arrivalMs: number): SortOptions {
  const { partitions, publisher } = intake
  return {
    partitions,
    arrivalMs,
    chunkBytes: publisher.messageBytes,
    maxEventBytes: publisher.maxMessageBytes,
    maySend: (stream: EventStream) => holds(caller, streamScopes[stream]),
    stopped: intake.stoppedPartitions(),
  }
}

type Form =
  | { readonly kind: 'events'; readonly events: readonly ParsedEvent[] }
  | { readonly kind: 'batch'; readonly batch: UsageBatch }

function formOf(headers: IncomingHttpHeaders, body: Buffer, { maxEvents }: GatewayLimits): Form {
  if (isBinaryMode(headers)) return { kind: 'events', events: [binaryModeEvent(headers, body)] }
  const contentType = headers['content-type']
  if (messageFormOf(contentType, body) === 'usage_batch') {
    const decoded = decodeUsageBatch(body)
    if (decoded.kind === 'rejected') throw unreadable(decoded.rejection)
    return { kind: 'batch', batch: decoded.batch }
  }
  if (body.length === 0) throw malformedBody('it is empty')
  const message = parseMessage(body, contentType, maxEvents)
  if (message.kind === 'rejected') throw unreadable(message.rejection)
  return { kind: 'events', events: message.events }
}

/** A batch with rows in which something may be personal is taken as events: its columns cannot be passed on. */
function withoutPersonalColumns(form: Form, { concerns }: EventProtection): Form {
  if (form.kind === 'events') return form
  const isPersonal = form.batch.parts.some(({ columns, length }) => {
    for (let row = 0; row < length; row += 1) {
      const type = columns.type?.at(row)
      if (typeof type === 'string' && concerns(type)) return true
    }
    return false
  })
  return isPersonal ? { kind: 'events', events: batchEvents(form.batch) } : form
}

/** The refusal of a body of which no single event can be read. */
function unreadable({ code, detail }: Rejection): Problem {
  if (code === 'unsupported_content_type') {
    return new Problem(code, detail, { headers: { accept: eventContentTypes.join(', ') } })
  }
  const problem = isProblemCode(code) ? code : 'malformed_events'
  if (meaningOf(problem).status !== 400) return new Problem(problem, detail)
  return new Problem(problem, detail, { errors: [{ pointer: '', code, detail }] })
}

/**
 * Plans come first, then subscriptions, then usage, so that no event of a request with all three is parked.
 */
const publishOrder: readonly EventStream[] = ['CATALOG', 'LIFECYCLE', 'METERING']

/**
 * The receipts, once all chunks have landed. Otherwise throws a `Problem` of 503 that names the landed
 * chunks, and counts the events that may have landed.
 */
export async function publishSorted(
  intake: EventIntake,
  sorted: SortedEvents,
  span: Pick<OpenSpan, 'link'>,
  caller: Caller,
): Promise<readonly Receipt[]> {
  const receipts: Receipt[] = []
  for (const { stream, body } of sorted.chunks)
    if (stream === 'CATALOG' && body.kind === 'lines') await intake.audit.published(caller, body.bytes)
  for (const stream of publishOrder) {
    const chunks = sorted.chunks.filter(chunk => chunk.stream === stream)
    const outcomes = await Promise.all(chunks.map(chunk => intake.publisher.publish(chunk, span.link)))
    let reason: string | undefined
    let maybeStored = 0
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.kind === 'landed') receipts.push(outcome.receipt)
      else reason = outcome.detail
      if (outcome.kind === 'unknown') maybeStored += chunks[index]!.count
    }
    if (reason !== undefined) throw notOnDisk(intake, sorted, { receipts, maybeStored, reason })
  }
  return receipts
}

interface Published {
  readonly receipts: readonly Receipt[]
  /** Events for which no answer came. */
  readonly maybeStored: number
  readonly reason: string
}

function notOnDisk(
  intake: EventIntake,
  sorted: SortedEvents,
  { receipts, maybeStored, reason }: Published,
): Problem {
  const accepted = receipts.reduce((sum, receipt) => sum + receipt.count, 0)
  intake.telemetry.eventsAccepted(accepted, 0)
  const known = `${accepted} of ${sorted.accepted} events are on disk`
  const maybe = maybeStored === 0 ? '' : `, and ${maybeStored} may be`
  const detail = `${known}${maybe} (${reason}). Send the request again with the same ids: what is stored is recognised.`
  const code = maybeStored === 0 ? 'broker_unavailable' : 'outcome_unknown'
  const extra = { accepted, maybe_stored: maybeStored, rejected: sorted.rejected, receipts }
  return unavailable(code, detail, intake.limits.retryAfterSeconds, extra)
}

export function report(intake: EventIntake, sorted: SortedEvents, bytes: number): void {
  intake.telemetry.eventsAccepted(sorted.accepted, bytes)
  countRejected(intake, sorted.rejected)
}

export function countRejected(intake: EventIntake, rejected: readonly EventVerdict[]): void {
  const counts = new Map<string, number>()
  for (const { code } of rejected) counts.set(code, (counts.get(code) ?? 0) + 1)
  for (const [code, count] of counts) intake.telemetry.eventsRejected(code, count)
}
