// UsagePublisher is for producers of many events. It gathers events into usage batches in Arrow, compresses
// each once, and sends the same bytes until Weir has them, over the gateway or directly to the broker.
//
// Invariants:
// 1. Every event taken has exactly one outcome: landed, spooled, refused, or, when the publisher is closed,
//    unsent.
// 2. An event is `landed` after the broker has it on disk, `spooled` after the spool has it on disk.
// 3. A batch is encoded once; every attempt, also after a restart, sends the same bytes. Weir recognises
//    events that land twice, so a retry is always safe.
// 4. Memory, spool and attempts under way have limits. When memory is full, `publish` throws at once.
//
//   created ──start──▶ open ──close──▶ closed (at the deadline, events are unsent or stay in the spool)

import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { usageBatchType } from '../../schemas/event/media-types.js'
import { usageBatchOverheadBytes, usageRowBytes } from '../../schemas/usage-batch/usage-batch-writer.js'
import { within } from '../broker/back-off.js'
import { BatchSender } from './batch-sender.js'
import { BufferRoom } from './buffer-room.js'
import { type FullBatch, Gathering, type PublishResult } from './gathering.js'
import { type HttpTarget, HttpTransport } from './http-transport.js'
import { type NatsTarget, NatsTransport } from './nats-transport.js'
import { type PublishedEvent, rowOf } from './published-event.js'
import { type PublisherLimits, publisherLimits } from './publisher-limits.js'
import { Spool, type SpooledBatch } from './spool.js'
import type { BatchBody, RefusedRow, Transport } from './transport.js'

export type { PublishResult } from './gathering.js'
export type { HttpTarget } from './http-transport.js'
export type { NatsTarget } from './nats-transport.js'
export type { PublishedEvent } from './published-event.js'
export type { PublisherLimits } from './publisher-limits.js'
export type { RefusedRow } from './transport.js'

export interface SpoolOptions {
  /** One folder per publisher. Created when it is missing. */
  readonly folder: string
  /** When `publish` resolves: at `landed` (default), or already when the event is on disk in the spool. */
  readonly resolveWhen?: 'landed' | 'spooled'
}

export interface UsagePublisherOptions {
  /** The gateway's URL and a key, or a connection to the broker. */
  readonly to: HttpTarget | NatsTarget
  /** The `source` of events that name none. */
  readonly source?: string
  /** Default `gzip`. */
  readonly compression?: 'gzip' | 'none'
  /** Without a spool, events that have not landed are lost when the process ends. */
  readonly spool?: SpoolOptions
  readonly limits?: Partial<PublisherLimits>
  /** Called when Weir refuses an event that was taken, possibly by an earlier process. */
  readonly onRefused?: (row: RefusedRow) => void
  /** Called when sending or spooling fails, and with undefined when it works again. */
  readonly onTrouble?: (detail: string | undefined) => void
  /** Default Date.now. */
  readonly nowMs?: () => number
  /** A random number in [0, 1) for the jitter of retries. Default Math.random. */
  readonly random?: () => number
}

/** Cumulative counts, except `buffered` and `spooled…`, which are current. */
export interface PublisherStats {
  readonly taken: number
  readonly landed: number
  readonly refused: number
  readonly unsent: number
  readonly batches: number
  readonly sentBytes: number
  readonly retries: number
  readonly bufferedEvents: number
  readonly bufferedBytes: number
  readonly spooledBatches: number
  readonly spooledBytes: number
  readonly trouble: string | undefined
}

export class PublisherError extends Error {
  override readonly name = 'PublisherError'
  readonly code: 'buffer_full' | 'not_open'

  constructor(code: PublisherError['code'], detail: string) {
    super(detail)
    this.code = code
  }
}

const gzip = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.gzip)
/** The fastest level; it compresses repeated texts nearly as well as the slower ones. */
const gzipLevel = 1

export class UsagePublisher {
  readonly #options: UsagePublisherOptions
  readonly #limits: PublisherLimits
  readonly #transport: Transport
  readonly #sender: BatchSender
  readonly #room: BufferRoom
  readonly #gathering: Gathering
  readonly #work = new Set<Promise<void>>()
  #spool: Spool | undefined
  #state: 'created' | 'open' | 'closed' = 'created'
  #taken = 0

  constructor(options: UsagePublisherOptions) {
    const { to } = options
    const limits = publisherLimits(options.limits)
    this.#options = options
    this.#limits = limits
    this.#transport =
      'url' in to ? new HttpTransport(to, limits.attemptMs) : new NatsTransport(to, limits.attemptMs)
    this.#room = new BufferRoom(limits)
    this.#sender = new BatchSender({ transport: this.#transport, limits, ...told(options) })
    this.#gathering = new Gathering({
      batchEvents: Math.min(limits.batchEvents, this.#transport.maxBatchEvents),
      batchBytes: Math.min(limits.batchBytes, this.#transport.maxBatchBytes),
      lingerMs: limits.lingerMs,
      onFull: batch => this.#track(this.#carry(batch)),
    })
  }

  /**
   * Opens the spool, begins to send the batches that an earlier process left in it, and returns their number.
   */
  async start(): Promise<{ readonly leftBatches: number }> {
    await this.#transport.start()
    let left: readonly SpooledBatch[] = []
    if (this.#options.spool !== undefined) {
      const opened = await Spool.open(this.#options.spool.folder, this.#nowMs())
      this.#spool = opened.spool
      left = opened.left
    }
    this.#state = 'open'
    for (const batch of left)
      this.#track(this.#sender.deliver({ spooled: batch, spool: this.#spool, settle: [] }))
    return { leftBatches: left.length }
  }

  /**
   * Takes the event at once, or throws a PublisherError: `buffer_full` when memory is full. The promise never
   * rejects and need not be awaited.
   */
  publish(event: PublishedEvent): Promise<PublishResult> {
    if (this.#state !== 'open') throw new PublisherError('not_open', `The publisher is ${this.#state}.`)
    const taken = rowOf(event, { source: this.#options.source, nowMs: this.#nowMs(), newId: randomUUID })
    if (taken.kind === 'refused') return Promise.resolve(taken)
    const bytes = usageRowBytes(taken.row)
    const most = this.#transport.maxBatchBytes - usageBatchOverheadBytes
    if (bytes > most) {
      const detail = `The event has ${bytes} bytes; ${most} are taken.`
      return Promise.resolve({ kind: 'refused', refusal: { code: 'event_too_large', detail } })
    }
    if (!this.#room.has(bytes)) throw new PublisherError('buffer_full', 'Too much waits to be sent.') // invariant 4
    const lane = this.#transport.laneOf(taken.row.subject)
    this.#room.take(1, bytes)
    this.#taken += 1
    return new Promise(resolve => {
      this.#gathering.add(lane, taken.row, bytes, result => {
        this.#room.give(1, 0)
        resolve(result)
      })
    })
  }

  /** Resolves when an event of `bytes` bytes fits into memory; await it before `publish`. */
  room(bytes = 4_096): Promise<void> {
    return this.#state === 'open' ? this.#room.wait(bytes) : Promise.resolve()
  }

  /**
   * Sends the gathered events without waiting for more; resolves when all events taken so far are settled and
   * sent.
   */
  async flush(): Promise<void> {
    this.#gathering.closeAll()
    await Promise.all(this.#work)
  }

  /** Takes no more events, sends those it has, and gives up at the deadline. Idempotent. */
  async close(): Promise<PublisherStats> {
    if (this.#state === 'open') {
      this.#state = 'closed'
      this.#room.open()
      await within(this.#limits.closeMs, this.flush())
    }
    await this.abort()
    return this.stats()
  }

  /** Gives up at once: events that have not landed are unsent, or stay in the spool. */
  async abort(): Promise<void> {
    this.#state = 'closed'
    this.#room.open()
    this.#sender.abort()
    await this.flush()
    await this.#transport.close()
  }

  stats(): PublisherStats {
    return {
      taken: this.#taken,
      ...this.#sender.counts,
      bufferedEvents: this.#room.events,
      bufferedBytes: this.#room.bytes,
      spooledBatches: this.#spool?.count ?? 0,
      spooledBytes: this.#spool?.bytes ?? 0,
      trouble: this.#sender.trouble,
    }
  }

  #nowMs(): number {
    return (this.#options.nowMs ?? Date.now)()
  }

  #track(work: Promise<void>): void {
    this.#work.add(work)
    void work.finally(() => this.#work.delete(work))
  }

  /**
   * Encodes, spools and sends a full batch. Its bytes count as memory until they are sent, or only the spool
   * has them.
   */
  async #carry(full: FullBatch): Promise<void> {
    const { settle, rowBytes } = full
    const body = await this.#bodyOf(full)
    const held = body.bytes.length
    this.#room.take(0, held)
    this.#room.give(0, rowBytes)
    const spooled = await this.#spooled(body)
    const early = spooled !== undefined && this.#options.spool?.resolveWhen === 'spooled'
    if (early) for (const one of settle) one({ kind: 'spooled' }) // invariant 2
    const rest = early ? [] : settle
    if (spooled !== undefined && this.#sender.busy) {
      this.#room.give(0, held)
      return this.#sender.deliver({ spooled, spool: this.#spool, settle: rest })
    }
    await this.#sender.deliver({ body, spooled, spool: this.#spool, settle: rest })
    this.#room.give(0, held)
  }

  async #bodyOf({ lane, bytes, settle }: FullBatch): Promise<BatchBody> {
    const isPlain = this.#options.compression === 'none'
    return {
      lane,
      count: settle.length,
      contentType: usageBatchType,
      contentEncoding: isPlain ? undefined : 'gzip',
      bytes: isPlain ? bytes : await gzip(bytes, { level: gzipLevel }),
    }
  }

  /**
   * Undefined when there is no spool, the spool is full, or the write fails; the batch then stays in memory.
   */
  async #spooled(body: BatchBody): Promise<SpooledBatch | undefined> {
    const spool = this.#spool
    if (spool === undefined || spool.bytes + body.bytes.length > this.#limits.maxSpoolBytes) return undefined
    try {
      return await spool.write(body)
    } catch (error) {
      this.#sender.inTrouble(`the spool cannot be written: ${String(error)}`)
      return undefined
    }
  }
}

function told({ onRefused, onTrouble, random }: UsagePublisherOptions) {
  return {
    random: random ?? Math.random,
    ...(onRefused === undefined ? {} : { onRefused }),
    ...(onTrouble === undefined ? {} : { onTrouble }),
  }
}
