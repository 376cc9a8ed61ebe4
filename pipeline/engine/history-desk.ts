// Fetches the history that the core asks for while the partition goes on; the answer goes into the next step.
//
// Invariants:
// 1. A request is fetched once at a time, and is repeated until it succeeds or the session ends.
// 2. The rows include everything that was committed before the core reported the request.

import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { EngineLimits } from '../config/limits.js'
import type { HistoryAnswer, HistoryRequest, HistoryRow } from '../core/ports/core-io.js'

/** Reads rated usage back from the ClickHouse sink's tables. */
export interface HistorySource {
  /**
   * The customer's rated usage from `request.fromNs` on, complete up to `ledgerSeq`: the LEDGER stream sequence that
   * the sink must have passed. Waits for the sink. Throws when it cannot be had now.
   */
  rowsOf(request: HistoryRequest, ledgerSeq: number, signal: AbortSignal): Promise<readonly HistoryRow[]>
}

export class HistoryDesk {
  readonly #source: HistorySource
  readonly #limits: EngineLimits
  readonly #signal: AbortSignal
  readonly #onAnswer: () => void
  readonly #onRetry: (detail: string) => void
  readonly #open = new Set<string>()
  #answers: HistoryAnswer[] = []

  constructor(options: {
    readonly source: HistorySource
    readonly limits: EngineLimits
    readonly signal: AbortSignal
    readonly onAnswer: () => void
    readonly onRetry: (detail: string) => void
  }) {
    this.#source = options.source
    this.#limits = options.limits
    this.#signal = options.signal
    this.#onAnswer = options.onAnswer
    this.#onRetry = options.onRetry
  }

  /** Number of requests under way and of answers not yet processed. */
  get count(): number {
    return this.#open.size
  }

  get hasAnswers(): boolean {
    return this.#answers.length > 0
  }

  /** `ledgerSeq`: the sequence of the last row committed by the time the requests were reported. */
  ask(requests: readonly HistoryRequest[], ledgerSeq: number): void {
    for (const request of requests) {
      if (this.#open.has(request.requestId)) continue
      this.#open.add(request.requestId)
      void this.#fetch(request, ledgerSeq)
    }
  }

  takeAnswers(): readonly HistoryAnswer[] {
    const answers = this.#answers
    this.#answers = []
    return answers
  }

  /** To be called when the core has processed these answers: their requests are no longer open. */
  settled(answers: readonly HistoryAnswer[]): void {
    for (const { requestId } of answers) this.#open.delete(requestId)
  }

  async #fetch(request: HistoryRequest, ledgerSeq: number): Promise<void> {
    for (let failures = 1; !this.#signal.aborted; failures += 1) {
      try {
        const rows = await this.#source.rowsOf(request, ledgerSeq, this.#signal)
        this.#answers.push({ requestId: request.requestId, rows })
        this.#onAnswer()
        return
      } catch (error) {
        if (this.#signal.aborted) return
        this.#onRetry(
          `history of ${request.customerId}: ${error instanceof Error ? error.message : String(error)}`,
        )
        await pauseFor(backOffMs(failures, this.#limits), this.#signal)
      }
    }
  }
}
