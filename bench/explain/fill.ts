// Fills the tables of ClickHouse, over the real schema, with as many events as are asked for, by SQL: rated usage of
// customers over two months, duplicates, dead letters, versions, and for the first month charges, entries and deliveries.
// Invariant: everything follows from the number of the event, so that any event can be named and told again by arithmetic.

import type { ClickHouseClient } from '@clickhouse/client'

export interface Filling {
  readonly events: number
  readonly customers: number
  /** Messages of METERING that rows name as those that brought them. */
  readonly messages: number
}

/** Rows of one insert, about as many as a sink inserts under load. */
const insertRows = 500_000
const firstDay = '2026-01-01'
const days = 59
const amount = '0.000003'

/** Every so manieth event came twice, or was refused instead of rated. */
const duplicateEvery = 100
const refusedEvery = 1_000

export type EventKind = 'rated' | 'duplicate' | 'refused'

export function kindOf(event: number): EventKind {
  if (event % refusedEvery === 7) return 'refused'
  return event % duplicateEvery === 3 ? 'duplicate' : 'rated'
}

/** Source and id as `identitySql` makes them. */
export function identityQuery(events: readonly number[]): string {
  return `SELECT toUInt32(n) AS event, ${sourceSql} AS source, ${idSql} AS id, ${chargeSql} AS charge
    FROM (SELECT toUInt64(arrayJoin([${events.join(', ')}])) AS n, ${customerSql} AS c, ${monthSql} AS month)`
}

const sourceSql = `concat('api-', toString(n % 20))`
/** As random as the UUIDs of producers. */
const idSql = `lower(hex(sipHash128(n)))`
const customerSql = `sipHash64(n, 1) % {customers: UInt32}`
const daySql = `toUInt32(intDiv(n * ${days}, {events: UInt64}))`
const monthSql = `if(${daySql} < 31, 1, 2)`
const chargeSql = `concat('ch_', lower(hex(sipHash128(c, month))))`

const eventSql = `n, ${customerSql} AS c, ${monthSql} AS month, ${daySql} AS day,
  toDateTime64('${firstDay} 00:00:00', 9, 'UTC') + toIntervalDay(day) + toIntervalSecond(sipHash64(n, 2) % 86400) AS at,
  concat('customer-', toString(c)) AS customer, concat('sub-', toString(c)) AS subscription,
  toDateTime64(if(month = 1, '2026-01-01 00:00:00', '2026-02-01 00:00:00'), 9, 'UTC') AS month_from,
  toDateTime64(if(month = 1, '2026-02-01 00:00:00', '2026-03-01 00:00:00'), 9, 'UTC') AS month_until,
  1 + n % {messages: UInt32} AS message, toUInt32(c % 4) AS part, 1 + intDiv(n, 5000) AS commit`

const rangeSql = 'numbers({from: UInt64}, {count: UInt64})'
const events = `(SELECT number AS n, ${eventSql.slice(3)} FROM ${rangeSql})`

const ratedSql = `INSERT INTO rated_usage
  (event_source, event_id, event_type, event_time, ingested_at, rated_at, customer_id, subscription_id, subscription_version,
   plan, plan_version, price, meter, charge_id, period_from, period_until, value, quantity, amount, currency, kind,
   event_count, dimensions, input_stream, input_sequence, \`partition\`, ledger_sequence)
  SELECT ${sourceSql}, ${idSql}, 'llm.request', at, at, at, customer, subscription, 1, 'pro', 1, 'tokens', 'tokens',
    ${chargeSql}, month_from, month_until, '1', 1, ${amount}, 'USD', 'usage', 1, map('model', 'large'), 'METERING', message,
    part, commit
  FROM ${events} WHERE n % ${refusedEvery} != 7`

const outcomesSql = `INSERT INTO event_outcomes
  (event_source, event_id, event_type, customer_id, event_time, ingested_at, recorded_at, disposition, event_count,
   input_stream, input_sequence, \`partition\`, ledger_sequence)
  SELECT ${sourceSql}, ${idSql}, 'llm.request', customer, at, at, at, 'duplicate', 1, 'METERING', message, part, commit + 1
  FROM ${events} WHERE n % ${duplicateEvery} = 3 AND n % ${refusedEvery} != 7`

const deadLettersSql = `INSERT INTO dead_letters
  (event_source, event_id, event_type, code, detail, customer_id, event_time, ingested_at, recorded_at, payload, event_count,
   input_stream, input_sequence, \`partition\`, ledger_sequence)
  SELECT ${sourceSql}, ${idSql}, 'llm.request', 'invalid_value', 'The value of meter tokens at data.tokens is missing.',
    customer, at, at, at, '{}', 1, 'METERING', message, part, commit
  FROM ${events} WHERE n % ${refusedEvery} = 7`

const customers = `(SELECT number AS c, 1 AS month, concat('customer-', toString(c)) AS customer,
  concat('sub-', toString(c)) AS subscription, ${chargeSql} AS charge FROM numbers({customers: UInt32}))`

const perCustomer: readonly string[] = [
  `INSERT INTO subscription_versions
     (subscription_id, customer_id, sequence, revision, change, status, plan, plan_version, effective_from, currency,
      event_source, event_id, \`partition\`, ledger_sequence)
   SELECT subscription, customer, version, version, if(version = 1, 'created', 'amended'), 'active', 'pro', 1,
     toDateTime64('${firstDay} 00:00:00', 9, 'UTC') + toIntervalDay((version - 1) * 100), 'USD', 'crm',
     concat(subscription, '-', toString(version)), c % 4, version
   FROM ${customers} ARRAY JOIN [1, 2, 3] AS version`,
  `INSERT INTO event_outcomes
     (event_source, event_id, event_type, customer_id, event_time, ingested_at, recorded_at, disposition, event_count,
      input_stream, input_sequence, \`partition\`, ledger_sequence)
   SELECT 'crm', concat(subscription, '-', toString(version)), 'weir.subscription.amended', customer, now64(9), now64(3),
     now64(3), 'applied', 1, 'LIFECYCLE', 1 + c % {messages: UInt32}, c % 4, version
   FROM ${customers} ARRAY JOIN [1, 2, 3] AS version`,
  `INSERT INTO charges
     (charge_id, customer_id, subscription_id, subscription_version, plan, plan_version, price, meter, kind, timing,
      period_from, period_until, timezone, quantity, amount, amount_rounded, currency, status, billing_run_id, recorded_at,
      \`partition\`, ledger_sequence)
   SELECT charge, customer, subscription, 1, 'pro', 1, 'tokens', 'tokens', 'usage', 'in_arrears', '2026-01-01 00:00:00',
     '2026-02-01 00:00:00', 'UTC', 1, 1, 1, 'USD', 'closed', 'run-1', '2026-02-01 01:00:00', c % 4, 1000000
   FROM ${customers}`,
  `INSERT INTO journal_entries
     (journal_id, idempotency_key, line, currency, accounting_date, account, debit, credit, charge_id, customer_id,
      subscription_id, billing_run_id, batch_id, posted_at, stream_sequence)
   SELECT concat('je_', charge), charge, line, 'USD', '2026-01-31', if(line = 1, '1200', '4000'), if(line = 1, 1, 0),
     if(line = 2, 1, 0), charge, customer, subscription, 'run-1', 'batch-1', '2026-02-01 02:00:00', c
   FROM ${customers} ARRAY JOIN [1, 2] AS line`,
  `INSERT INTO deliveries
     (delivery_id, connection, record_kind, record_id, key, state, external_id, changed_at, attempt_count, stream_sequence)
   SELECT concat('dl_', charge), 'erp', 'journal', concat('je_', charge), charge, 'posted', concat('INV-', toString(c)),
     '2026-02-01 03:00:00', 1, c
   FROM ${customers}`,
  `INSERT INTO billing_batches
     (batch_id, billing_run_id, currency, number, of, line_count, sealed_at, stream_sequence)
   SELECT 'batch-1', 'run-1', 'USD', 1, 1, {customers: UInt32}, '2026-02-01 01:30:00', 1 FROM numbers(1)`,
]

/** `onRows` is called with the number of events that are there. */
export async function fill(
  clickhouse: ClickHouseClient,
  filling: Filling,
  onRows: (events: number) => void,
): Promise<void> {
  const { events: all, customers: count, messages } = filling
  const sizes = { events: all, customers: count, messages: Math.max(1, messages) }
  for (let from = 0; from < all; from += insertRows) {
    const query_params = { ...sizes, from, count: Math.min(insertRows, all - from) }
    for (const query of [ratedSql, outcomesSql, deadLettersSql])
      await clickhouse.command({ query, query_params })
    onRows(Math.min(all, from + insertRows))
  }
  for (const query of perCustomer) await clickhouse.command({ query, query_params: sizes })
}

export function identitiesOf(
  clickhouse: ClickHouseClient,
  { events: all, customers: count }: Filling,
  numbers: readonly number[],
): Promise<readonly { event: number; source: string; id: string; charge: string }[]> {
  return clickhouse
    .query({
      query: identityQuery(numbers),
      format: 'JSONEachRow',
      query_params: { events: all, customers: count },
    })
    .then(result => result.json())
}
