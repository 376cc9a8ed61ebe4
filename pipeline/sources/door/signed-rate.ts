// A bound on what one source may have kept in a time: a bucket that fills evenly and holds ten seconds of it.

const heldSeconds = 10

export class SignedRate {
  readonly #perSecond: number
  readonly #nowMs: () => number
  #left: number
  #atMs: number

  constructor(perSecond: number, nowMs: () => number) {
    this.#perSecond = perSecond
    this.#nowMs = nowMs
    this.#left = perSecond * heldSeconds
    this.#atMs = nowMs()
  }

  /** Undefined: taken. Else after how many seconds there is room again. */
  take(count: number): number | undefined {
    const nowMs = this.#nowMs()
    const filled = this.#left + ((nowMs - this.#atMs) / 1000) * this.#perSecond
    this.#left = Math.min(this.#perSecond * heldSeconds, filled)
    this.#atMs = nowMs
    const wanted = Math.min(count, this.#perSecond * heldSeconds)
    if (this.#left >= wanted) {
      this.#left -= count
      return undefined
    }
    return Math.max(1, Math.ceil((wanted - this.#left) / this.#perSecond))
  }
}
