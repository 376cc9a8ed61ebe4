// Says up to which arrival changes and usage may be processed with the catalogs that a partition has taken. A schema of a type of
// event judges what arrives `schemaLeadMs` after its catalog did; so whatever arrived less than that after an instant up to which
// all catalogs are taken is judged as every other reading of the streams judges it.
//
// Invariants:
// 1. What is let through arrived less than `schemaLeadMs`, without what clocks of servers may differ by, after a message that this
//    process held when it asked for the end of CATALOG; the catalogs up to that end were taken before or are taken with it.
// 2. No message waits for a clock: the gate asks anew when a message needs it, and each answer lets through all that is held.

import { schemaLeadMs } from '../core/step/schema-book.js'

/** By how much the clocks of two servers that store messages may differ. */
const clocksDifferMs = 10_000
/** Asks again well before the gate closes, so that usage that comes all the time never waits for an answer. */
const askAfterMs = 20_000
const againMs = 500

export interface CatalogGateOptions {
  /** The sequence of the newest catalog that the stream holds. */
  readonly readEnd: () => Promise<number>
  readonly onAnswer: () => void
  readonly onInterruption: (detail: string) => void
}

export class CatalogGate {
  readonly #options: CatalogGateOptions
  /** Catalogs that arrived until then are at most `end`. */
  #knownUntilMs = Number.NEGATIVE_INFINITY
  #end = 0
  #asking = false
  #stopped = false

  constructor(options: CatalogGateOptions) {
    this.#options = options
  }

  /** The catalogs up to here go before anything that the gate lets through. */
  get end(): number {
    return this.#end
  }

  /** Whether everything that arrived until then may be processed once catalogs are taken up to `end`. */
  letsThrough(newestArrivedAtMs: number | undefined): boolean {
    if (newestArrivedAtMs === undefined) return true
    if (newestArrivedAtMs - this.#knownUntilMs > askAfterMs && !this.#asking)
      void this.#ask(newestArrivedAtMs)
    return newestArrivedAtMs - this.#knownUntilMs < schemaLeadMs - clocksDifferMs
  }

  stop(): void {
    this.#stopped = true
  }

  /** A message that arrived then is held here, so that every catalog that arrived before it is stored by now. */
  async #ask(arrivedAtMs: number): Promise<void> {
    this.#asking = true
    try {
      const end = await this.#options.readEnd()
      this.#end = Math.max(this.#end, end)
      this.#knownUntilMs = Math.max(this.#knownUntilMs, arrivedAtMs)
      this.#asking = false
      if (!this.#stopped) this.#options.onAnswer()
    } catch (error) {
      if (this.#stopped) return
      this.#options.onInterruption(
        `the end of CATALOG: ${error instanceof Error ? error.message : String(error)}`,
      )
      setTimeout(() => {
        this.#asking = false
        if (!this.#stopped) this.#options.onAnswer()
      }, againMs).unref()
    }
  }
}
