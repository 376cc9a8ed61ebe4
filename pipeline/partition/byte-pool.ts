// Memory for bytes that come and go by the hundred megabytes a second. Left to the garbage collector, buffers that are
// taken and dropped at that rate make it mark the whole heap again and again, although nothing in it has changed.
//
// Invariants:
// 1. What was given back is never touched by who gave it; a buffer that was transferred away is not taken back.
// 2. At most `mostBytes` lie idle.

const leastBytes = 4 * 1024
/** A buffer up to so many sizes too large is taken before another one is made. */
const sizesThatFit = 4

export class BytePool {
  readonly #mostBytes: number
  /** By capacity. */
  readonly #idle = new Map<number, ArrayBuffer[]>()
  readonly #made = new WeakSet<ArrayBuffer>()
  #idleBytes = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  get idleBytes(): number {
    return this.#idleBytes
  }

  /** So many bytes, with whatever was in them before. */
  take(length: number): Uint8Array {
    let capacity = capacityFor(length)
    const least = capacity
    for (let size = 1; size < sizesThatFit && !this.#has(capacity); size += 1)
      capacity = capacityFor(capacity + 1)
    const idle = this.#idle.get(capacity)?.pop()
    if (idle !== undefined) this.#idleBytes -= capacity
    const buffer = idle ?? new ArrayBuffer(least)
    if (idle === undefined) this.#made.add(buffer)
    return new Uint8Array(buffer, 0, length)
  }

  #has(capacity: number): boolean {
    return (this.#idle.get(capacity)?.length ?? 0) > 0
  }

  /** Gives back what `take` returned, or any view of the same memory. Other memory is left alone. */
  give({ buffer }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || !this.#made.has(buffer)) return
    const capacity = buffer.byteLength
    if (capacity === 0 || this.#idleBytes + capacity > this.#mostBytes) return // invariants 1 and 2
    const same = this.#idle.get(capacity)
    if (same === undefined) this.#idle.set(capacity, [buffer])
    else same.push(buffer)
    this.#idleBytes += capacity
  }

  /** Gives back what `take` returned, after it was transferred to another thread and from there to us. */
  giveTransferred(bytes: Uint8Array): void {
    if (
      bytes.buffer instanceof ArrayBuffer &&
      bytes.buffer.byteLength === capacityFor(bytes.buffer.byteLength)
    )
      this.#made.add(bytes.buffer)
    this.give(bytes)
  }
}

/** Four sizes to each power of two: no more than a fifth of a buffer is empty. */
function capacityFor(length: number): number {
  if (length <= leastBytes) return leastBytes
  const step = 2 ** (Math.ceil(Math.log2(length)) - 3)
  return Math.ceil(length / step) * step
}
