// A bounded queue in front of the engine: it lets a number of statements run at once, keeps further ones waiting in order,
// and refuses those beyond its limit.

import { exceptions } from './exception.js'

export class StatementQueue {
  private free: number
  private readonly waiting: (() => void)[] = []
  private readonly maxWaiting: number

  constructor(width: number, maxWaiting: number) {
    this.free = width
    this.maxWaiting = maxWaiting
  }

  /**
   * Resolves when the statement may run, with the function to call when it has ended. Throws when it is stopped
   * (`signal`) before its turn.
   */
  async enter(signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted) throw exceptions.cancelled()
    if (this.free > 0) this.free--
    else {
      if (this.waiting.length >= this.maxWaiting) throw exceptions.tooManyQueries()
      // The place is handed over and never counted as free in between, so nobody overtakes.
      await new Promise<void>((resolve, reject) => {
        const turn = () => {
          signal?.removeEventListener('abort', stop)
          resolve()
        }
        const stop = () => {
          this.waiting.splice(this.waiting.indexOf(turn), 1)
          reject(exceptions.cancelled())
        }
        signal?.addEventListener('abort', stop, { once: true })
        this.waiting.push(turn)
      })
    }
    let left = false
    return () => {
      if (left) return
      left = true
      const next = this.waiting.shift()
      if (next === undefined) this.free++
      else next()
    }
  }
}
