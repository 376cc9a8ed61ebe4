// Reads a customer's rated usage back from ClickHouse, for rating it again under other terms.
// Invariant: nothing is read before the sink has delivered the ledger up to the sequence asked for, so what is read is
// whole. What is read: sinks/clickhouse/rated-history.ts.

import type { ClickHouseClient } from '@clickhouse/client'
import { readRatedHistory } from '../../sinks/clickhouse/rated-history.js'
import type { HistoryRequest, HistoryRow } from '../core/ports/core-io.js'
import type { HistorySource } from '../engine/history-desk.js'

export interface ClickHouseHistoryOptions {
  /** Its session database holds `rated_usage`. */
  readonly clickhouse: ClickHouseClient
  /** The deliverer of the ledger to ClickHouse. */
  readonly delivery: { waitUntilDelivered(sequence: number, signal: AbortSignal): Promise<void> }
  /** Queries at a time. Default 4. */
  readonly maxParallel?: number
}

export class ClickHouseHistory implements HistorySource {
  readonly #options: ClickHouseHistoryOptions
  readonly #queue: (() => void)[] = []
  #free: number

  constructor(options: ClickHouseHistoryOptions) {
    this.#options = options
    this.#free = options.maxParallel ?? 4
  }

  async rowsOf(
    request: HistoryRequest,
    ledgerSeq: number,
    signal: AbortSignal,
  ): Promise<readonly HistoryRow[]> {
    await this.#options.delivery.waitUntilDelivered(ledgerSeq, signal) // the invariant
    await this.#enter(signal)
    try {
      return await readRatedHistory(this.#options.clickhouse, request, signal)
    } finally {
      this.#leave()
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>(resolve => this.#queue.push(resolve))
    if (!signal.aborted) return
    this.#leave()
    signal.throwIfAborted()
  }

  #leave(): void {
    const next = this.#queue.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}
