// Counts the events and bytes that a publisher holds in memory, and queues the callers that wait for
// capacity.
// Invariant: everything counted is given back exactly once, so both counts are zero when everything is
// settled.

export interface RoomLimits {
  readonly maxBufferedEvents: number
  readonly maxBufferedBytes: number
}

export class BufferRoom {
  readonly #limits: RoomLimits
  readonly #waiting: { readonly bytes: number; readonly resolve: () => void }[] = []
  #events = 0
  #bytes = 0

  constructor(limits: RoomLimits) {
    this.#limits = limits
  }

  get events(): number {
    return this.#events
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether one more event of `bytes` bytes fits. An empty buffer takes an event of any size. */
  has(bytes: number): boolean {
    const { maxBufferedEvents, maxBufferedBytes } = this.#limits
    return this.#events < maxBufferedEvents && (this.#bytes === 0 || this.#bytes + bytes <= maxBufferedBytes)
  }

  /** Resolves when `has(bytes)`, in the order of the calls. */
  wait(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.has(bytes)) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push({ bytes, resolve }))
  }

  take(events: number, bytes: number): void {
    this.#events += events
    this.#bytes += bytes
  }

  give(events: number, bytes: number): void {
    this.take(-events, -bytes)
    // Each released caller publishes one event, so no more callers are released than there is capacity for.
    let free = this.#limits.maxBufferedEvents - this.#events
    while (free > 0 && this.#waiting.length > 0 && this.has(this.#waiting[0]!.bytes)) {
      this.#waiting.shift()?.resolve()
      free -= 1
    }
  }

  /** Releases all waiting callers; their `publish` then finds the publisher closed. */
  open(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }
}
