// Decides whose large body is parsed next. Parsing one blocks the event loop, so callers take turns: one body at a time,
// with other work of the loop in between.
// Invariant: a caller waits for at most one body of each other caller, however many those have sent.

import { setImmediate as nextTurn } from 'node:timers/promises'

export class Turns {
  /** Waiting requests by caller, in the order of the callers' arrival; after its turn a caller goes to the end. */
  readonly #waiting = new Map<string, (() => void)[]>()
  #isRunning = false

  /** Resolves when it is this caller's turn, which lasts until its work yields the event loop. */
  take(caller: string): Promise<void> {
    return new Promise(resolve => {
      const queue = this.#waiting.get(caller)
      if (queue === undefined) this.#waiting.set(caller, [resolve])
      else queue.push(resolve)
      if (!this.#isRunning) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      next()
      await nextTurn()
    }
    this.#isRunning = false
  }

  #next(): (() => void) | undefined {
    const [first] = this.#waiting
    if (first === undefined) return undefined
    const [caller, queue] = first
    this.#waiting.delete(caller)
    const next = queue.shift()
    if (queue.length > 0) this.#waiting.set(caller, queue)
    return next
  }
}
