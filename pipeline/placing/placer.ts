// Empties UNPLACED: reads each message whose subject has more than one token after `usage.` or `changes.`, publishes it to
// the partition of the customer that the subject names, and then lets the stream drop it.
//
// Invariants:
// 1. I1: a message leaves UNPLACED only after its partition's stream has it on disk. A crash between the two places it again,
//    which counts once (pipeline/broker/place-message.ts).
// 2. Every process works on the same durable consumer, so any number of them shares the messages.
// 3. Nothing is given up: what cannot be placed now is asked for again, later each time, and shows in the status.

import type { Consumer, ConsumerMessages, JetStreamManager, JsMsg } from '@nats-io/jetstream'
import { customerOfSubject, partitionOf } from '../../schemas/identifiers.js'
import { backOffMs, pauseFor, within } from '../broker/back-off.js'
import { ensurePlacer, placerName } from '../broker/durable-consumers.js'
import { type PlaceAccess, type PlaceOutcome, placeMessage } from '../broker/place-message.js'

export interface PlacerOptions extends PlaceAccess {
  readonly jsm: JetStreamManager
  readonly partitions: number
  readonly onTrouble: (trouble: PlacingTrouble) => void
}

export interface PlacingTrouble {
  readonly code: string
  readonly detail: string
}

export interface PlacingStatus {
  /** Messages and bytes of UNPLACED, as of the last look. */
  readonly messages: number
  readonly bytes: number
  /** Since when messages wait and none was placed; undefined when none waits. */
  readonly waitingSinceMs: number | undefined
  /** The last failure, until a message is placed. */
  readonly trouble: PlacingTrouble | undefined
}

const stream = 'UNPLACED'
const lookEveryMs = 1_000
/** Bytes that are read and not yet placed. */
const mostBytes = 16 << 20
const retryPause = { retryMinMs: 100, retryMaxMs: 15_000 }
const closeMs = 5_000

export class Placer {
  readonly #options: PlacerOptions
  readonly #stopping = new AbortController()
  readonly #underWay = new Set<Promise<void>>()
  #underWayBytes = 0
  #reading: ConsumerMessages | undefined
  #loop: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #status: PlacingStatus = { messages: 0, bytes: 0, waitingSinceMs: undefined, trouble: undefined }

  constructor(options: PlacerOptions) {
    this.#options = options
  }

  start(): void {
    this.#loop = this.#run()
    this.#timer = setInterval(() => void this.#look(), lookEveryMs)
  }

  status(): PlacingStatus {
    return this.#status
  }

  /** Finishes what was read. What is left in UNPLACED waits on disk for the next start. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopping.abort()
    this.#reading?.stop()
    await within(closeMs, Promise.all([this.#loop, ...this.#underWay]))
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await this.#read(() => (failures = 1))
      } catch (error) {
        if (signal.aborted) return
        this.#trouble({ code: 'broker_unavailable', detail: String(error) })
      }
      await pauseFor(backOffMs(failures, retryPause), signal)
    }
  }

  /** Reads and places until the reading ends, which it does when the consumer is gone. */
  async #read(onMessage: () => void): Promise<void> {
    const { js, jsm } = this.#options
    await ensurePlacer(jsm)
    const consumer: Consumer = await js.consumers.get(stream, placerName)
    const reading = await consumer.consume({ max_bytes: mostBytes, abort_on_missing_resource: true })
    this.#reading = reading
    if (this.#stopping.signal.aborted) reading.stop()
    for await (const message of reading) {
      onMessage()
      this.#begin(message)
      while (this.#underWayBytes >= mostBytes) await Promise.race(this.#underWay)
    }
  }

  #begin(message: JsMsg): void {
    this.#underWayBytes += message.data.length
    const placing = this.#place(message)
      // What is not acknowledged is delivered again.
      .catch(error => this.#trouble({ code: 'broker_unavailable', detail: String(error) }))
      .finally(() => {
        this.#underWay.delete(placing)
        this.#underWayBytes -= message.data.length
      })
    this.#underWay.add(placing)
  }

  async #place(message: JsMsg): Promise<void> {
    const outcome = await this.#publish(message)
    if (outcome.kind === 'placed') {
      message.ack() // invariant 1
      this.#status = { ...this.#status, waitingSinceMs: undefined, trouble: undefined }
      return
    }
    message.nak(backOffMs(message.info.deliveryCount, retryPause)) // invariant 3
    this.#trouble(
      outcome.kind === 'again'
        ? outcome
        : { code: 'too_large', detail: `message ${message.seq} is larger than the broker takes by now` },
    )
  }

  #publish(message: JsMsg): Promise<PlaceOutcome> {
    const { root, customer } = addressOf(message.subject)
    return placeMessage(this.#options, {
      root,
      partition: partitionOf(customer, this.#options.partitions),
      stream,
      seq: message.seq,
      arrivedAtMs: Math.floor(message.info.timestampNanos / 1_000_000),
      headers: {
        names: () => message.headers?.keys() ?? [],
        values: name => message.headers?.values(name) ?? [],
      },
      bytes: message.data,
    })
  }

  #trouble({ code, detail }: PlacingTrouble): void {
    const trouble = { code, detail }
    this.#status = { ...this.#status, trouble }
    this.#options.onTrouble(trouble)
  }

  async #look(): Promise<void> {
    try {
      const { messages, bytes } = (await this.#options.jsm.streams.info(stream)).state
      const waitingSinceMs = messages === 0 ? undefined : (this.#status.waitingSinceMs ?? Date.now())
      this.#status = { ...this.#status, messages, bytes, waitingSinceMs }
    } catch {
      // The last reading stays in force, as that of every backlog does.
    }
  }
}

/** `usage.<customer>` or `changes.<customer>`, whose id may have dots. */
function addressOf(natsSubject: string): {
  readonly root: 'metering' | 'lifecycle'
  readonly customer: string
} {
  const dot = natsSubject.indexOf('.')
  const root = natsSubject.slice(0, dot) === 'usage' ? 'metering' : 'lifecycle'
  return { root, customer: customerOfSubject(natsSubject.slice(dot + 1)) }
}
