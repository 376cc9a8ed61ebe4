// Publishes events to the streams and returns where they were stored. There is one queue per NATS subject. While a message
// of a queue waits for its acknowledgement, further chunks for the subject gather and become the next message (group
// commit), so that many small requests cost few messages and few writes to disk.
//
// Invariants:
// 1. I1: a chunk counts as landed only after the broker acknowledged the message that holds it.
// 2. A queue has one unacknowledged message at most, so its chunks are stored in the order of `publish`.
// 3. A retry sends the same bytes; the pipeline recognises duplicates.
// 4. Nothing is published while the connection is down: the client would buffer one copy for each retry.
// 5. `not_stored` is said only when every attempt was refused or never sent. An attempt without an answer may be stored,
//    whatever becomes of later attempts.

import { setTimeout as sleep } from 'node:timers/promises'
import { JetStreamApiError, type JetStreamClient, type PubAck } from '@nats-io/jetstream'
import { errors, headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import type { EventStream } from '../../schemas/event/event-stream.js'
import { backOffMs } from '../broker/back-off.js'
import { type ConnectionWatch, unlessLost, watchConnection } from '../broker/connection-watch.js'
import { beginSpan, type SpanLink } from '../tracing/spans.js'
import { chunksOfMessage, type EventChunk, type MessageBody, messageOf } from './event-chunk.js'
import type { GatewayLimits } from './limits.js'
import type { GatewayTelemetry } from './telemetry.js'

/**
 * Where events are stored. Requests that share a message have one `stream_sequence`; `count` is this
 * request's part.
 */
export interface Receipt {
  readonly stream: EventStream
  readonly partition: number | null
  readonly stream_sequence: number
  readonly count: number
}

export type ChunkOutcome =
  | { readonly kind: 'landed'; readonly receipt: Receipt }
  | { readonly kind: 'not_stored'; readonly detail: string }
  /** No answer came: it may be stored, may be stored a little later, or not at all. */
  | { readonly kind: 'unknown'; readonly detail: string }

interface Waiting {
  readonly chunk: EventChunk
  readonly deadlineMs: number
  /** The request that brought it, where somebody records its span. */
  readonly link: SpanLink | undefined
  readonly settle: (outcome: ChunkOutcome) => void
}

interface Queue {
  readonly waiting: Waiting[]
  busy: boolean
}

type Attempt =
  | { readonly kind: 'acknowledged'; readonly ack: PubAck }
  /** Not stored; a later attempt may succeed. */
  | { readonly kind: 'again'; readonly detail: string }
  /** Not stored, and no later attempt can succeed. */
  | { readonly kind: 'refused'; readonly detail: string }
  | { readonly kind: 'unanswered'; readonly detail: string }

type Delivered =
  | { readonly kind: 'acknowledged'; readonly ack: PubAck }
  | Exclude<ChunkOutcome, { readonly kind: 'landed' }>

export interface EventPublisherOptions {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly limits: GatewayLimits
  readonly telemetry: GatewayTelemetry
}

/** Bytes of the broker's `max_payload` that are reserved for headers and subject. */
const envelopeBytes = 4096
const retry = { retryMinMs: 50, retryMaxMs: 1_000 }

export class EventPublisher {
  readonly #options: EventPublisherOptions
  readonly #watch: ConnectionWatch
  readonly #queues = new Map<string, Queue>()
  #maxPayload = 1 << 20

  constructor(options: EventPublisherOptions) {
    this.#options = options
    this.#watch = watchConnection(options.nc)
    this.#maxPayload = options.nc.info?.max_payload ?? this.#maxPayload
  }

  /** The most bytes that one message may hold at this broker. */
  get maxMessageBytes(): number {
    // The client has no `info` while it reconnects. Without the last value a large event would be refused for good.
    this.#maxPayload = this.#options.nc.info?.max_payload ?? this.#maxPayload
    return Math.max(1, this.#maxPayload - envelopeBytes)
  }

  /** The size at which events are split into messages. */
  get messageBytes(): number {
    return Math.min(this.#options.limits.messageBytes, this.maxMessageBytes)
  }

  get connected(): boolean {
    return this.#watch.isUp
  }

  /** Resolves when the chunk has landed or the publisher has given up on it; never rejects. */
  publish(chunk: EventChunk, link?: SpanLink): Promise<ChunkOutcome> {
    return new Promise(settle => {
      const deadlineMs = performance.now() + this.#options.limits.publishDeadlineMs
      const queue = this.#queue(chunk.natsSubject)
      queue.waiting.push({ chunk, deadlineMs, link, settle })
      if (!queue.busy) void this.#run(queue)
    })
  }

  #queue(natsSubject: string): Queue {
    let queue = this.#queues.get(natsSubject)
    if (queue === undefined) {
      queue = { waiting: [], busy: false }
      this.#queues.set(natsSubject, queue)
    }
    return queue
  }

  /** Invariant 2: the only place that publishes for this subject. */
  async #run(queue: Queue): Promise<void> {
    queue.busy = true
    while (queue.waiting.length > 0) {
      const chunks = queue.waiting.map(({ chunk }) => chunk)
      const batch = queue.waiting.splice(0, chunksOfMessage(chunks, this.messageBytes))
      const outcome = await this.#traced(batch)
      for (const { chunk, settle } of batch) {
        if (outcome.kind !== 'acknowledged') settle(outcome)
        else settle({ kind: 'landed', receipt: receiptOf(chunk, outcome.ack) })
      }
    }
    queue.busy = false
  }

  async #traced(batch: readonly Waiting[]): Promise<Delivered> {
    const { stream } = batch[0]!.chunk
    const span = beginSpan(`publish ${stream}`, 'produce', {
      'messaging.system': 'nats',
      'messaging.destination.name': stream,
    })
    span.linkTo(() => batch.map(({ link }) => link))
    const outcome = await this.#deliver(batch, span.headers)
    if (outcome.kind === 'acknowledged') span.end({ 'weir.stream_sequence': outcome.ack.seq })
    else span.end({}, outcome.detail)
    return outcome
  }

  async #deliver(
    batch: readonly Waiting[],
    traceHeaders: Readonly<Record<string, string>>,
  ): Promise<Delivered> {
    const { telemetry } = this.#options
    const { chunk, deadlineMs } = batch[0]!
    const body = messageOf(batch.map(({ chunk: part }) => part)) // invariant 3
    const count = batch.reduce((sum, { chunk: part }) => sum + part.count, 0)
    let detail = 'the broker is out of reach'
    let mayBeStored = false
    for (let failures = 1; ; failures += 1) {
      const pauseMs = backOffMs(failures, retry)
      if (!(await this.#watch.reached(deadlineMs - performance.now()))) break
      const startedMs = performance.now()
      if (startedMs >= deadlineMs) {
        detail = 'the broker is too slow, and this was not sent' // the messages before it took all the time
        break
      }
      const attempt = await this.#attempt(chunk, { ...body, traceHeaders }, deadlineMs - startedMs)
      if (attempt.kind === 'acknowledged') {
        const seconds = (performance.now() - startedMs) / 1000
        telemetry.messagePublished(chunk.stream, count, body.bytes.length, seconds)
        return attempt
      }
      detail = attempt.detail
      mayBeStored ||= attempt.kind === 'unanswered' // invariant 5
      if (attempt.kind === 'refused' || performance.now() + pauseMs >= deadlineMs) break
      telemetry.publishRetried(chunk.stream)
      await sleep(pauseMs)
    }
    telemetry.publishFailed(chunk.stream)
    return { kind: mayBeStored ? 'unknown' : 'not_stored', detail }
  }

  async #attempt(chunk: EventChunk, body: TracedBody, remainingMs: number): Promise<Attempt> {
    const timeout = Math.max(1, Math.ceil(Math.min(this.#options.limits.publishAttemptMs, remainingMs)))
    const published = this.#options.js
      .publish(chunk.natsSubject, body.bytes, {
        timeout,
        headers: headersOf(body),
        expect: { streamName: chunk.stream },
      })
      .then((ack): Attempt => ({ kind: 'acknowledged', ack }), classify)
    const attempt = await unlessLost(this.#watch, published)
    return attempt ?? { kind: 'unanswered', detail: 'the connection to the broker was lost' }
  }
}

function receiptOf(chunk: EventChunk, ack: PubAck): Receipt {
  return {
    stream: chunk.stream,
    partition: chunk.partition,
    stream_sequence: ack.seq,
    count: chunk.count,
  }
}

/**
 * The broker's own refusal stored nothing; with a code below 500 it is final. Nobody listens on the subject while its
 * stream has no leader. After every other error it is not known what the broker has.
 */
function classify(error: unknown): Attempt {
  if (error instanceof JetStreamApiError)
    return { kind: error.status < 500 ? 'refused' : 'again', detail: error.message }
  if (error instanceof Error && error.cause instanceof errors.RequestError && error.cause.isNoResponders())
    return { kind: 'again', detail: 'no server of the broker has the stream now' }
  if (error instanceof errors.TimeoutError)
    return { kind: 'unanswered', detail: 'the broker did not answer in time' }
  return { kind: 'unanswered', detail: error instanceof Error ? error.message : String(error) }
}

interface TracedBody extends MessageBody {
  readonly traceHeaders: Readonly<Record<string, string>>
}

function headersOf({ contentType, traceHeaders }: TracedBody): MsgHdrs {
  const made = headers()
  made.set('content-type', contentType)
  for (const [name, value] of Object.entries(traceHeaders)) made.set(name, value)
  return made
}
