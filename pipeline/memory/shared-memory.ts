// Memory that all threads see, for the bytes that pass between them: nothing is copied on the way, and nothing is
// transferred. Transferring is cheap, but it moves what V8 counts as external memory from one heap to the other, and
// every few dozen megabytes of that make it mark a heap in which nothing has changed. Shared memory it does not count.
//
// Invariants:
// 1. The pool is the main thread's. With a call it hands memory over to a worker (`Room`), which comes back with the
//    result; what a failed call or a dead thread had is not used again.
// 2. Whoever has such bytes gives them back when they are done. What is only dropped is freed too, but V8, which does
//    not count it, sees no reason to hurry.

import { BytePool, capacityFor } from './byte-pool.js'

/** Enough for one delivered range to come back while another is on its way. */
const idleBytes = 128 << 20

/** One for a process: its root makes it and hands it to whoever takes or gives back such bytes. */
export class SharedMemory extends BytePool<SharedArrayBuffer> {
  constructor() {
    super(idleBytes, bytes => new SharedArrayBuffer(bytes))
  }
}

/** A buffer so many times too large is left for something larger. */
const mostWaste = 2

/** In a worker: memory for the results of one call. */
export class Room {
  readonly #unused: SharedArrayBuffer[]

  constructor(buffers: readonly SharedArrayBuffer[]) {
    this.#unused = [...buffers]
  }

  /** What was not needed. */
  get unused(): readonly SharedArrayBuffer[] {
    return this.#unused
  }

  /** So many bytes, with whatever was in them before. */
  take(length: number): Uint8Array<SharedArrayBuffer> {
    const capacity = capacityFor(length)
    let best: SharedArrayBuffer | undefined
    for (const buffer of this.#unused) {
      const { byteLength } = buffer
      if (byteLength < capacity || byteLength > capacity * mostWaste) continue
      if (best === undefined || byteLength < best.byteLength) best = buffer
    }
    if (best === undefined) return new Uint8Array(new SharedArrayBuffer(capacity), 0, length)
    this.#unused.splice(this.#unused.indexOf(best), 1)
    return new Uint8Array(best, 0, length)
  }
}

/**
 * Copies bytes to a place in memory that may be shared. `set` copies into shared memory byte by byte unless both begin at
 * the same offset within a word; `fill`, with a source as long as what is filled, is one plain copy whatever they are.
 */
export function copyInto(into: Uint8Array, at: number, bytes: Uint8Array): void {
  if (bytes.length === 0) return // `fill` refuses an empty source
  Buffer.prototype.fill.call(into, bytes, at, at + bytes.length)
}
