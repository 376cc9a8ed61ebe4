// The newest commits that this process stored in LEDGER, kept in memory for its own deliverer: reading them
// back costs the broker and the main thread more than writing them.
//
// Invariants:
// 1. The stream is the source: messages are kept under the sequences that the broker gave them; a reader
//    reads from the stream what is not kept here.
// 2. At most the newest `mostBytes` are kept, and nothing while there is no reader.
// 3. This class owns the memory of added messages, and gives back what no reader took. A reader owns what it
//    took until it calls `release`.

import type { FeedMessage } from '../../sinks/sink.js'
import type { BatchMessage } from '../broker/atomic-batch.js'
import type { SharedMemory } from '../memory/shared-memory.js'

/** Messages with consecutive sequences in the stream. */
export interface StoredMessages {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly storedAtMs: number
  /** Their size when they were added; the memory of some is given back before they are removed. */
  readonly bytes: number
  readonly messages: readonly BatchMessage[]
}

const mostBytes = 64 << 20

export class RecentCommits {
  readonly #memory: SharedMemory
  readonly #mostBytes: number
  /** Ordered by sequence. */
  #stored: StoredMessages[] = []
  #bytes = 0
  #readers = 0
  readonly #callbacks = new Set<() => void>()

  constructor(memory: SharedMemory, most = mostBytes) {
    this.#memory = memory
    this.#mostBytes = most
  }

  /** Adds messages that the broker has stored, the first of them under `firstSeq`. */
  add(firstSeq: number, messages: readonly BatchMessage[]): void {
    if (this.#readers === 0) {
      this.release(messages) // invariant 2
      return
    }
    const lastSeq = firstSeq + messages.length - 1
    const bytes = messages.reduce((sum, message) => sum + message.bytes.byteLength, 0)
    const stored = { firstSeq, lastSeq, storedAtMs: Date.now(), bytes, messages }
    const at = this.#stored.findLastIndex(one => one.firstSeq < firstSeq) + 1 // answers may be out of order
    this.#stored.splice(at, 0, stored)
    this.#bytes += bytes
    while (this.#bytes > this.#mostBytes) this.#drop()
    for (const callback of [...this.#callbacks]) callback()
  }

  /** Registers a reader, for whom added messages are kept. It calls the returned function when it is done. */
  open(): () => void {
    this.#readers += 1
    return () => {
      this.#readers -= 1
      if (this.#readers === 0) while (this.#stored.length > 0) this.#drop()
    }
  }

  /** Takes the messages that include this sequence and drops earlier ones; undefined if it is not kept. */
  take(seq: number): StoredMessages | undefined {
    this.forget(seq)
    const first = this.#stored[0]
    if (first === undefined || first.firstSeq > seq) return undefined
    this.#remove()
    return first
  }

  /** Gives back the memory of messages that nobody needs any more, if it came from `memory`. */
  release(messages: readonly Pick<FeedMessage, 'bytes'>[]): void {
    for (const { bytes } of messages) this.#memory.give(bytes)
  }

  /** Drops the messages before this sequence. */
  forget(seq: number): void {
    while (this.#stored[0] !== undefined && this.#stored[0].lastSeq < seq) this.#drop()
  }

  /** Whether `take` would find this sequence. */
  has(seq: number): boolean {
    return this.#stored.some(one => one.firstSeq <= seq && seq <= one.lastSeq)
  }

  /** The lowest sequence that is kept. */
  get firstSeq(): number | undefined {
    return this.#stored[0]?.firstSeq
  }

  /** The number of messages that are kept. */
  get count(): number {
    return this.#stored.reduce((sum, one) => sum + one.messages.length, 0)
  }

  /** Calls back after each `add`, until the returned function is called. */
  onAdd(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  #remove(): StoredMessages | undefined {
    const removed = this.#stored.shift()
    if (removed !== undefined) this.#bytes -= removed.bytes
    return removed
  }

  #drop(): void {
    this.release(this.#remove()?.messages ?? []) // invariant 3
  }
}
