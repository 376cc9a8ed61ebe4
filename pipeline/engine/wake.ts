// A bell: whoever waits is woken, and a ring while nobody waits is kept for the next one.

export class Wake {
  #rung = false
  #waiting: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#waiting?.()
  }

  /** Resolves at the next ring, at once if it rang since the last wait, or after so long. One waits at a time. */
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
