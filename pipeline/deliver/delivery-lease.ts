// The ownership of a feed: claims, writes and releases its record in the bucket `weir_sinks`.
// Invariants:
// 1. Every write names the revision that it replaces: the fence. So of two processes that believe to own a
//    feed one is refused. Time decides only when a standby may claim.
// 2. The newest claim wins; a fenced process goes on standby and claims only when the record is not renewed.
// 3. A change of `heldBy` by anybody else is adopted, never overwritten.

import type { KV } from '@nats-io/kv'
import type { Sink } from '../../sinks/sink.js'
import { pauseFor } from '../broker/back-off.js'
import { isWrongRevision } from '../broker/wrong-revision.js'
import {
  type DeliveryRecord,
  decodeRecord,
  encodeRecord,
  type Heads,
  type Intent,
} from './delivery-record.js'

/** Another process owns the feed now. */
export class FencedError extends Error {
  override readonly name = 'FencedError'
}

/** A failure that does not pass by waiting: the feed stops, and its status has the code. */
export class FeedFailure extends Error {
  override readonly name = 'FeedFailure'
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export interface RecordPatch {
  readonly position?: number
  readonly intent?: Intent | null
  readonly heads?: Heads
}

export class DeliveryLease {
  record: DeliveryRecord
  readonly #kv: KV
  readonly #key: string
  #revision: number
  #lastWriteMs: number
  #writes: Promise<unknown> = Promise.resolve()

  private constructor(kv: KV, key: string, record: DeliveryRecord, revision: number) {
    this.#kv = kv
    this.#key = key
    this.record = record
    this.#revision = revision
    this.#lastWriteMs = performance.now()
  }

  /** `owner` is unique to this deliverer. With `mayTake` it takes the feed from any owner (invariant 2). */
  static async claim(
    kv: KV,
    key: string,
    owner: string,
    streamCreated: string,
    mayTake: boolean,
  ): Promise<DeliveryLease> {
    for (;;) {
      const entry = await kv.get(key)
      const before = entry === null ? undefined : decodeRecord(entry.value)
      if (entry !== null && before === undefined)
        throw new FeedFailure('corrupt_record', `the record ${key} cannot be read`)
      if (before !== undefined && before.streamCreated !== streamCreated)
        throw new FeedFailure(
          'stream_replaced',
          `position ${before.position} belongs to a stream created ${before.streamCreated}, this one ${streamCreated}`,
        )
      if (before !== undefined && !mayTake && before.owner !== owner && before.owner !== '')
        throw new FencedError(`another process delivers ${key}`)
      const record: DeliveryRecord = {
        position: before?.position ?? 0,
        intent: before?.intent ?? null,
        owner,
        streamCreated,
        heads: before?.heads ?? {},
        ...(before?.heldBy === undefined ? {} : { heldBy: before.heldBy }),
      }
      const previousSeq = entry?.revision ?? 0
      try {
        const revision = await kv.put(key, encodeRecord(record), { previousSeq })
        return new DeliveryLease(kv, key, record, revision)
      } catch (error) {
        if (!isWrongRevision(error)) throw error
      }
    }
  }

  /** Milliseconds since the record was last written by us. */
  get idleMs(): number {
    return performance.now() - this.#lastWriteMs
  }

  /** Writes one at a time, in the order of the calls. Throws `FencedError` when the feed is someone else's. */
  write(patch: RecordPatch): Promise<void> {
    return this.#enqueue(() => this.#write(patch, this.record.owner))
  }

  /** Reads the record again; throws `FencedError` when another process owns the feed. */
  refresh(): Promise<void> {
    return this.#enqueue(() => this.#adopt())
  }

  /** Removes the owner, so that a standby need not wait for the lease to run out. */
  release(): Promise<void> {
    return this.#enqueue(() => this.#write({}, ''))
  }

  #enqueue(step: () => Promise<void>): Promise<void> {
    const done = this.#writes.then(step)
    this.#writes = done.catch(() => undefined)
    return done
  }

  async #write(patch: RecordPatch, owner: string): Promise<void> {
    for (;;) {
      const next = { ...this.record, ...patch, owner }
      try {
        this.#revision = await this.#kv.update(this.#key, encodeRecord(next), this.#revision)
        this.record = next
        this.#lastWriteMs = performance.now()
        return
      } catch (error) {
        if (!isWrongRevision(error)) throw error
        await this.#adopt()
      }
    }
  }

  /** After a refused write: someone set `heldBy`, our own write was stored unseen, or we are fenced. */
  async #adopt(): Promise<void> {
    const entry = await this.#kv.get(this.#key)
    const found = entry === null ? undefined : decodeRecord(entry.value)
    if (entry === null || found === undefined || found.owner !== this.record.owner)
      throw new FencedError(`another process delivers ${this.#key}`)
    const { heldBy: _, ...ours } = this.record
    this.record = found.heldBy === undefined ? ours : { ...ours, heldBy: found.heldBy } // invariant 3
    this.#revision = entry.revision
  }
}

/** Resolves when the feed has no owner, or its record is unchanged for `leaseMs` by this machine's clock. */
export async function waitForVacancy(
  kv: KV,
  key: string,
  leaseMs: number,
  signal: AbortSignal,
): Promise<void> {
  let revision = -1
  let unchangedSinceMs = performance.now()
  while (!signal.aborted) {
    const entry = await kv.get(key).catch(() => undefined)
    const record = entry ? decodeRecord(entry.value) : undefined
    if (entry === null || record?.owner === '') return
    if (entry === undefined || entry.revision !== revision) {
      // The record has changed or could not be read: the time begins again.
      revision = entry?.revision ?? -1
      unchangedSinceMs = performance.now()
    }
    if (performance.now() - unchangedSinceMs >= leaseMs) return
    await pauseFor(Math.min(1_000, leaseMs / 4), signal)
  }
}

/** Throws when a sink has rows but no record: it would get all messages again, under other tokens. */
export async function refuseLostPosition(
  kv: KV,
  key: string,
  sink: Sink,
  signal: AbortSignal,
): Promise<void> {
  if (sink.isUntouched === undefined || (await kv.get(key)) !== null) return
  if (await sink.isUntouched(signal)) return
  const detail = `${sink.name} holds rows, but how far ${key} is was lost; start with an empty one, or restore weir_sinks`
  throw new FeedFailure('position_lost', detail)
}
