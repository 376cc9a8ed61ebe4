// A pool of buffers for bytes that are allocated and freed at hundreds of megabytes a second. Buffers dropped at that rate
// make the garbage collector mark the whole heap again and again, although nothing in it has changed.
//
// Invariants:
// 1. A caller never touches memory that it gave back. Memory is given back by the very view that `take` returned, so giving
//    it a second time does nothing, even if the memory is lent to another caller by then.
// 2. At most `mostBytes` lie idle. The garbage collector frees memory that is dropped instead of given back.

const leastBytes = 4 * 1024
/** A buffer up to so many sizes too large is taken before another one is made. */
const sizesThatFit = 4

export class BytePool<B extends ArrayBufferLike> {
  readonly #mostBytes: number
  readonly #make: (bytes: number) => B
  /** By capacity. */
  readonly #idle = new Map<number, B[]>()
  readonly #taken = new WeakSet<Uint8Array>()
  #idleBytes = 0

  constructor(mostBytes: number, make: (bytes: number) => B) {
    this.#mostBytes = mostBytes
    this.#make = make
  }

  get idleBytes(): number {
    return this.#idleBytes
  }

  /** `length` bytes, with whatever was in them before. */
  take(length: number): Uint8Array<B> {
    const bytes = new Uint8Array(this.handOver(length), 0, length)
    this.#taken.add(bytes)
    return bytes
  }

  /** Gives back what `take` returned or `adopt` was given. Other memory is left alone. */
  give(bytes: Uint8Array): void {
    if (this.#taken.delete(bytes)) this.giveBuffer(bytes.buffer as B) // invariant 1
  }

  /** A buffer of at least `length` bytes, which the pool no longer tracks: it may come back from another thread. */
  handOver(length: number): B {
    let capacity = capacityFor(length)
    const least = capacity
    for (let size = 1; size < sizesThatFit && !this.#has(capacity); size += 1)
      capacity = capacityFor(capacity + 1)
    const idle = this.#idle.get(capacity)?.pop()
    if (idle === undefined) return this.#make(least)
    this.#idleBytes -= capacity
    return idle
  }

  /** Tracks memory again that was handed over or was made elsewhere by `capacityFor`, with its content. */
  adopt(bytes: Uint8Array<B>): void {
    this.#taken.add(bytes)
  }

  /** Takes back a buffer that nobody uses any more. */
  giveBuffer(buffer: B): void {
    const capacity = buffer.byteLength
    if (capacity !== capacityFor(capacity) || this.#idleBytes + capacity > this.#mostBytes) return // invariant 2
    const same = this.#idle.get(capacity)
    if (same === undefined) this.#idle.set(capacity, [buffer])
    else same.push(buffer)
    this.#idleBytes += capacity
  }

  #has(capacity: number): boolean {
    return (this.#idle.get(capacity)?.length ?? 0) > 0
  }
}

/** Four sizes to each power of two: no more than a fifth of a buffer is empty. */
export function capacityFor(length: number): number {
  if (length <= leastBytes) return leastBytes
  const step = 2 ** (Math.ceil(Math.log2(length)) - 3)
  return Math.ceil(length / step) * step
}
