// Sends usage batches directly to the broker: JetStream, stream METERING.
// Invariants:
// 1. Only an acknowledgement of the stream means landed; it is sent after the broker has the bytes on disk.
// 2. Nothing is published while the connection is down: the client would buffer one copy for each attempt.
// 3. A customer's partition is computed as the pipeline computes it; the number of partitions is fixed with
//    the stream.

import {
  JetStreamApiError,
  type JetStreamClient,
  jetstream,
  jetstreamManager,
  type StreamConfig,
} from '@nats-io/jetstream'
import { headers, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node'
import { customerToken, partitionOf } from '../../schemas/identifiers.js'
import { type ConnectionWatch, unlessLost, watchConnection } from '../broker/connection-watch.js'
import type { BatchBody, SendOutcome, Transport } from './transport.js'

export interface NatsTarget {
  /** The caller owns the connection; the transport does not close it. */
  readonly connection: NatsConnection
  /**
   * `discover` (default) reads the number of partitions from the stream; a user without that right publishes
   * by customer. `by_customer` publishes to `usage.<customer>`, a message per customer: the user `publisher`
   * may do only this.
   */
  readonly partitions?: number | 'discover' | 'by_customer'
}

const stream = 'METERING'
/** Bytes of the broker's `max_payload` that are reserved for headers and subject. */
const envelopeBytes = 4_096
const maxBatchEvents = 10_000

export class NatsTransport implements Transport {
  readonly maxBatchEvents = maxBatchEvents
  readonly #nc: NatsConnection
  readonly #watch: ConnectionWatch
  readonly #js: JetStreamClient
  readonly #timeoutMs: number
  #maxPayload: number
  /** Undefined: the transport publishes by customer, or the number is not known yet. */
  #partitions: number | undefined
  #mode: 'discover' | 'fixed' | 'by_customer'

  constructor({ connection, partitions = 'discover' }: NatsTarget, timeoutMs: number) {
    this.#nc = connection
    this.#watch = watchConnection(connection)
    this.#js = jetstream(connection)
    this.#timeoutMs = timeoutMs
    this.#maxPayload = connection.info?.max_payload ?? 1 << 20
    this.#mode = typeof partitions === 'number' ? 'fixed' : partitions
    this.#partitions = typeof partitions === 'number' ? partitions : undefined
  }

  get maxBatchBytes(): number {
    // The client has no `info` while it reconnects, so the last value is kept.
    this.#maxPayload = this.#nc.info?.max_payload ?? this.#maxPayload
    return this.#maxPayload - envelopeBytes
  }

  async start(): Promise<void> {
    if (this.#mode !== 'discover') return
    const config = await this.#streamConfig()
    if (config === undefined) {
      this.#mode = 'by_customer'
      return
    }
    const partitions = Number(config.metadata?.['weir.partitions'])
    if (!Number.isInteger(partitions) || partitions < 1) throw new Error(`${stream} was not made by Weir`)
    this.#partitions = partitions
  }

  /** Undefined when this user may not read the stream's configuration. */
  async #streamConfig(): Promise<StreamConfig | undefined> {
    try {
      const jsm = await jetstreamManager(this.#nc, { timeout: this.#timeoutMs, checkAPI: false })
      return (await jsm.streams.info(stream)).config
    } catch (error) {
      if (mayNotAsk(error)) return undefined
      throw error
    }
  }

  laneOf(subject: string): string {
    if (this.#mode === 'by_customer') return `usage.${customerToken(subject)}`
    if (this.#partitions === undefined) throw new Error('the transport is not started')
    return `metering.${partitionOf(subject, this.#partitions)}.publisher` // invariant 3
  }

  knowsLane(lane: string): boolean {
    const partition = /^metering\.(\d+)\.publisher$/.exec(lane)?.[1]
    if (partition === undefined) return lane.startsWith('usage.')
    return this.#partitions === undefined || Number(partition) < this.#partitions
  }

  async send(body: BatchBody, signal: AbortSignal): Promise<SendOutcome> {
    const away: SendOutcome = { kind: 'again', detail: 'the broker is out of reach' }
    if (!(await this.#watch.reached(this.#timeoutMs)) || signal.aborted) return away // invariant 2
    const made = headers()
    made.set('Content-Type', body.contentType)
    if (body.contentEncoding !== undefined) made.set('Content-Encoding', body.contentEncoding)
    try {
      const published = this.#js.publish(body.lane, body.bytes, {
        headers: made,
        timeout: this.#timeoutMs,
        expect: { streamName: stream },
      })
      const ack = await unlessLost(this.#watch, published)
      return ack === undefined ? away : { kind: 'landed', refused: [] } // invariant 1
    } catch (error) {
      return outcomeOf(error)
    }
  }

  async close(): Promise<void> {
    // The caller owns the connection.
  }
}

function mayNotAsk(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error instanceof PermissionViolationError || mayNotAsk(error.cause)
}

/** A refusal with a code below 500 is final; every other error may be temporary, and is tried again. */
function outcomeOf(error: unknown): SendOutcome {
  const detail = error instanceof Error ? error.message : String(error)
  if (error instanceof JetStreamApiError && error.status < 500) {
    return { kind: 'refused', refusal: { code: `jetstream_${error.code}`, detail } }
  }
  return { kind: 'again', detail }
}
