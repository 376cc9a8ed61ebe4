// History in memory: returns the rows that ClickHouse returns in the pipeline, made from the rows of the
// core.
// Invariant: an answer is the net per (event, meter, subscription, price, charge), where the event counts are not 0: what
// a GROUP BY over `rated_usage` yields.

import { compositeKey } from '../../schemas/identifiers.js'
import type { RatedUsageRow } from '../../schemas/tables.js'
import type { HistoryAnswer, HistoryRequest, HistoryRow } from '../core/core.js'

interface Net {
  readonly row: RatedUsageRow
  count: number
  amount: bigint
}

export class MemoryHistory {
  readonly #byCustomer = new Map<string, Map<string, Net>>()

  add(row: RatedUsageRow): void {
    let customer = this.#byCustomer.get(row.customerId)
    if (customer === undefined) {
      customer = new Map()
      this.#byCustomer.set(row.customerId, customer)
    }
    const key = compositeKey(
      row.eventSource,
      row.eventId,
      row.meter,
      row.subscriptionId,
      row.price,
      row.chargeId,
    )
    const net = customer.get(key)
    if (net === undefined) customer.set(key, { row, count: row.eventCount, amount: row.amount })
    else {
      net.count += row.eventCount
      net.amount += row.amount
    }
  }

  answer(request: HistoryRequest): HistoryAnswer {
    const rows: HistoryRow[] = []
    for (const { row, count, amount } of this.#byCustomer.get(request.customerId)?.values() ?? []) {
      if (count === 0 || row.eventTimeNs < request.fromNs) continue
      rows.push({
        source: row.eventSource,
        id: row.eventId,
        type: row.eventType,
        timeNs: row.eventTimeNs,
        ingestedAtMs: row.ingestedAtMs,
        pinnedSubscriptionId: row.pinnedSubscriptionId,
        correlationId: row.correlationId,
        traceparent: row.traceparent,
        meter: row.meter,
        value: row.value,
        dimensions: row.dimensions,
        // The first row of a net may be one that was taken back; the reading's sign is that of a row that adds.
        quantity: row.eventCount < 0 ? -row.quantity : row.quantity,
        subscriptionId: row.subscriptionId,
        price: row.price,
        chargeId: row.chargeId,
        amount,
      })
    }
    return { requestId: request.requestId, rows }
  }
}
