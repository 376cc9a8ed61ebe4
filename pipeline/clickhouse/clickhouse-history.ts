// Reads a customer's rated usage back from ClickHouse, for rating it again under other terms.
// Invariants:
// 1. Nothing is read before the sink has delivered the ledger up to the sequence asked for, so what is read is whole.
// 2. Amounts are read as exact decimals, never as floating-point numbers.
// 3. Rows that were taken back are not in the result: their counts cancel out.

import type { ClickHouseClient } from '@clickhouse/client'
import { parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
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
    await this.#options.delivery.waitUntilDelivered(ledgerSeq, signal) // invariant 1
    await this.#enter(signal)
    try {
      return await this.#read(request, signal)
    } finally {
      this.#leave()
    }
  }

  async #read(request: HistoryRequest, signal: AbortSignal): Promise<HistoryRow[]> {
    const result = await this.#options.clickhouse.query({
      query: historyQuery,
      format: 'JSONCompactEachRow',
      query_params: { customer: request.customerId, from: request.fromNs.toString() },
      clickhouse_settings: {
        output_format_json_quote_decimals: 1, // invariant 2
        output_format_json_quote_64bit_integers: 0,
      },
      abort_signal: signal,
    })
    const rows: HistoryRow[] = []
    for await (const chunk of result.stream<AnswerRow>()) {
      for (const row of chunk) rows.push(historyRow(row.json()))
    }
    return rows
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

/** What an event's rows have in common is taken from any of them; the bounds are instants as they were written. */
const historyQuery = `
SELECT event_source, event_id, any(event_type), toString(toUnixTimestamp64Nano(any(event_time))),
  toUnixTimestamp64Milli(any(ingested_at)), any(pinned_subscription_id), any(correlation_id), any(traceparent),
  meter, any(value), any(dimensions), sum(r.quantity), subscription_id, price, charge_id, sum(r.amount)
FROM rated_usage AS r
WHERE customer_id = {customer: String} AND r.event_time >= fromUnixTimestamp64Nano({from: Int64}, 'UTC')
GROUP BY event_source, event_id, meter, subscription_id, price, charge_id
HAVING sum(event_count) != 0`

type AnswerRow = [
  source: string,
  id: string,
  type: string,
  timeNs: string,
  ingestedAtMs: number,
  pinnedSubscriptionId: string,
  correlationId: string,
  traceparent: string,
  meter: string,
  value: string,
  dimensions: Record<string, string>,
  quantity: string,
  subscriptionId: string,
  price: string,
  chargeId: string,
  amount: string,
]

function historyRow(row: AnswerRow): HistoryRow {
  const [source, id, type, timeNs, ingestedAtMs, pinnedSubscriptionId, correlationId, traceparent] = row
  const [, , , , , , , , meter, value, dimensions, quantity, subscriptionId, price, chargeId, amount] = row
  return {
    source,
    id,
    type,
    timeNs: BigInt(timeNs),
    ingestedAtMs,
    pinnedSubscriptionId,
    correlationId,
    traceparent,
    meter,
    value,
    dimensions: new Map(Object.entries(dimensions)),
    quantity: scaled(quantity),
    subscriptionId,
    price,
    chargeId,
    amount: scaled(amount),
  }
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`ClickHouse answered ${text} where a decimal belongs`)
  return parsed.value
}
