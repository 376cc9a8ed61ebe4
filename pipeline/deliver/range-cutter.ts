// Reads ahead of the sink and cuts what was read into ranges: by bytes, by messages, or when the first has waited; a
// message that comes alone after a quiet time hardly waits.
// Invariants: messages leave in the order they came; what is held never exceeds the buffer by more than one message;
// an interrupted reading goes on behind the last message held.

import type { FeedMessage } from '../../sinks/sink.js'
import { backOffMs, pauseFor } from './back-off.js'
import type { DeliverLimits } from './deliver-limits.js'
import type { ReadMessage } from './read-feed.js'

export type OpenFeed = (fromSequence: number, signal: AbortSignal) => AsyncIterable<ReadMessage>

export class RangeCutter {
  readonly #open: OpenFeed
  readonly #limits: DeliverLimits
  readonly #onInterrupted: (error: unknown) => void
  readonly #stop = new AbortController()
  readonly #held: { message: FeedMessage; atMs: number }[] = []
  readonly #waiters = new Set<() => void>()
  readonly #pump: Promise<void>
  #heldBytes = 0
  #lastCutMs = Number.NEGATIVE_INFINITY
  #nextSequence: number
  #behind = 0

  constructor(
    open: OpenFeed,
    fromSequence: number,
    limits: DeliverLimits,
    onInterrupted: (error: unknown) => void,
  ) {
    this.#open = open
    this.#limits = limits
    this.#onInterrupted = onInterrupted
    this.#nextSequence = fromSequence
    this.#pump = this.#readOn()
  }

  /** Messages that are held here or wait in the stream, as far as is known. */
  get behind(): number {
    return this.#behind + this.#held.length
  }

  /** Whether `next` would answer at once. */
  get ready(): boolean {
    return this.#held.length > 0 && (this.#full() || (this.#untilCutMs() ?? 0) <= 0)
  }

  /** The messages of the next range; none when the signal ended the wait. */
  async next(signal: AbortSignal): Promise<FeedMessage[]> {
    while (!this.ready) {
      if (signal.aborted) return []
      await this.#changed(signal, this.#untilCutMs())
    }
    return this.#cut()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake()
    await this.#pump
  }

  async #readOn(): Promise<void> {
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      try {
        for await (const message of this.#open(this.#nextSequence, signal)) {
          failures = 0
          this.#held.push({ message, atMs: performance.now() })
          this.#heldBytes += message.bytes.byteLength
          this.#nextSequence = message.sequence + 1
          this.#behind = message.pending
          this.#wake()
          while (this.#heldBytes >= this.#limits.bufferBytes && !signal.aborted) await this.#changed(signal)
          if (signal.aborted) break
        }
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        this.#onInterrupted(error)
        await pauseFor(backOffMs(failures, this.#limits, 1), signal)
      }
    }
  }

  /** Behind a recent cut, until that one is `lingerMs` old; else just until what belongs together is here. */
  #untilCutMs(): number | undefined {
    const first = this.#held[0]
    if (first === undefined) return undefined
    const { lingerMs, settleMs } = this.#limits
    const soonestMs = Math.max(first.atMs + settleMs, this.#lastCutMs + lingerMs)
    return Math.min(first.atMs + lingerMs, soonestMs) - performance.now()
  }

  #full(): boolean {
    return this.#heldBytes >= this.#limits.rangeBytes || this.#held.length >= this.#limits.rangeMessages
  }

  #cut(): FeedMessage[] {
    this.#lastCutMs = performance.now()
    let bytes = 0
    let count = 0
    for (const { message } of this.#held) {
      if (count === this.#limits.rangeMessages || bytes >= this.#limits.rangeBytes) break
      bytes += message.bytes.byteLength
      count += 1
    }
    this.#heldBytes -= bytes
    const cut = this.#held.splice(0, count).map(held => held.message)
    this.#wake()
    return cut
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter()
  }

  /** Resolves at the next change, at the end of the wait, or when the signal fires. */
  #changed(signal: AbortSignal, waitMs?: number): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        this.#waiters.delete(done)
        signal.removeEventListener('abort', done)
        if (timer !== undefined) clearTimeout(timer)
        resolve()
      }
      const timer = waitMs === undefined ? undefined : setTimeout(done, Math.max(0, Math.ceil(waitMs)))
      this.#waiters.add(done)
      signal.addEventListener('abort', done, { once: true })
      if (signal.aborted) done()
    })
  }
}
