// UsagePublisher: what a producer of many events uses. It gathers events into batches of Arrow, compresses each once, and
// sends those very bytes until Weir has them, by way of the gateway or straight to the broker.
//
// Invariants:
// 1. What was taken is settled exactly once: landed, spooled, refused, or, when the publisher is closed, unsent.
// 2. `landed` comes after the broker has the event on disk, `spooled` after the spool has it.
// 3. A batch is encoded once; every attempt, also after a restart, sends the same bytes. What lands twice is recognised
//    by Weir, so that trying again is always safe.
// 4. Memory, spool, attempts under way: each has a bound. Where there is no room, `publish` says so at once.
//
//   created ──start──▶ open ──close──▶ closed (what has not landed by the deadline is unsent, or stays in the spool)

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
  /** One folder per publisher. Made when it is missing. */
  readonly folder: string
  /** When `publish` resolves: at `landed` (default), or already when the event is on disk in the spool. */
  readonly resolveWhen?: 'landed' | 'spooled'
}

export interface UsagePublisherOptions {
  /** The gateway's URL and a key, or a connection to the broker. */
  readonly to: HttpTarget | NatsTarget
  /** Of events that name none. */
  readonly source?: string
  /** Default `gzip`. */
  readonly compression?: 'gzip' | 'none'
  /** Without one, what has not landed is lost with the process. */
  readonly spool?: SpoolOptions
  readonly limits?: Partial<PublisherLimits>
  /** An event was refused that had been taken, maybe by an earlier process. */
  readonly onRefused?: (row: RefusedRow) => void
  /** Sending or spooling fails; undefined: it works again. */
  readonly onTrouble?: (detail: string | undefined) => void
  /** Default Date.now. */
  readonly nowMs?: () => number
  /** In [0, 1), for the jitter of retries. Default Math.random. */
  readonly random?: () => number
}

/** Cumulative but for what is `buffered` and `spooled…`. */
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
/** The fastest level: texts that repeat shrink nearly as well. */
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

  /** Opens the spool and begins to send what an earlier process left in it; answers how many batches that are. */
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
   * Takes the event at once, or throws a PublisherError: `buffer_full` where there is no room. The promise never
   * rejects; it need not be awaited.
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

  /** Resolves when there is room for an event of so many bytes: what to await before `publish`. */
  room(bytes = 4_096): Promise<void> {
    return this.#state === 'open' ? this.#room.wait(bytes) : Promise.resolve()
  }

  /** Sends what is gathered without waiting for more, and resolves when everything taken so far is settled and sent. */
  async flush(): Promise<void> {
    this.#gathering.closeAll()
    await Promise.all(this.#work)
  }

  /** Takes nothing more, sends what it has, and gives up at the deadline. Idempotent. */
  async close(): Promise<PublisherStats> {
    if (this.#state === 'open') {
      this.#state = 'closed'
      this.#room.open()
      await within(this.#limits.closeMs, this.flush())
    }
    await this.abort()
    return this.stats()
  }

  /** Gives up at once: what has not landed is unsent, or stays in the spool. */
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

  /** From a full batch to its end. Its bytes count in memory until they are sent, or on disk and not about to be. */
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

  /** Undefined: there is no spool, no room in it, or the disk does not take it. The batch stays in memory then. */
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
