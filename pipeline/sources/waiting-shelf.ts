// The arrivals of a source that wait: kept in the bucket `weir_arrivals`, and in memory for the mapper.
// Invariants:
// 1. An arrival is on the shelf before its outcome `waiting` is on record, and is taken off after what became of it is; so after a
//    crash in between it is tried once more, which is harmless.
// 2. At most `mostInMemory` are in memory. What is beyond them is in the bucket, is counted, and is read once half of those have
//    gone.

import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { identityObjects } from '../feature/identity-lookup.js'
import { arrivalToken } from './arrival-log.js'

const entrySchema = z.object({
  arrival_id: z.string(),
  sequence: z.int(),
  code: z.string(),
  detail: z.string(),
  since: z.string(),
  /** The mapping under which it was tried last. */
  mapping: z.string(),
  needs: z.array(z.object({ object: z.enum(identityObjects), system: z.string(), id: z.string() })),
  fetch: z.object({ object: z.string(), id: z.string(), changedMs: z.number().optional() }).optional(),
  /** Somebody has decided that it needs nothing. */
  discarded: z.boolean().optional(),
})
export type WaitingArrival = Readonly<z.infer<typeof entrySchema>>

const readAtOnce = 64
const mostInMemory = 20_000

export class WaitingShelf {
  readonly #kv: KV
  readonly #source: string
  readonly #most: number
  readonly #entries = new Map<string, WaitingArrival>()
  #beyond = 0
  #oldestBeyond = Number.MAX_SAFE_INTEGER

  constructor(kv: KV, source: string, most = mostInMemory) {
    this.#kv = kv
    this.#source = source
    this.#most = most
  }

  async open(): Promise<void> {
    this.#entries.clear()
    this.#beyond = 0
    this.#oldestBeyond = Number.MAX_SAFE_INTEGER
    const keys: string[] = []
    for await (const key of await this.#kv.keys(`${prefixOf(this.#source)}.*`)) keys.push(key)
    for (let from = 0; from < keys.length; from += readAtOnce) {
      const entries = await Promise.all(keys.slice(from, from + readAtOnce).map(key => this.#kv.get(key)))
      for (const entry of entries) {
        if (entry === null || entry.operation !== 'PUT') continue
        this.#remember(entrySchema.parse(entry.json()))
      }
    }
  }

  /** Reads more of those that were beyond the bound, once there is room for as many again. */
  async refill(): Promise<void> {
    if (this.#beyond > 0 && this.#entries.size <= this.#most / 2) await this.open()
  }

  get size(): number {
    return this.#entries.size + this.#beyond
  }

  /** The place of the oldest that waits; those beyond the bound count too. */
  get oldestSequence(): number {
    let oldest = this.#oldestBeyond
    for (const { sequence } of this.#entries.values()) oldest = Math.min(oldest, sequence)
    return oldest
  }

  get(id: string): WaitingArrival | undefined {
    return this.#entries.get(id)
  }

  /** The oldest first. */
  all(): WaitingArrival[] {
    return [...this.#entries.values()].sort((a, b) => a.sequence - b.sequence)
  }

  async put(entry: WaitingArrival): Promise<void> {
    await this.#kv.put(keyOf(this.#source, entry.arrival_id), JSON.stringify(entry))
    this.#remember(entry)
  }

  #remember(entry: WaitingArrival): void {
    if (this.#entries.size < this.#most || this.#entries.has(entry.arrival_id)) {
      this.#entries.set(entry.arrival_id, entry)
      return
    }
    this.#beyond += 1 // invariant 2
    this.#oldestBeyond = Math.min(this.#oldestBeyond, entry.sequence)
  }

  async take(id: string): Promise<void> {
    await this.#kv.delete(keyOf(this.#source, id))
    this.#entries.delete(id)
  }

  /** Reads again what another process, or another part of this one, may have written. */
  async refresh(id: string): Promise<void> {
    const entry = await this.#kv.get(keyOf(this.#source, id))
    if (entry === null || entry.operation !== 'PUT') {
      this.#entries.delete(id)
      return
    }
    if (!this.#entries.has(id) && this.#beyond > 0) this.#beyond -= 1
    this.#entries.set(id, entrySchema.parse(entry.json()))
  }
}

/** Says on the shelf of a source that an arrival needs nothing any more, or that it does again. False: it is not there. */
export async function markDiscarded(
  kv: KV,
  source: string,
  id: string,
  isDiscarded: boolean,
): Promise<boolean> {
  const key = keyOf(source, id)
  const found = await kv.get(key)
  if (found === null || found.operation !== 'PUT') return false
  const { discarded: _, ...entry } = entrySchema.parse(found.json())
  await kv.put(key, JSON.stringify({ ...entry, ...(isDiscarded ? { discarded: true } : {}) }))
  return true
}

function prefixOf(source: string): string {
  return `waiting.${source}`
}

function keyOf(source: string, id: string): string {
  return `${prefixOf(source)}.${arrivalToken(id)}`
}
