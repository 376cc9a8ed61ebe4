// The arrivals of a source that wait: kept in the bucket `weir_arrivals`, and in memory for the mapper.
// Invariant: an arrival is on the shelf before its outcome `waiting` is on record, and is taken off after what became of it
// is; so after a crash in between it is tried once more, which is harmless.

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

export class WaitingShelf {
  readonly #kv: KV
  readonly #source: string
  readonly #entries = new Map<string, WaitingArrival>()

  constructor(kv: KV, source: string) {
    this.#kv = kv
    this.#source = source
  }

  async open(): Promise<void> {
    this.#entries.clear()
    const keys: string[] = []
    for await (const key of await this.#kv.keys(`${prefixOf(this.#source)}.*`)) keys.push(key)
    for (let from = 0; from < keys.length; from += readAtOnce) {
      const entries = await Promise.all(keys.slice(from, from + readAtOnce).map(key => this.#kv.get(key)))
      for (const entry of entries) {
        if (entry === null || entry.operation !== 'PUT') continue
        const parsed = entrySchema.parse(entry.json())
        this.#entries.set(parsed.arrival_id, parsed)
      }
    }
  }

  get size(): number {
    return this.#entries.size
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
    this.#entries.set(entry.arrival_id, entry)
  }

  async take(id: string): Promise<void> {
    await this.#kv.delete(keyOf(this.#source, id))
    this.#entries.delete(id)
  }

  /** Reads again what another process, or another part of this one, may have written. */
  async refresh(id: string): Promise<void> {
    const entry = await this.#kv.get(keyOf(this.#source, id))
    if (entry === null || entry.operation !== 'PUT') this.#entries.delete(id)
    else this.#entries.set(id, entrySchema.parse(entry.json()))
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
