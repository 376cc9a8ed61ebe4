// Shared memory for the bytes that pass between threads, which are neither copied nor transferred. A transfer is cheap, but
// it moves external memory from one V8 heap to the other, and every few dozen megabytes of it make V8 mark a heap in which
// nothing has changed. V8 does not count shared memory.
//
// Invariants:
// 1. The pool belongs to the main thread. With a call it lends buffers to a worker (`LentBuffers`), which come back with
//    the result; buffers of a failed call or a dead thread are not used again.
// 2. Whoever has such bytes gives them back when they are done. Bytes that are only dropped are freed late, because V8 does
//    not count them.

import { BytePool, capacityFor } from './byte-pool.js'

/** Enough for one delivered range to come back while another is being delivered. */
const idleBytes = 128 << 20

/** One per process, made at start and handed to whoever takes or gives back such bytes. */
export class SharedMemory extends BytePool<SharedArrayBuffer> {
  constructor() {
    super(idleBytes, bytes => new SharedArrayBuffer(bytes))
  }
}

/** A buffer so many times too large is left for something larger. */
const mostWaste = 2

/** In a worker: the memory that the main thread lent for the results of one call. */
export class LentBuffers {
  readonly #unused: SharedArrayBuffer[]

  constructor(buffers: readonly SharedArrayBuffer[]) {
    this.#unused = [...buffers]
  }

  /** Buffers that were not needed. */
  get unused(): readonly SharedArrayBuffer[] {
    return this.#unused
  }

  /** `length` bytes, with whatever was in them before. */
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
