// Counts the commits of this process that are about to be stored: a feed that gathers commits into one insert
// waits for these, not for a fixed time. It is only a hint: other processes commit too, and a commit may
// fail.

export class CommitsUnderWay {
  /** Numbers of the steps (calls of the core) that have begun, in their order. */
  readonly #active = new Set<number>()
  #newest = 0
  readonly #callbacks = new Set<() => void>()

  /** Number of the step that began last. */
  get newest(): number {
    return this.#newest
  }

  /** Whether a step up to this number has not ended yet. */
  hasUpTo(number: number): boolean {
    const [oldest] = this.#active
    return oldest !== undefined && oldest <= number
  }

  /** Begins a step. The caller calls the returned function once its commit is stored or never will be. */
  begin(): () => void {
    this.#newest += 1
    const number = this.#newest
    this.#active.add(number)
    return () => {
      if (this.#active.delete(number)) for (const callback of [...this.#callbacks]) callback()
    }
  }

  /** Calls back whenever a step has ended, until the returned function is called. */
  onEnd(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }
}
