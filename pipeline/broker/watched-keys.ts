// Entries of a bucket under one pattern, parsed, in memory, and current by a watch: for what is asked often and is small.
// Invariants:
// 1. Once `ready` has resolved, all that was there has been read.
// 2. Of one key the entry with the greatest revision holds, in whatever order the reading and the watch bring them.
// 3. After an interruption of the watch everything is read again.

import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV, KvEntry } from '@nats-io/kv'
import type { Logger } from 'pino'
import { bucketKeys } from './bucket-keys.js'

export interface WatchedKeysOptions<T> {
  readonly kv: KV
  readonly jsm: JetStreamManager
  readonly bucket: string
  /** As for `KV.keys`. */
  readonly filter: string
  readonly parse: (json: unknown) => T
  readonly log: Logger
  /** The connection to the broker is closed for ever. */
  readonly isClosed: () => boolean
}

const rewatchMs = 1_000
const readAtOnce = 64

export class WatchedKeys<T> {
  /** Rejects only when the connection closes before anything was read. */
  readonly ready: Promise<void>
  readonly #options: WatchedKeysOptions<T>
  readonly #entries = new Map<string, T>()
  /** Also of deleted ones. */
  readonly #revisions = new Map<string, number>()
  readonly #listeners = new Set<(key: string) => void>()

  constructor(options: WatchedKeysOptions<T>) {
    this.#options = options
    this.ready = new Promise((resolve, reject) => {
      void this.#watch(resolve).then(() => reject(new Error('the connection to the broker is closed')))
    })
    this.ready.catch(() => undefined) // whoever waits for it is told
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)
  }

  values(): IterableIterator<T> {
    return this.#entries.values()
  }

  /** Reads one key again, so that what this process wrote counts at once. */
  async refresh(key: string): Promise<T | undefined> {
    const entry = await this.#options.kv.get(key)
    if (entry !== null) this.#adopt(entry)
    return this.#entries.get(key)
  }

  /** Calls back with the key of each entry that changed. */
  onChange(listener: (key: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #adopt(entry: KvEntry): void {
    const { key, revision } = entry
    if (revision <= (this.#revisions.get(key) ?? 0)) return // invariant 2
    this.#revisions.set(key, revision)
    if (entry.operation === 'PUT') this.#entries.set(key, this.#options.parse(entry.json()))
    else this.#entries.delete(key)
    for (const listener of [...this.#listeners]) listener(key)
  }

  async #readAll(): Promise<void> {
    const { kv, jsm, bucket, filter } = this.#options
    const keys = await bucketKeys(jsm, bucket, filter)
    for (let from = 0; from < keys.length; from += readAtOnce) {
      const entries = await Promise.all(keys.slice(from, from + readAtOnce).map(key => kv.get(key)))
      for (const entry of entries) if (entry !== null) this.#adopt(entry)
    }
  }

  async #watch(onReady: () => void): Promise<void> {
    const { kv, bucket, filter, log, isClosed } = this.#options
    while (!isClosed()) {
      try {
        const changes = await kv.watch({ key: filter })
        await this.#readAll() // nothing is missed between the reading and the watch
        onReady()
        for await (const entry of changes) this.#adopt(entry)
      } catch (error) {
        if (!isClosed()) log.warn({ bucket, filter, err: error }, 'a watch on a bucket was interrupted')
      }
      await sleep(rewatchMs, undefined, { ref: false })
    }
  }
}
