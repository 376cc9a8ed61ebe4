// Makes a route of what a system's clients send: read the body, find the customers, take the events as every producer's are
// taken, answer in the system's words.
//
//   body ─▶ read ─▶ SentEvent | FaultyEvent ─▶ customers ─▶ CloudEvents ─▶ the gateway's own publisher ─▶ answer | refuse
//
// Invariants:
// 1. I1: an answer of success is given after the broker has every event of the request on disk.
// 2. `source` and `id` follow from the settings and the client's own field alone, so that a client's retry is a duplicate.
// 3. Whatever goes wrong is told in the system's shape; the client's own retries come back with the same events.

import type { EventTaker } from '../gateway/event-taker.js'
import { type Problem, unavailable } from '../gateway/problem.js'
import type { ProblemCode } from '../gateway/problem-codes.js'
import type { ApiCall, ApiReply, ApiRoute, ApiTag, RefusalShape } from '../gateway/route.js'
import { partitionStopped } from '../gateway/sort-events.js'
import type { Customers } from './customers.js'
import type { ProducerSettings } from './settings.js'
import type { FaultyEvent, ReadEvent, SentEvent } from './usage-event.js'

export const producersTag: ApiTag = {
  name: 'Producers of others',
  description: 'Usage as the clients of other systems send it, in their shapes.',
}

export interface ProducerParts {
  readonly events: EventTaker
  readonly settings: ProducerSettings
  readonly customers: Customers
}

export interface SentBody {
  readonly events: readonly ReadEvent[]
  /** What the answer to success is. */
  readonly answer: () => ApiReply
  /** The request is refused whole: as no body of that system, or for its size. */
  readonly refused?: ApiReply | undefined
}

export interface Intake {
  /** True: nothing is taken where one of the events is faulty. */
  readonly isAllOrNone: boolean
  /** Throws a `Problem` for a body that cannot be read at all. */
  read(body: Buffer, call: ApiCall): SentBody
  /** The answer where events are faulty, each at its place in `events`. */
  refuse(faulty: readonly (FaultyEvent & { readonly index: number })[]): ApiReply
}

/** Reads a request's events and takes them. */
export function takeSent(parts: ProducerParts, intake: Intake, call: ApiCall): Promise<ApiReply> {
  return takeChosen(parts.events, () => ({ parts, intake }), call)
}

export interface Chosen {
  readonly parts: ProducerParts
  readonly intake: Intake
}

/** The same, where the body says whose it is. */
export function takeChosen(
  taker: EventTaker,
  choose: (body: Buffer) => Chosen,
  call: ApiCall,
): Promise<ApiReply> {
  return taker.withBody(call, async (body, take) => {
    const { parts, intake } = choose(body)
    const { events, answer, refused } = intake.read(body, call)
    if (refused !== undefined) return refused
    const sound = events.flatMap((event, index) => (event.kind === 'event' ? [{ ...event, index }] : []))
    const faulty = events.flatMap((event, index) => (event.kind === 'faulty' ? [{ ...event, index }] : []))
    if (sound.length === 0 || (intake.isAllOrNone && faulty.length > 0))
      return faulty.length > 0 ? intake.refuse(faulty) : answer()
    const subjects = await parts.customers.ours(sound)
    const made = sound.map((event, at) => cloudEvent(event, parts.settings.source, subjects[at]!))
    const { rejected } = await take(made, { isAllOrNone: intake.isAllOrNone })
    const stopped = rejected.find(({ code }) => code === partitionStopped)
    if (stopped !== undefined) throw unavailable(partitionStopped, stopped.detail, stoppedRetrySeconds)
    for (const { index: at, detail } of rejected) {
      const { id, index } = sound[at]!
      faulty.push({ kind: 'faulty', id, index, faults: [{ field: '', code: 'refused', detail }] })
    }
    return faulty.length > 0 ? intake.refuse(faulty.sort((a, b) => a.index - b.index)) : answer()
  })
}

const stoppedRetrySeconds = 30

function cloudEvent(event: SentEvent, source: string, subject: string): Record<string, unknown> {
  const { id, type, time, subscriptionId, data } = event
  return {
    specversion: '1.0',
    id,
    source, // invariant 2
    type,
    subject,
    ...(time === undefined ? {} : { time }),
    ...(subscriptionId === undefined ? {} : { subscriptionid: subscriptionId }),
    data,
  }
}

/** What `withBody` and its work refuse with. */
export const intakeProblems: readonly ProblemCode[] = [
  'too_many_events',
  'pipeline_behind',
  'too_much_in_flight',
  'pipeline_stopped',
  'partition_stopped',
  'broker_unavailable',
  'outcome_unknown',
]

export const ingestsUsage: ApiRoute['access'] = { kind: 'scope', anyOf: ['ingest:usage'], basic: true }

/** A refusal that is only a status and a body. */
export function refusalShape(
  shape: Omit<RefusalShape, 'answer'>,
  bodyOf: (problem: Problem) => {
    readonly body: unknown
    readonly headers?: Readonly<Record<string, string>>
  },
): RefusalShape {
  return {
    ...shape,
    answer(problem) {
      const { body, headers } = bodyOf(problem)
      return { status: problem.status, body, headers: { ...problem.headers, ...headers } }
    },
  }
}
