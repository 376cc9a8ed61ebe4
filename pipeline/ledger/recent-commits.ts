// The newest commits that this process stored in LEDGER, kept in memory for its own deliverer, because reading them back
// from the broker cost the broker and the main thread more than writing them.
//
// Invariants:
// 1. The stream stays the source: messages are kept under the sequences that the broker gave them, and what is not here
//    is read from the stream.
// 2. At most `mostBytes` are kept, the newest, and nothing while nobody reads.
// 3. This class owns the memory of what is added, and gives back what nobody took. A reader owns what it took until it
//    calls `release`.

import type { FeedMessage } from '../../sinks/sink.js'
import type { BatchMessage } from '../broker/atomic-batch.js'
import type { SharedMemory } from '../memory/shared-memory.js'

/** Messages that lie side by side in the stream. */
export interface StoredMessages {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly storedAtMs: number
  /** When they were added; some are freed before they leave. */
  readonly bytes: number
  readonly messages: readonly BatchMessage[]
}

const mostBytes = 64 << 20

export class RecentCommits {
  readonly #memory: SharedMemory
  readonly #mostBytes: number
  /** In the order of their sequences. */
  #stored: StoredMessages[] = []
  #bytes = 0
  #readers = 0
  readonly #callbacks = new Set<() => void>()

  constructor(memory: SharedMemory, most = mostBytes) {
    this.#memory = memory
    this.#mostBytes = most
  }

  /** The broker has stored these messages, the first of them under this sequence. */
  add(firstSeq: number, messages: readonly BatchMessage[]): void {
    if (this.#readers === 0) {
      this.release(messages) // invariant 2
      return
    }
    const lastSeq = firstSeq + messages.length - 1
    const bytes = messages.reduce((sum, message) => sum + message.bytes.byteLength, 0)
    const stored = { firstSeq, lastSeq, storedAtMs: Date.now(), bytes, messages }
    const at = this.#stored.findLastIndex(one => one.firstSeq < firstSeq) + 1 // partitions may answer out of turn
    this.#stored.splice(at, 0, stored)
    this.#bytes += bytes
    while (this.#bytes > this.#mostBytes) this.#drop()
    for (const callback of [...this.#callbacks]) callback()
  }

  /** Begins to keep what is added, for one reader, who calls the returned function when it is done. */
  open(): () => void {
    this.#readers += 1
    return () => {
      this.#readers -= 1
      if (this.#readers === 0) while (this.#stored.length > 0) this.#drop()
    }
  }

  /** Takes the messages among which this sequence is, and forgets what lies before it; undefined: it is not here. */
  take(seq: number): StoredMessages | undefined {
    this.forget(seq)
    const first = this.#stored[0]
    if (first === undefined || first.firstSeq > seq) return undefined
    this.#remove()
    return first
  }

  /** Gives the memory of these messages back, where it came from here, once nobody needs them any more. */
  release(messages: readonly Pick<FeedMessage, 'bytes'>[]): void {
    for (const { bytes } of messages) this.#memory.give(bytes)
  }

  /** Lets go of what lies before this sequence. */
  forget(seq: number): void {
    while (this.#stored[0] !== undefined && this.#stored[0].lastSeq < seq) this.#drop()
  }

  /** Whether `take` would find this sequence. */
  has(seq: number): boolean {
    return this.#stored.some(one => one.firstSeq <= seq && seq <= one.lastSeq)
  }

  /** The first sequence that is here, whatever lies before it. */
  get firstSeq(): number | undefined {
    return this.#stored[0]?.firstSeq
  }

  /** Messages that are kept. */
  get count(): number {
    return this.#stored.reduce((sum, one) => sum + one.messages.length, 0)
  }

  /** Calls back whenever something was added, until taken back by the returned function. */
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
