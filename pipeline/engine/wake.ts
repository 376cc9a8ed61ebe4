// A wake-up signal: `ring` wakes the waiting caller; if nobody waits, the next wait returns at once.

export class Wake {
  #rung = false
  #waiting: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#waiting?.()
  }

  /** Resolves at the next ring or time-out, at once if it rang since the last wait. One caller at a time. */
  wait(timeoutMs: number): Promise<void> {
    if (this.#rung) {
      this.#rung = false
      return Promise.resolve()
    }
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer)
        this.#waiting = undefined
        this.#rung = false
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      this.#waiting = done
    })
  }
}
