// How much a publisher holds in memory, and who waits for room.
// Invariant: what was taken is given back exactly once, so both counts end at zero when everything is settled.

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

  /** Whether one more event of so many bytes fits. Into an empty buffer anything does. */
  has(bytes: number): boolean {
    const { maxBufferedEvents, maxBufferedBytes } = this.#limits
    return this.#events < maxBufferedEvents && (this.#bytes === 0 || this.#bytes + bytes <= maxBufferedBytes)
  }

  /** Resolves when `has(bytes)`, those who came first being served first. */
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
    // Whoever is let through takes one event; no more are let through than that fits.
    let free = this.#limits.maxBufferedEvents - this.#events
    while (free > 0 && this.#waiting.length > 0 && this.has(this.#waiting[0]!.bytes)) {
      this.#waiting.shift()?.resolve()
      free -= 1
    }
  }

  /** Lets everybody through, to be told that it is over. */
  open(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve()
  }
}
