// Keeps arrivals on the stream ARRIVALS, one message each, and reads them back.
// Invariants:
// 1. I1: what is answered as stored or duplicate is on disk at the broker.
// 2. An arrival has a subject of its own, made of its id, and the broker takes one message for it: a second one with the
//    same id is a duplicate for as long as the first is kept.

import { hash } from 'node:crypto'
import {
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream'
import { headers, type MsgHdrs } from '@nats-io/transport-node'
import { z } from 'zod'
import { natsSubjects } from '../broker/topology.js'
import { isWrongRevision } from '../broker/wrong-revision.js'
import { type Arrival, type ArrivalDraft, type ArrivalWay, arrivalWays } from './source-kind.js'

export type Kept =
  | { readonly kind: 'stored'; readonly sequence: number }
  | { readonly kind: 'duplicate' }
  /** Not on disk, or not known to be; sending it again is harmless. */
  | { readonly kind: 'failed'; readonly detail: string }

const stream = 'ARRIVALS'
const attemptMs = 5_000
const attempts = 2
const factsHeader = 'weir-arrival'

const factsSchema = z.object({
  id: z.string(),
  type: z.string(),
  via: z.enum(arrivalWays),
  occurred_at_ms: z.number().optional(),
  headers: z.record(z.string(), z.string()),
})

/** The last token of the subject of an arrival: 128 bits of SHA-256 of its id. */
export function arrivalToken(id: string): string {
  return hash('sha256', id, 'hex').slice(0, 32)
}

export class ArrivalLog {
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager

  constructor(js: JetStreamClient, jsm: JetStreamManager) {
    this.#js = js
    this.#jsm = jsm
  }

  async keep(source: string, draft: ArrivalDraft, via: ArrivalWay): Promise<Kept> {
    const subject = natsSubjects.arrival(source, arrivalToken(draft.id))
    const options = {
      headers: headersOf(draft, via),
      timeout: attemptMs,
      expect: { streamName: stream, lastSubjectSequence: 0 },
    }
    let detail = ''
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      try {
        const { seq } = await this.#js.publish(subject, draft.bytes, options)
        return { kind: 'stored', sequence: seq }
      } catch (error) {
        // After an attempt without an answer this may be our own message: it is on disk either way.
        if (isWrongRevision(error)) return { kind: 'duplicate' } // invariant 2
        detail = error instanceof Error ? error.message : String(error)
        if (error instanceof JetStreamApiError && error.status < 500) break
      }
    }
    return { kind: 'failed', detail }
  }

  async read(sequence: number): Promise<Arrival | undefined> {
    const message = await this.#jsm.streams.getMessage(stream, { seq: sequence })
    return message === null
      ? undefined
      : arrivalOf(message.subject, message.header, message.data, message.seq, message.time.getTime())
  }

  async find(source: string, id: string): Promise<Arrival | undefined> {
    const last_by_subj = natsSubjects.arrival(source, arrivalToken(id))
    const message = await this.#jsm.streams.getMessage(stream, { last_by_subj })
    return message === null
      ? undefined
      : arrivalOf(message.subject, message.header, message.data, message.seq, message.time.getTime())
  }

  /** Some of a source, in their order, from a sequence or a time on. */
  async some(
    source: string,
    from: { readonly sequence: number } | { readonly timeMs: number },
    most: number,
  ): Promise<readonly Arrival[]> {
    const start =
      'sequence' in from
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from.sequence) }
        : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(from.timeMs).toISOString() }
    const consumer = await this.#js.consumers.get(stream, {
      filter_subjects: [natsSubjects.arrivals(source)],
      ...start,
    })
    try {
      if ((await consumer.info()).num_pending === 0) return []
      const found: Arrival[] = []
      const messages = await consumer.consume({ max_messages: most, expires: 5_000 })
      for await (const message of messages) {
        found.push(fromMessage(message))
        if (found.length === most || message.info.pending === 0) break
      }
      messages.stop()
      return found
    } finally {
      await consumer.delete().catch(() => false) // it would expire by itself
    }
  }

  async bytes(): Promise<number> {
    return (await this.#jsm.streams.info(stream)).state.bytes
  }
}

function headersOf({ id, type, occurredAtMs, headers: kept = {} }: ArrivalDraft, via: ArrivalWay): MsgHdrs {
  const made = headers()
  const facts: z.input<typeof factsSchema> = {
    id,
    type,
    via,
    ...(occurredAtMs === undefined ? {} : { occurred_at_ms: occurredAtMs }),
    headers: kept,
  }
  made.set(factsHeader, asciiJson(facts))
  return made
}

/** Headers of a message are lines: nothing but ASCII stands in them. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Throws on a message that this file did not write, which is a bug or a stranger's hand. */
function arrivalOf(
  natsSubject: string,
  header: MsgHdrs | undefined,
  bytes: Uint8Array,
  sequence: number,
  receivedAtMs: number,
): Arrival {
  const {
    id,
    type,
    via,
    occurred_at_ms,
    headers: kept,
  } = factsSchema.parse(JSON.parse(header?.get(factsHeader) ?? 'null'))
  return {
    source: natsSubject.split('.')[1] ?? '',
    id,
    type,
    via,
    occurredAtMs: occurred_at_ms,
    headers: kept,
    bytes,
    sequence,
    receivedAtMs,
  }
}

export function fromMessage(message: JsMsg): Arrival {
  const receivedAtMs = Math.floor(message.info.timestampNanos / 1e6)
  return arrivalOf(message.subject, message.headers, message.data, message.seq, receivedAtMs)
}
