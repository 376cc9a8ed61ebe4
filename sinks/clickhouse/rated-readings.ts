// Reads back what meters read of the events that stand rated, a page at a time: the usage of a replay by other terms.
// Invariants:
// 1. Each event that stands rated comes once, with one line per meter, in one page; what was taken back cancels out.
// 2. A page is a day and a range of the 512 groups of customers, as the table is ordered, so that it is read by the key and
//    has a bounded number of rows, however many there are in all. A single group of a day is never cut.
// 3. Numbers are read as text, never as floating-point numbers.

import type { ClickHouseClient } from '@clickhouse/client'
import { exactNumbers } from './rated-history.js'

export interface ReadingsQuery {
  readonly partition: number
  /** Rows of later commits are left out. */
  readonly commit: number
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** Meters whose readings are also wanted from before `fromNs`. */
  readonly metersFromBefore: readonly string[]
  readonly customerId?: string
}

export interface ReadingsPage {
  /** Such as `2026-10-01`. */
  readonly day: string
  readonly firstGroup: number
  readonly lastGroup: number
  /** About how many rows of the table it reads. */
  readonly rows: number
}

/** Groups of customers in the order of `rated_usage` (migrations/0001_tables.sql). */
const groups = 512
const rowsOfPage = 200_000

export async function readingsPages(
  clickhouse: ClickHouseClient,
  query: ReadingsQuery,
  signal: AbortSignal,
  most = rowsOfPage,
): Promise<ReadingsPage[]> {
  const result = await clickhouse.query({
    query: `SELECT toString(toDate32(event_time)) AS day, toFloat64(count()) AS rows FROM rated_usage AS r
      WHERE ${wanted(query)} GROUP BY day ORDER BY day`,
    format: 'JSONEachRow',
    query_params: parameters(query),
    abort_signal: signal,
  })
  const days = await result.json<{ day: string; rows: number }>()
  return days.flatMap(({ day, rows }) => {
    const parts = Math.min(groups, Math.max(1, Math.ceil(rows / most)))
    return Array.from({ length: parts }, (_, part) => ({
      day,
      firstGroup: Math.floor((part * groups) / parts),
      lastGroup: Math.floor(((part + 1) * groups) / parts) - 1,
      rows: rows / parts,
    }))
  })
}

/** Whole lines: `[source, id, type, time, arrival, customer, subscription, correlation, trace, meter, value, dimensions, quantity]`. */
export async function* readReadings(
  clickhouse: ClickHouseClient,
  query: ReadingsQuery,
  { day, firstGroup, lastGroup }: ReadingsPage,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { stream } = await clickhouse.exec({
    query: `${readingsQuery(query)} FORMAT JSONCompactEachRow`,
    query_params: { ...parameters(query), day, firstGroup, lastGroup },
    clickhouse_settings: exactNumbers,
    abort_signal: signal,
  })
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const joined = Buffer.concat([rest, chunk])
    const end = joined.lastIndexOf(0x0a) + 1
    if (end > 0) yield Uint8Array.from(joined.subarray(0, end))
    rest = joined.subarray(end)
  }
  if (rest.length > 0)
    throw new Error(`ClickHouse ended in the middle of a line: ${rest.toString('utf8', 0, 300)}`)
}

/** The lines of an event follow one another, and whoever cuts them must keep them together. */
const readingsQuery = (query: ReadingsQuery) => `
SELECT event_source, event_id, event_type, toString(toUnixTimestamp64Nano(r.event_time)),
  toUnixTimestamp64Milli(any(ingested_at)), r.customer_id, any(pinned_subscription_id), any(correlation_id),
  any(traceparent), meter, value, any(dimensions), anyIf(r.quantity, event_count > 0)
FROM rated_usage AS r
WHERE toDate32(r.event_time) = toDate32({day: String})
  AND cityHash64(r.customer_id) % ${groups} BETWEEN {firstGroup: UInt16} AND {lastGroup: UInt16}
  AND ${wanted(query)}
GROUP BY r.customer_id, r.event_time, event_source, event_id, event_type, meter, value, toString(dimensions)
HAVING sum(event_count) > 0
ORDER BY r.event_time, event_source, event_id, meter`

function wanted({ customerId }: ReadingsQuery): string {
  const from = "r.event_time >= fromUnixTimestamp64Nano({from: Int64}, 'UTC')"
  const customer = customerId === undefined ? '' : 'AND r.customer_id = {customer: String}'
  return `r.partition = {partition: UInt32} AND r.ledger_sequence <= {commit: UInt64} AND event_count != 0
    AND r.event_time < fromUnixTimestamp64Nano({until: Int64}, 'UTC')
    AND (${from} OR meter IN ({before: Array(String)})) ${customer}`
}

function parameters(query: ReadingsQuery) {
  const { partition, commit, fromNs, untilNs, metersFromBefore, customerId } = query
  const customer = customerId === undefined ? {} : { customer: customerId }
  const [from, until] = [fromNs.toString(), untilNs.toString()]
  return { partition, commit, from, until, before: metersFromBefore, ...customer }
}
