// Memory for bytes that come and go by the hundred megabytes a second. Left to the garbage collector, buffers that are
// taken and dropped at that rate make it mark the whole heap again and again, although nothing in it has changed.
//
// Invariants:
// 1. What was given back is never touched by who gave it. It is known by the very view that `take` returned, so giving it
//    a second time does nothing, even when the memory serves somebody else by then.
// 2. At most `mostBytes` lie idle. What is dropped instead of given back is the garbage collector's.

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

  /** So many bytes, with whatever was in them before. */
  take(length: number): Uint8Array<B> {
    const bytes = new Uint8Array(this.handOver(length), 0, length)
    this.#taken.add(bytes)
    return bytes
  }

  /** Gives back what `take` returned or `adopt` was given. Other memory is left alone. */
  give(bytes: Uint8Array): void {
    if (this.#taken.delete(bytes)) this.giveBuffer(bytes.buffer as B) // invariant 1
  }

  /** Memory for at least so many bytes, which from now on is its taker's, and may come back from somewhere else. */
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

  /** Takes memory over that was handed over, or was made elsewhere by `capacityFor`, with what was written into it. */
  adopt(bytes: Uint8Array<B>): void {
    this.#taken.add(bytes)
  }

  /** The same, with nothing in it. */
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
