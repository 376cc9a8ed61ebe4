// The time that some work may take: a signal that fires when it has passed, or earlier with another signal.
//
// `AbortSignal.any` holds an `AbortSignal.timeout` only weakly in Node 20, and a timeout that is collected as garbage never
// fires. So the timer here holds the signal.
// Invariant: `end` is called when the work has ended, so that neither the timer nor the other signal keeps anything.

import { setMaxListeners } from 'node:events'
import type { AttemptSignal } from './http/attempt-signal.js'

export class Deadline {
  readonly signal: AttemptSignal
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #other: AbortSignal
  readonly #onOther: () => void
  readonly #ms: number
  #hasPassed = false

  constructor(ms: number, other: AbortSignal) {
    this.#ms = ms
    this.#other = other
    this.signal = Object.assign(this.#controller.signal, { endsAtMs: Date.now() + ms })
    this.#onOther = () => this.#controller.abort(other.reason)
    this.#timer = setTimeout(
      () => {
        this.#hasPassed = true
        this.#controller.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError'))
      },
      Math.max(0, ms),
    )
    this.#timer.unref()
    setMaxListeners(0, this.signal, other) // a page has many requests within one deadline
    if (other.aborted) this.#onOther()
    else other.addEventListener('abort', this.#onOther, { once: true })
  }

  /** Whether it was the time that fired the signal. */
  get hasPassed(): boolean {
    return this.#hasPassed
  }

  /** The time begins anew: the work goes on. */
  putOff(): void {
    this.#timer.refresh()
    Object.assign(this.signal, { endsAtMs: Date.now() + this.#ms })
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#other.removeEventListener('abort', this.#onOther)
  }
}
