// How much event work may be in the gateway at once, requests and bytes of bodies, and each caller's share of it.
// Invariants: room is taken by what has come, never by what was promised; no caller holds more than his share, so that
// there is always room for another; what was taken is given back exactly once.

export interface AdmissionLimits {
  readonly maxInFlightRequests: number
  readonly maxInFlightBytes: number
  /** How much of either one caller may hold, 0 to 1. */
  readonly callerShare: number
}

interface Use {
  requests: number
  bytes: number
}

/** One request's place. */
export interface Seat {
  /** Takes room for bytes that have come; false when there is none, or the caller's share is used up. */
  take(bytes: number): boolean
  /** Gives the place and all its room back. Idempotent. */
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

  /** A place for a request of this caller; undefined when there is none. Who is nobody in particular has no share. */
  enter(caller: string | undefined): Seat | undefined {
    const use = caller === undefined ? undefined : (this.#callers.get(caller) ?? { requests: 0, bytes: 0 })
    if (!this.#hasRoom(use, 1, 0)) return undefined
    if (caller !== undefined) this.#callers.set(caller, use!)
    this.#add(use, 1, 0)
    let taken = 0
    let hasLeft = false
    return {
      take: bytes => {
        if (hasLeft || !this.#hasRoom(use, 0, bytes)) return false
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

  /** Resolves when nothing is at work. */
  idle(): Promise<void> {
    if (this.#total.requests === 0) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  #hasRoom(use: Use | undefined, requests: number, bytes: number): boolean {
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
