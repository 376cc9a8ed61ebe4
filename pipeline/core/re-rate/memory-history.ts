// History in memory: returns the rows that ClickHouse returns in the pipeline, made from the rows of the
// core.
// Invariant: an answer is the net per (event, meter, subscription, price, charge), where the event counts are not 0: what
// a GROUP BY over `rated_usage` yields.

import type { EventInput } from '../../../schemas/event/event-input.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { RatedUsageRow } from '../../../schemas/tables.js'
import type { HistoryAnswer, HistoryRequest, HistoryRow } from '../ports/core-io.js'

interface Net {
  /** The last row that adds the event, or one that takes it back. */
  row: RatedUsageRow
  count: number
  amount: bigint
}

/** A net of a database, and the sum of its event counts. */
export type CountedHistoryRow = HistoryRow & { readonly count: number }

export class MemoryHistory {
  readonly #byCustomer = new Map<string, Map<string, Net>>()

  add(row: RatedUsageRow): void {
    let customer = this.#byCustomer.get(row.customerId)
    if (customer === undefined) {
      customer = new Map()
      this.#byCustomer.set(row.customerId, customer)
    }
    const key = netKey(row.eventSource, row.eventId, row)
    const net = customer.get(key)
    if (net === undefined) customer.set(key, { row, count: row.eventCount, amount: row.amount })
    else {
      net.count += row.eventCount
      net.amount += row.amount
      if (row.eventCount > 0) net.row = row
    }
  }

  /** How many nets are kept. */
  get size(): number {
    let size = 0
    for (const nets of this.#byCustomer.values()) size += nets.size
    return size
  }

  /** `stored`: what a database holds of the customer; the rows that were added here come on top of it. */
  answer(request: HistoryRequest, stored: readonly CountedHistoryRow[] = []): HistoryAnswer {
    const rows: HistoryRow[] = []
    const nets = this.#byCustomer.get(request.customerId)
    const before = new Map<string, CountedHistoryRow>()
    for (const one of stored) {
      const key = netKey(one.source, one.id, one)
      if (nets?.has(key) === true) before.set(key, one)
      else if (one.count !== 0) rows.push(one)
    }
    for (const [key, { row, ...net }] of nets ?? []) {
      const there = before.get(key)
      const count = net.count + (there?.count ?? 0)
      const amount = net.amount + (there?.amount ?? 0n)
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
        input: { stream: row.inputStream, sequence: row.inputSequence } as EventInput,
        meter: row.meter,
        value: row.value,
        dimensions: row.dimensions,
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

type Placed = Pick<HistoryRow, 'meter' | 'subscriptionId' | 'price' | 'chargeId'>

function netKey(source: string, id: string, { meter, subscriptionId, price, chargeId }: Placed): string {
  return compositeKey(source, id, meter, subscriptionId, price, chargeId)
}
