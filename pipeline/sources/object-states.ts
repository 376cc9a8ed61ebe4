// The last state of each object that a source has told whole: its version and a hash. Two states with one version that
// differ cannot be put in order, so the object is read again.
// Invariant: a state is kept after its events are published; the arrival that told it is never in conflict with itself.

import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { arrivalToken } from './arrival-log.js'
import type { ObjectState } from './source-kind.js'

const entrySchema = z.object({
  object: z.string(),
  version: z.number(),
  digest: z.string(),
  arrival_id: z.string(),
})
type Entry = z.infer<typeof entrySchema>

const cacheMost = 10_000

export class ObjectStates {
  readonly #kv: KV
  readonly #source: string
  readonly #cache = new Map<string, Entry>()

  constructor(kv: KV, source: string) {
    this.#kv = kv
    this.#source = source
  }

  /** Another arrival has told another state of the same version. */
  async isInConflict(state: ObjectState, arrivalId: string): Promise<boolean> {
    const last = await this.#last(state.object)
    return (
      last !== undefined &&
      last.version === state.version &&
      last.digest !== state.digest &&
      last.arrival_id !== arrivalId
    )
  }

  async keep({ object, version, digest }: ObjectState, arrivalId: string): Promise<void> {
    const last = await this.#last(object)
    if (last !== undefined && last.version >= version) return
    const entry: Entry = { object, version, digest, arrival_id: arrivalId }
    await this.#kv.put(this.#key(object), JSON.stringify(entry))
    this.#remember(entry)
  }

  /** Forgets what it has in memory: another process may have written. */
  forget(): void {
    this.#cache.clear()
  }

  async #last(object: string): Promise<Entry | undefined> {
    const cached = this.#cache.get(object)
    if (cached !== undefined) return cached
    const found = await this.#kv.get(this.#key(object))
    if (found === null || found.operation !== 'PUT') return undefined
    const entry = entrySchema.parse(found.json())
    this.#remember(entry)
    return entry
  }

  #remember(entry: Entry): void {
    this.#cache.delete(entry.object)
    this.#cache.set(entry.object, entry)
    const [oldest] = this.#cache.keys()
    if (this.#cache.size > cacheMost && oldest !== undefined) this.#cache.delete(oldest)
  }

  #key(object: string): string {
    return `object.${this.#source}.${arrivalToken(object)}`
  }
}
