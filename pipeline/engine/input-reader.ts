// Prefetches one input stream of one partition for the worker, within a limit of bytes.
//
// This file speaks the pull protocol itself and does not use the client's iterators: it must decide exactly
// when to make the next pull, and tell a silent server from a busy event loop.
// Invariants:
// 1. Messages are handed out in the order of the stream and without a hole: the server numbers what it
//    delivers, and on any number but the next one the reader begins anew after the last message that arrived.
// 2. The consumer is a cursor that acknowledges nothing. When the server drops it, no message is lost.
// 3. At most `prefetchBytes` and one message are held; a compressed message counts with its plain length.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { isBinaryMode, type MessageHeaders } from '../../schemas/event/binary-mode.js'
import { backOffMs } from '../broker/back-off.js'
import type { BulkTransport, MessageHead, OpenReading, PulledMessage } from '../broker/bulk-transport.js'
import { arrivalOf, otherPartitionOf } from '../broker/place-message.js'
import { type Delivery, deliveryOf, type ReadMessage, statusOf } from '../broker/pull-protocol.js'
import { streamInfo } from '../broker/topology.js'
import type { EngineLimits } from '../config/limits.js'
import { plainLength } from '../core/decode/decompress.js'
import { PartitionFailure } from '../ledger/failures.js'
import { MisplacedMessages, type MisplacedOptions } from './misplaced.js'

export interface ReaderOptions {
  readonly bulk: BulkTransport
  readonly jsm: JetStreamManager
  readonly stream: string
  readonly filterSubjects: readonly string[]
  /** The stream's creation time: reading another stream of that name is refused. */
  readonly created: string
  /** The first sequence to be read. */
  readonly fromSeq: number
  readonly limits: EngineLimits
  /** A message arrived. */
  readonly onMessage: () => void
  /** Reading has ended and does not begin again. */
  readonly onFailure: (failure: PartitionFailure) => void
  /** Reading was interrupted and begins again. */
  readonly onInterruption: (detail: string) => void
  /** Messages under this input's subjects may belong to another partition, and are brought there. */
  readonly misplaced?: Pick<MisplacedOptions, 'nc' | 'js' | 'partitions' | 'stream'>
  /** For a reader that changes nothing: messages that belong to another of so many partitions are marked as elsewhere. */
  readonly marksElsewhere?: number
}

export class InputReader {
  readonly #options: ReaderOptions
  readonly #waiting: ReadMessage[] = []
  readonly #misplaced: MisplacedMessages | undefined
  #bytes = 0
  #nextSeq: number
  #cursor: Cursor | undefined
  #pending = 0
  #largePull = false
  #stopped = false
  #starting = false
  readonly #watchdog: NodeJS.Timeout

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#nextSeq = options.fromSeq
    const { misplaced, limits, onInterruption } = options
    const pass = (message: ReadMessage) => this.#add(message)
    this.#misplaced = misplaced && new MisplacedMessages({ ...misplaced, limits, pass, onInterruption })
    this.#watchdog = setInterval(() => this.#watch(), 1_000)
    void this.#begin(undefined)
  }

  /** Bytes that wait here. */
  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#waiting.length
  }

  /** Messages that are not handed out yet, here and at the server, as far as is known. */
  get lag(): number {
    return this.#pending + this.#waiting.length + (this.#misplaced?.count ?? 0)
  }

  /** When the oldest message that waits here came to this process. */
  get oldestReadAtMs(): number | undefined {
    return this.#waiting[0]?.readAtMs
  }

  /** When the oldest message that waits here came to the broker. */
  get oldestArrivedAtMs(): number | undefined {
    return this.#waiting[0]?.arrivedAtMs
  }

  /** When the newest message that waits here came to the broker. */
  get newestArrivedAtMs(): number | undefined {
    return this.#waiting.at(-1)?.arrivedAtMs
  }

  stop(): void {
    this.#stopped = true
    clearInterval(this.#watchdog)
    this.#misplaced?.stop()
    this.#drop()
  }

  /** The oldest messages, up to so many bytes, at least one if there is any. */
  take(maxBytes: number): ReadMessage[] {
    let bytes = 0
    let count = 0
    for (; count < this.#waiting.length; count += 1) {
      const next = plainLength(this.#waiting[count]!)
      if (count > 0 && bytes + next > maxBytes) break
      bytes += next
    }
    this.#bytes -= bytes
    const taken = this.#waiting.splice(0, count)
    if (count > 0) this.#pull()
    return taken
  }

  /**
   * The sequence up to which the stream has nothing more for this reader; undefined when messages wait or it
   * is unknown. The stream's end is read before the consumer's state, so that state covers all up to the end.
   */
  async quietUpTo(): Promise<number | undefined> {
    const { jsm, stream } = this.#options
    const cursor = this.#cursor
    if (cursor === undefined || this.#holds) return undefined
    const end = (await jsm.streams.info(stream)).state.last_seq
    const info = await jsm.consumers.info(stream, cursor.consumer)
    const all = info.num_pending === 0 && info.delivered.consumer_seq === cursor.delivered
    if (!all || cursor !== this.#cursor || this.#holds) return undefined
    this.#nextSeq = Math.max(this.#nextSeq, end + 1)
    return end
  }

  get #holds(): boolean {
    return this.#waiting.length > 0 || (this.#misplaced?.count ?? 0) > 0
  }

  #interrupt(detail: string): void {
    void this.#begin(detail)
  }

  /** Makes a consumer after the last message that arrived, and tries again until there is one. */
  async #begin(interruption: string | undefined): Promise<void> {
    if (this.#stopped || this.#starting) return
    this.#starting = true
    this.#drop()
    if (interruption !== undefined) this.#options.onInterruption(interruption)
    const { limits } = this.#options
    for (let failures = 1; !this.#stopped; failures += 1) {
      try {
        await this.#open()
        break
      } catch (error) {
        if (error instanceof PartitionFailure) {
          this.stop()
          this.#options.onFailure(error)
          break
        }
        this.#options.onInterruption(error instanceof Error ? error.message : String(error))
        await sleep(backOffMs(failures, limits))
      }
    }
    this.#starting = false
    this.#pull()
  }

  async #open(): Promise<void> {
    const { bulk, jsm, stream, filterSubjects, limits } = this.#options
    await this.#assertStream()
    const info = await jsm.consumers.add(stream, {
      ack_policy: AckPolicy.None, // invariant 2
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#nextSeq,
      filter_subjects: [...filterSubjects],
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: nanos(limits.consumerInactiveMs),
    })
    this.#pending = info.num_pending
    const reading = await bulk.open({
      onMessage: message => this.#receive(cursor, message),
      onLost: detail => {
        if (cursor === this.#cursor) this.#interrupt(detail)
      },
    })
    const cursor: Cursor = {
      consumer: info.name,
      reading,
      delivered: 0,
      deliveredBeforePull: 0,
      pulling: false,
      silentTicks: 0,
    }
    if (this.#stopped) reading.close()
    else this.#cursor = cursor
  }

  async #assertStream(): Promise<void> {
    const { jsm, stream, created } = this.#options
    const info = await streamInfo(jsm, stream)
    if (info === undefined || info.created !== created) {
      const detail = `${stream} was deleted or made anew while it was read. Restore it from a backup.`
      throw new PartitionFailure('input_recreated', detail)
    }
    if (info.state.first_seq > this.#nextSeq) {
      const detail = `${stream} begins at ${info.state.first_seq}; ${this.#nextSeq} was to be read next. It was purged too far: restore it from a backup.`
      throw new PartitionFailure('input_purged', detail)
    }
  }

  #pull(): void {
    const { limits, stream } = this.#options
    const cursor = this.#cursor
    if (cursor === undefined || cursor.pulling || this.#stopped) return
    const largest = limits.maxPayload + limits.headerBytes
    const bytes = this.#largePull ? Math.max(largest, limits.pullBytes) : limits.pullBytes
    const held = this.#bytes + (this.#misplaced?.bytes ?? 0)
    if (held > 0 && held + bytes > limits.prefetchBytes) return // invariant 3
    cursor.pulling = true
    cursor.silentTicks = 0
    cursor.deliveredBeforePull = cursor.delivered
    const request = {
      batch: this.#largePull ? 1 : 100_000,
      max_bytes: bytes,
      expires: nanos(limits.pullExpiresMs),
      idle_heartbeat: nanos(limits.idleHeartbeatMs),
    }
    this.#largePull = false
    const natsSubject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${cursor.consumer}`
    cursor.reading.pull(natsSubject, JSON.stringify(request))
  }

  #receive(cursor: Cursor, message: PulledMessage): void {
    const delivery = cursor === this.#cursor ? deliveryOf(message.reply) : undefined
    if (delivery !== undefined && delivery.consumerSeq === cursor.delivered + 1) {
      cursor.silentTicks = 0
      this.#keep(cursor, message, delivery)
      return
    }
    message.release()
    if (cursor !== this.#cursor) return
    cursor.silentTicks = 0
    if (delivery === undefined) this.#onStatus(cursor, message.head)
    else this.#interrupt('a message was lost on the way') // invariant 1
  }

  #keep(cursor: Cursor, { natsSubject, head, bytes, release }: PulledMessage, delivery: Delivery): void {
    cursor.delivered += 1
    this.#nextSeq = delivery.streamSeq + 1
    this.#pending = delivery.pending
    const contentType = head.get('content-type')
    const contentEncoding = head.get('content-encoding')
    const headers = binaryModeHeaders(head)
    const message = {
      seq: delivery.streamSeq,
      arrivedAtMs: arrivalOf(natsSubject, head) ?? delivery.storedAtMs,
      bytes,
      readAtMs: Date.now(),
      head,
      release,
      ...(contentType === undefined ? {} : { contentType }),
      ...(contentEncoding === undefined ? {} : { contentEncoding }),
      ...(headers === undefined ? {} : { headers }),
    }
    const { marksElsewhere: partitions } = this.#options
    if (partitions !== undefined && otherPartitionOf(natsSubject, partitions) !== undefined) {
      this.#add({ ...message, isElsewhere: true })
    } else if (this.#misplaced === undefined) this.#add(message)
    else this.#misplaced.add(natsSubject, message)
  }

  #add(message: ReadMessage): void {
    this.#waiting.push(message)
    this.#bytes += plainLength(message)
    this.#options.onMessage()
  }

  #onStatus(cursor: Cursor, head: MessageHead): void {
    const status = statusOf(head)
    switch (status.kind) {
      case 'heartbeat':
        break
      case 'end_of_pull':
        cursor.pulling = false
        // A message that is larger than a pull is asked for by itself.
        this.#largePull = status.tooLarge && cursor.delivered === cursor.deliveredBeforePull
        this.#pull()
        break
      case 'interrupted':
        this.#interrupt(status.detail)
        break
      default:
        status satisfies never
    }
  }

  /** Counts ticks, not time: after a busy event loop one tick is late; messages are read before the next. */
  #watch(): void {
    const cursor = this.#cursor
    if (cursor === undefined) return
    if (!cursor.pulling) {
      void this.#countPending(cursor)
      return
    }
    cursor.silentTicks += 1
    if (cursor.silentTicks > this.#options.limits.silentTicks) this.#interrupt('the server is silent')
  }

  /** Updates the lag while nothing is pulled. Makes the consumer again if it has expired. */
  async #countPending(cursor: Cursor): Promise<void> {
    const { jsm, stream } = this.#options
    try {
      const { num_pending } = await jsm.consumers.info(stream, cursor.consumer)
      if (cursor === this.#cursor && !cursor.pulling) this.#pending = num_pending
    } catch (error) {
      const isGone = error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound
      if (isGone && cursor === this.#cursor) void this.#begin(undefined)
    }
  }

  #drop(): void {
    const cursor = this.#cursor
    this.#cursor = undefined
    if (cursor === undefined) return
    cursor.reading.close()
    const { jsm, stream } = this.#options
    jsm.consumers.delete(stream, cursor.consumer).catch(() => false) // it expires by itself
  }
}

/** All headers of a message in CloudEvents' binary mode; undefined for every other message. */
function binaryModeHeaders(head: MessageHead): MessageHeaders | undefined {
  const names = head.names()
  if (!names.some(name => /^ce-/i.test(name))) return undefined
  const headers = Object.fromEntries(names.map(name => [name, head.values(name)]))
  return isBinaryMode(headers) ? headers : undefined
}

interface Cursor {
  readonly consumer: string
  readonly reading: OpenReading
  /** Messages that arrived; the server's number of the last one. */
  delivered: number
  deliveredBeforePull: number
  /** A pull is under way. */
  pulling: boolean
  silentTicks: number
}
