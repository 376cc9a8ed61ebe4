// Puts events into the streams and says where they lie. One lane per (stream, partition): while a message of a lane is
// on its way, what other requests bring for that lane gathers, and goes out as the next message (group commit), so
// that many small requests cost few messages and few writes to disk.
//
// Invariants:
// 1. I1: a chunk is resolved as landed only after the broker acknowledged the message that holds it.
// 2. A lane has one message on its way, so the order of chunks within a lane is the order of `publish`.
// 3. A message is repeated with the same bytes; the pipeline recognises what comes twice.
// 4. While the broker is out of reach nothing is handed to the client, which would hoard a copy per try.

import { setTimeout as sleep } from 'node:timers/promises'
import { JetStreamApiError, type JetStreamClient, type PubAck } from '@nats-io/jetstream'
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import type { EventStream } from '../../schemas/event/event-stream.js'
import { backOffMs } from '../broker/back-off.js'
import { BrokerLink } from './broker-link.js'
import { chunksOfMessage, type EventChunk, type MessageBody, messageOf } from './event-chunk.js'
import type { GatewayLimits } from './limits.js'
import type { GatewayTelemetry } from './telemetry.js'

/** Where events lie. Requests that shared a message share its `stream_sequence`; `count` is this request's part. */
export interface Receipt {
  readonly stream: EventStream
  readonly partition: number | null
  readonly stream_sequence: number
  readonly count: number
}

export type ChunkOutcome =
  | { readonly kind: 'landed'; readonly receipt: Receipt }
  | { readonly kind: 'failed'; readonly detail: string }

interface Waiting {
  readonly chunk: EventChunk
  readonly deadlineMs: number
  readonly settle: (outcome: ChunkOutcome) => void
}

interface Lane {
  readonly waiting: Waiting[]
  busy: boolean
}

type Attempt =
  | { readonly kind: 'acknowledged'; readonly ack: PubAck }
  | { readonly kind: 'again'; readonly detail: string }
  | { readonly kind: 'refused'; readonly detail: string }

export interface EventPublisherOptions {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly limits: GatewayLimits
  readonly telemetry: GatewayTelemetry
}

/** Room that headers and subject take of the broker's `max_payload`. */
const envelopeBytes = 4096
const retry = { retryMinMs: 50, retryMaxMs: 1_000 }

export class EventPublisher {
  readonly #options: EventPublisherOptions
  readonly #link: BrokerLink
  readonly #lanes = new Map<string, Lane>()
  #maxPayload = 1 << 20

  constructor(options: EventPublisherOptions) {
    this.#options = options
    this.#link = new BrokerLink(options.nc)
    this.#maxPayload = options.nc.info?.max_payload ?? this.#maxPayload
  }

  /** The most bytes that one message may hold at this broker. */
  get maxMessageBytes(): number {
    // The client forgets what the broker said while it reconnects; that must not make a large event a bad one.
    this.#maxPayload = this.#options.nc.info?.max_payload ?? this.#maxPayload
    return Math.max(1, this.#maxPayload - envelopeBytes)
  }

  /** The size at which events are split into messages. */
  get messageBytes(): number {
    return Math.min(this.#options.limits.messageBytes, this.maxMessageBytes)
  }

  get connected(): boolean {
    return this.#link.connected
  }

  /** Resolves when the chunk has landed or is given up; never rejects. */
  publish(chunk: EventChunk): Promise<ChunkOutcome> {
    return new Promise(settle => {
      const deadlineMs = performance.now() + this.#options.limits.publishDeadlineMs
      const lane = this.#lane(chunk.natsSubject)
      lane.waiting.push({ chunk, deadlineMs, settle })
      if (!lane.busy) void this.#run(lane)
    })
  }

  close(): void {
    this.#link.close()
  }

  #lane(natsSubject: string): Lane {
    let lane = this.#lanes.get(natsSubject)
    if (lane === undefined) {
      lane = { waiting: [], busy: false }
      this.#lanes.set(natsSubject, lane)
    }
    return lane
  }

  /** Invariant 2: the only place that publishes for this lane. */
  async #run(lane: Lane): Promise<void> {
    lane.busy = true
    while (lane.waiting.length > 0) {
      const chunks = lane.waiting.map(({ chunk }) => chunk)
      const batch = lane.waiting.splice(0, chunksOfMessage(chunks, this.messageBytes))
      const outcome = await this.#deliver(batch)
      for (const { chunk, settle } of batch) {
        if (outcome.kind !== 'acknowledged') settle({ kind: 'failed', detail: outcome.detail })
        else settle({ kind: 'landed', receipt: receiptOf(chunk, outcome.ack) })
      }
    }
    lane.busy = false
  }

  async #deliver(batch: readonly Waiting[]): Promise<Attempt> {
    const { telemetry } = this.#options
    const { chunk, deadlineMs } = batch[0]!
    const body = messageOf(batch.map(({ chunk: part }) => part)) // invariant 3
    const count = batch.reduce((sum, { chunk: part }) => sum + part.count, 0)
    let last: Attempt = { kind: 'again', detail: 'the broker is out of reach' }
    for (let failures = 1; ; failures += 1) {
      const pauseMs = backOffMs(failures, retry)
      if (!(await this.#link.reached(deadlineMs - performance.now()))) break
      const startedMs = performance.now()
      last = await this.#attempt(chunk, body, deadlineMs - startedMs)
      if (last.kind === 'acknowledged') {
        const seconds = (performance.now() - startedMs) / 1000
        telemetry.messagePublished(chunk.stream, count, body.bytes.length, seconds)
        return last
      }
      if (last.kind === 'refused' || performance.now() + pauseMs >= deadlineMs) break
      telemetry.publishRetried(chunk.stream)
      await sleep(pauseMs)
    }
    telemetry.publishFailed(chunk.stream)
    return last
  }

  async #attempt(chunk: EventChunk, body: MessageBody, remainingMs: number): Promise<Attempt> {
    const timeout = Math.max(1, Math.ceil(Math.min(this.#options.limits.publishAttemptMs, remainingMs)))
    let stopListening = () => {}
    const lost = new Promise<Attempt>(resolve => {
      stopListening = this.#link.onLost(() =>
        resolve({ kind: 'again', detail: 'the connection to the broker was lost' }),
      )
    })
    const published = this.#options.js
      .publish(chunk.natsSubject, body.bytes, {
        timeout,
        headers: headersOf(body),
        expect: { streamName: chunk.stream },
      })
      .then((ack): Attempt => ({ kind: 'acknowledged', ack }), classify)
    try {
      return await Promise.race([published, lost])
    } finally {
      stopListening()
    }
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

/** A server that says no for a reason that will not pass is not asked again; everything else may pass. */
function classify(error: unknown): Attempt {
  const detail = error instanceof Error ? error.message : String(error)
  const isFinal = error instanceof JetStreamApiError && error.status < 500
  return { kind: isFinal ? 'refused' : 'again', detail }
}

function headersOf({ contentType }: MessageBody): MsgHdrs {
  const made = headers()
  made.set('content-type', contentType)
  return made
}
