// A bounded queue before the engine: so many statements at once, the rest wait in order, and too many are refused.

import { exceptions } from './exception.js'

export class Lane {
  private free: number
  private readonly waiting: (() => void)[] = []
  private readonly maxWaiting: number

  constructor(width: number, maxWaiting: number) {
    this.free = width
    this.maxWaiting = maxWaiting
  }

  /** Resolves with the function that gives the place back. */
  async enter(): Promise<() => void> {
    if (this.free > 0) this.free--
    else {
      if (this.waiting.length >= this.maxWaiting) throw exceptions.tooManyQueries()
      // The place is handed over and never counted as free in between, so nobody overtakes.
      await new Promise<void>(resolve => this.waiting.push(resolve))
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
