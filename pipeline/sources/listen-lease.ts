// Who listens to a source, and how far it is: one record in the bucket `weir_arrivals` for each source that is listened to.
// Invariants:
// 1. Every write names the revision that it replaces: of two processes that believe to listen one is refused. Time decides only
//    when another may claim.
// 2. The place is written after everything before it is on disk, so that who goes on there misses nothing.

import type { KV, KvEntry } from '@nats-io/kv'
import { z } from 'zod'
import { pauseFor } from '../broker/back-off.js'
import { isWrongRevision } from '../broker/wrong-revision.js'

const recordSchema = z.object({ owner: z.string(), position: z.unknown().optional() })
type ListenRecord = z.infer<typeof recordSchema>

/** Another process listens now. */
export class ListensElsewhere extends Error {
  override readonly name = 'ListensElsewhere'
}

export class ListenLease {
  readonly #kv: KV
  readonly #key: string
  #record: ListenRecord
  #revision: number
  #writes: Promise<unknown> = Promise.resolve()

  private constructor(kv: KV, key: string, record: ListenRecord, revision: number) {
    this.#kv = kv
    this.#key = key
    this.#record = record
    this.#revision = revision
  }

  /**
   * Waits until nobody listens, or who does has not renewed its record for `leaseMs` by this machine's clock. Undefined: the
   * signal fired.
   */
  static async claim(
    kv: KV,
    { source, owner, leaseMs }: { readonly source: string; readonly owner: string; readonly leaseMs: number },
    signal: AbortSignal,
  ): Promise<ListenLease | undefined> {
    const key = `listen.${source}`
    let seen = -1
    let unchangedSinceMs = performance.now()
    while (!signal.aborted) {
      const entry = await kv.get(key)
      const record = readRecord(entry)
      if ((entry?.revision ?? 0) !== seen) {
        seen = entry?.revision ?? 0
        unchangedSinceMs = performance.now()
      }
      const isFree = record.owner === '' || performance.now() - unchangedSinceMs >= leaseMs
      if (isFree) {
        const next = { ...record, owner }
        const revision = await put(kv, key, next, entry?.revision ?? 0)
        if (revision !== undefined) return new ListenLease(kv, key, next, revision)
      }
      await pauseFor(Math.min(1_000, leaseMs / 4), signal)
    }
    return undefined
  }

  get position(): unknown {
    return this.#record.position
  }

  /** Throws `ListensElsewhere` when the source is another's. */
  keep(position: unknown): Promise<void> {
    return this.#write(() => ({ ...this.#record, position }))
  }

  renew(): Promise<void> {
    return this.#write(() => this.#record)
  }

  /** So that another need not wait for the lease to run out. */
  release(): Promise<void> {
    return this.#write(() => ({ ...this.#record, owner: '' }))
  }

  /** One at a time, in the order of the calls. */
  #write(next: () => ListenRecord): Promise<void> {
    const done = this.#writes.then(async () => {
      const record = next()
      const revision = await put(this.#kv, this.#key, record, this.#revision)
      if (revision === undefined) await this.#adopt(record)
      else [this.#record, this.#revision] = [record, revision]
    })
    this.#writes = done.catch(() => undefined)
    return done
  }

  /** After a refused write: our own was stored unseen, or the source is another's. */
  async #adopt(record: ListenRecord): Promise<void> {
    const entry = await this.#kv.get(this.#key)
    if (entry === null || readRecord(entry).owner !== this.#record.owner)
      throw new ListensElsewhere('another process listens to this source')
    this.#revision = await this.#kv.put(this.#key, JSON.stringify(record), { previousSeq: entry.revision })
    this.#record = record
  }
}

function readRecord(entry: KvEntry | null): ListenRecord {
  return entry === null || entry.operation !== 'PUT'
    ? { owner: '', position: undefined }
    : recordSchema.parse(entry.json())
}

/** The new revision; undefined: somebody wrote in the meantime. */
async function put(
  kv: KV,
  key: string,
  record: ListenRecord,
  previousSeq: number,
): Promise<number | undefined> {
  try {
    return await kv.put(key, JSON.stringify(record), { previousSeq })
  } catch (error) {
    if (isWrongRevision(error)) return undefined
    throw error
  }
}
