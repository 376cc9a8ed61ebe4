// Reads a customer's rated usage back: the net of the rows of each event on each charge.
// Invariants:
// 1. Amounts are read as exact decimals, never as floating-point numbers.
// 2. Rows that were taken back are not in the result: their counts cancel out.

import type { ClickHouseClient } from '@clickhouse/client'
import type { EventInput } from '../../schemas/event/event-input.js'
import { parseDecimal, type Scaled } from '../../schemas/money/decimal.js'

/** The net of the rows of one (event, meter, subscription, price, charge). */
export interface RatedNet {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly timeNs: bigint
  readonly ingestedAtMs: number
  readonly pinnedSubscriptionId: string
  readonly correlationId: string
  readonly traceparent: string
  readonly input: EventInput
  readonly meter: string
  /** The reading as text. */
  readonly value: string
  readonly dimensions: ReadonlyMap<string, string>
  /** The reading. */
  readonly quantity: Scaled
  readonly subscriptionId: string
  readonly price: string
  readonly chargeId: string
  readonly amount: Scaled
  /** The sum of the event counts; never 0. */
  readonly count: number
}

export interface RatedHistoryQuery {
  readonly customerId: string
  readonly fromNs: bigint
  /** Only rows of these commits of the partition; without it all that are there. */
  readonly upTo?: { readonly partition: number; readonly commit: number }
}

export async function readRatedHistory(
  clickhouse: ClickHouseClient,
  { customerId, fromNs, upTo }: RatedHistoryQuery,
  signal: AbortSignal,
): Promise<RatedNet[]> {
  const result = await clickhouse.query({
    query: historyQuery(upTo === undefined ? '' : bound),
    format: 'JSONCompactEachRow',
    query_params: { customer: customerId, from: fromNs.toString(), ...upTo },
    clickhouse_settings: exactNumbers,
    abort_signal: signal,
  })
  const rows: RatedNet[] = []
  for await (const chunk of result.stream<AnswerRow>()) {
    for (const row of chunk) rows.push(ratedNet(row.json()))
  }
  return rows
}

/** Decimals as text, which keeps every digit (invariant 1). */
export const exactNumbers = {
  output_format_json_quote_decimals: 1,
  output_format_json_quote_64bit_integers: 0,
} as const

const bound = 'AND r.partition = {partition: UInt32} AND r.ledger_sequence <= {commit: UInt64}'

/**
 * What is told of an event is taken from the last row that adds it, because an amendment may have changed it. The bounds are
 * instants as they were written.
 */
const historyQuery = (more: string) => `
WITH argMaxIf((
    r.event_type, r.event_time, r.ingested_at, r.pinned_subscription_id, r.correlation_id, r.traceparent, r.value,
    r.dimensions, r.input_stream, r.input_sequence
  ), r.ledger_sequence, r.event_count > 0) AS last
SELECT event_source, event_id, last.1, toString(toUnixTimestamp64Nano(last.2)), toUnixTimestamp64Milli(last.3),
  last.4, last.5, last.6, meter, last.7, last.8, sum(r.quantity), subscription_id, price, charge_id, sum(r.amount),
  toInt32(sum(event_count)) AS counted, last.9, last.10
FROM rated_usage AS r
WHERE customer_id = {customer: String} AND r.event_time >= fromUnixTimestamp64Nano({from: Int64}, 'UTC') ${more}
GROUP BY event_source, event_id, meter, subscription_id, price, charge_id
HAVING counted != 0`

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
  count: number,
  inputStream: EventInput['stream'],
  inputSequence: number,
]

function ratedNet(row: AnswerRow): RatedNet {
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
    input: { stream: row[17], sequence: row[18] },
    meter,
    value,
    dimensions: new Map(Object.entries(dimensions)),
    quantity: scaled(quantity),
    subscriptionId,
    price,
    chargeId,
    amount: scaled(amount),
    count: row[16],
  }
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`ClickHouse answered ${text} where a decimal belongs`)
  return parsed.value
}
