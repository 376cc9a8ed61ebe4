// Limits the event requests, and the bytes of their bodies, that the gateway holds at once, in all and for each caller.
// Invariants:
// 1. Bytes count once they have arrived; a declared length does not count.
// 2. No caller holds more than its share, so that another caller is always admitted.
// 3. Each request gives back its place and its bytes exactly once.

export interface AdmissionLimits {
  readonly maxInFlightRequests: number
  readonly maxInFlightBytes: number
  /** The fraction of each limit that one caller may hold, 0 to 1. */
  readonly callerShare: number
}

interface Use {
  requests: number
  bytes: number
}

/** The place and the bytes that one request holds. */
export interface Seat {
  /** Counts bytes that have arrived; false when they exceed the limit or the caller's share. */
  take(bytes: number): boolean
  /** Gives back the request and its bytes. Idempotent. */
  leave(): void
}

export class Admission {
  readonly #limits: AdmissionLimits
  readonly #total: Use = { requests: 0, bytes: 0 }
  readonly #callers = new Map<string, Use>()
  #idle: (() => void)[] = []

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** Admits a request; undefined when a limit is reached. An undefined caller has no share of its own. */
  enter(caller: string | undefined): Seat | undefined {
    const use = caller === undefined ? undefined : (this.#callers.get(caller) ?? { requests: 0, bytes: 0 })
    if (!this.#fits(use, 1, 0)) return undefined
    if (caller !== undefined) this.#callers.set(caller, use!)
    this.#add(use, 1, 0)
    let taken = 0
    let hasLeft = false
    return {
      take: bytes => {
        if (hasLeft || !this.#fits(use, 0, bytes)) return false
        this.#add(use, 0, bytes)
        taken += bytes
        return true
      },
      leave: () => {
        if (hasLeft) return
        hasLeft = true
        this.#add(use, -1, -taken)
        if (caller !== undefined && use!.requests === 0) this.#callers.delete(caller)
        if (this.#total.requests === 0) for (const resolve of this.#idle.splice(0)) resolve()
      },
    }
  }

  inFlight(): { readonly requests: number; readonly bytes: number } {
    return { ...this.#total }
  }

  /** Resolves when no request is held. */
  idle(): Promise<void> {
    if (this.#total.requests === 0) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  #fits(use: Use | undefined, requests: number, bytes: number): boolean {
    const { maxInFlightRequests, maxInFlightBytes, callerShare } = this.#limits
    return (
      fits(this.#total, requests, bytes, maxInFlightRequests, maxInFlightBytes) &&
      (use === undefined ||
        fits(use, requests, bytes, maxInFlightRequests * callerShare, maxInFlightBytes * callerShare))
    )
  }

  #add(use: Use | undefined, requests: number, bytes: number): void {
    this.#total.requests += requests
    this.#total.bytes += bytes
    if (use === undefined) return
    use.requests += requests
    use.bytes += bytes
  }
}

function fits(use: Use, requests: number, bytes: number, maxRequests: number, maxBytes: number): boolean {
  return use.requests + requests <= maxRequests && use.bytes + bytes <= maxBytes
}
