// Which partitions of this process are about to commit: whoever gathers their commits into one insert waits for those
// rather than for a time. Only ever a hint: other processes commit too, and a commit may fail.

export class CommitsUnderWay {
  /** Numbers of the batches, in the order in which they began. */
  readonly #active = new Set<number>()
  #newest = 0
  readonly #callbacks = new Set<() => void>()

  /** Number of the batch that began last. */
  get newest(): number {
    return this.#newest
  }

  /** Whether a batch that began no later than that one has not ended yet. */
  hasUpTo(number: number): boolean {
    const [oldest] = this.#active
    return oldest !== undefined && oldest <= number
  }

  /** A batch is being processed. The returned function says that its commit is stored or never will be. */
  begin(): () => void {
    this.#newest += 1
    const number = this.#newest
    this.#active.add(number)
    return () => {
      if (this.#active.delete(number)) for (const callback of [...this.#callbacks]) callback()
    }
  }

  /** Calls back whenever one has ended, until taken back by the returned function. */
  onEnd(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }
}
