// Prefetches messages for the sink and cuts them into ranges: when one is full by bytes or messages, after
// the pace (twice what the sink took for the last range), or earlier when no commit under way can add more.
// Invariants: messages leave in the order they came; at most the buffer and one message are held; an
// interrupted reading goes on after the last held message; a failure is thrown once all of them are cut.

import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { CommitsUnderWay } from '../ledger/commits-under-way.js'
import type { DeliverLimits } from './deliver-limits.js'
import { FeedFailure } from './delivery-lease.js'
import type { ReadMessage } from './read-feed.js'

export type OpenFeed = (fromSequence: number, signal: AbortSignal) => AsyncIterable<ReadMessage>

export class RangeCutter {
  readonly #open: OpenFeed
  readonly #limits: DeliverLimits
  readonly #onInterrupted: (error: unknown) => void
  readonly #underWay: CommitsUnderWay | undefined
  readonly #stop = new AbortController()
  readonly #held: { message: ReadMessage; atMs: number }[] = []
  readonly #waiters = new Set<() => void>()
  readonly #pump: Promise<void>
  #heldBytes = 0
  #lastCutMs = Number.NEGATIVE_INFINITY
  #paceMs: number
  #lastCommitMs = Number.NEGATIVE_INFINITY
  /** A cut waits for commits up to this one, begun by the first message's arrival; later ones never end. */
  #awaitedUpTo = 0
  #nextSequence: number
  #behind = 0
  #failure: FeedFailure | undefined

  constructor(
    open: OpenFeed,
    fromSequence: number,
    limits: DeliverLimits,
    onInterrupted: (error: unknown) => void,
    underWay?: CommitsUnderWay,
  ) {
    this.#open = open
    this.#limits = limits
    this.#paceMs = limits.paceMinMs
    this.#onInterrupted = onInterrupted
    this.#underWay = underWay
    this.#nextSequence = fromSequence
    this.#pump = this.#readOn()
  }

  /** Messages that are held here or wait in the stream, as far as is known. */
  get behind(): number {
    return this.#behind + this.#held.length
  }

  /** When the oldest message that is held here was stored. */
  get oldestStoredAtMs(): number | undefined {
    return this.#held[0]?.message.storedAtMs
  }

  /** Whether `next` would answer at once. */
  get ready(): boolean {
    if (this.#held.length === 0) return false
    return this.#full() || this.#failure !== undefined || (this.#untilCutMs() ?? 0) <= 0
  }

  /** The messages of the next range; none when the signal ended the wait. */
  async next(signal: AbortSignal): Promise<ReadMessage[]> {
    const { paceMinMs, paceMaxMs } = this.#limits
    // The caller has applied the last range, so this is how long the sink took; it is busy half of the pace.
    const tookMs = performance.now() - this.#lastCutMs
    this.#paceMs = Number.isFinite(tookMs) ? Math.min(paceMaxMs, Math.max(paceMinMs, 2 * tookMs)) : paceMinMs
    while (!this.ready) {
      if (signal.aborted) return []
      if (this.#failure !== undefined) throw this.#failure
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
    const takeBack = this.#underWay?.onEnd(() => {
      this.#lastCommitMs = performance.now()
      this.#wake()
    })
    signal.addEventListener('abort', () => takeBack?.(), { once: true })
    let failures = 0
    while (!signal.aborted) {
      try {
        for await (const message of this.#open(this.#nextSequence, signal)) {
          failures = 0
          if (this.#held.length === 0) this.#awaitedUpTo = this.#underWay?.newest ?? 0
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
        if (error instanceof FeedFailure) {
          this.#failure = error
          return this.#wake()
        }
        failures += 1
        this.#onInterrupted(error)
        await pauseFor(backOffMs(failures, this.#limits, 1), signal)
      }
    }
  }

  /** Until the awaited commits are here and the last cut is a pace ago; a pace after the first at most. */
  #untilCutMs(): number | undefined {
    const first = this.#held[0]
    if (first === undefined) return undefined
    const { settleMs } = this.#limits
    const latestMs = first.atMs + Math.max(settleMs, this.#paceMs)
    const isAwaited = this.#underWay?.hasUpTo(this.#awaitedUpTo) === true
    const settledMs = isAwaited ? latestMs : this.#lastCommitMs + settleMs
    const soonestMs = Math.max(first.atMs + settleMs, settledMs, this.#lastCutMs + this.#paceMs)
    return Math.min(latestMs, soonestMs) - performance.now()
  }

  #full(): boolean {
    return this.#heldBytes >= this.#limits.rangeBytes || this.#held.length >= this.#limits.rangeMessages
  }

  #cut(): ReadMessage[] {
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
    this.#awaitedUpTo = this.#underWay?.newest ?? 0
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
