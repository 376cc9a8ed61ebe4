// How much event work may be in the gateway at once: requests and bytes of bodies.
// Invariant: what was admitted is released exactly once, so the counts end at zero when nothing is at work.

export interface AdmissionLimits {
  readonly maxInFlightRequests: number
  readonly maxInFlightBytes: number
}

export class Admission {
  readonly #limits: AdmissionLimits
  #requests = 0
  #bytes = 0
  #idle: (() => void)[] = []

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  /** Room for a body of so many bytes, to be given back by the returned function; undefined when there is none. */
  enter(bytes: number): (() => void) | undefined {
    if (this.#requests >= this.#limits.maxInFlightRequests) return undefined
    if (this.#bytes + bytes > this.#limits.maxInFlightBytes) return undefined
    this.#requests += 1
    this.#bytes += bytes
    let released = false
    return () => {
      if (released) return
      released = true
      this.#requests -= 1
      this.#bytes -= bytes
      if (this.#requests === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  inFlight(): { readonly requests: number; readonly bytes: number } {
    return { requests: this.#requests, bytes: this.#bytes }
  }

  /** Resolves when nothing is at work. */
  idle(): Promise<void> {
    if (this.#requests === 0) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }
}
