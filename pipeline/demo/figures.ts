// Reads the resulting figures of the demo as analysts would, by plain SQL, and from the billing API.

import type { ClickHouseClient } from '@clickhouse/client'

/** Decimals as the text ClickHouse sends; counts as numbers. */
export interface Figures {
  readonly received: number
  readonly rated: number
  readonly applied: number
  readonly duplicate: number
  readonly conflicting: number
  readonly parked: number
  readonly deadLettered: number
  readonly calls: number
  readonly inputTokens: string
  readonly outputTokens: string
  readonly usageAmount: string
  readonly corrections: number
  readonly chargedUsage: string
  readonly chargedRecurring: string
  readonly charges: number
  readonly invoiced: string
  readonly batches: number
  readonly batchLines: number
  /** Number of lines that do not round to 0, which are posted. */
  readonly linesToPost: number
  readonly batched: string
  readonly journalEntries: number
  readonly debits: string
  readonly credits: string
  readonly mrr: string
}

export interface CustomerFigure {
  readonly customer_id: string
  readonly plan: string
  readonly tokens: string
  readonly usage: string
  readonly charged: string
}

const figuresSql = `
WITH
  d AS (SELECT sum(received) AS received, sum(rated) AS rated, sum(applied) AS applied, sum(duplicate) AS duplicate,
               sum(conflicting) AS conflicting, sum(parked) AS parked, sum(dead_lettered) AS dead
        FROM weir.event_dispositions),
  u AS (SELECT sum(amount) AS usage_amount, countIf(kind != 'usage') AS corrections,
               sumIf(quantity, meter = 'tokens_in') AS tokens_in, sumIf(quantity, meter = 'tokens_out') AS tokens_out,
               sumIf(event_count, meter = 'tokens_in') AS calls
        FROM weir.rated_usage),
  c AS (SELECT count() AS charges, sumIf(amount, kind = 'usage') AS charged_usage,
               sumIf(amount, kind = 'recurring') AS charged_recurring, sum(amount_rounded) AS invoiced,
               countIf(amount_rounded != 0) AS to_post
        FROM weir.charges),
  b AS (SELECT count() AS batches, sum(line_count) AS lines, sum(amount_rounded_total) AS batched FROM weir.billing_batches),
  j AS (SELECT uniqExact(journal_id) AS entries, sum(debit) AS debits, sum(credit) AS credits FROM weir.journal_entries WHERE entry_kind = 'journal'),
  m AS (SELECT sum(amount) AS mrr FROM weir.mrr_movements WHERE effective_at < {until: DateTime64(3, 'UTC')})
SELECT toInt32(received) AS received, toInt32(rated) AS rated, toInt32(applied) AS applied,
  toInt32(duplicate) AS duplicate, toInt32(conflicting) AS conflicting, toInt32(parked) AS parked,
  toInt32(dead) AS deadLettered, toInt32(calls) AS calls,
  toString(tokens_in) AS inputTokens, toString(tokens_out) AS outputTokens, toString(usage_amount) AS usageAmount,
  toInt32(corrections) AS corrections, toString(charged_usage) AS chargedUsage,
  toString(charged_recurring) AS chargedRecurring, toInt32(charges) AS charges, toString(invoiced) AS invoiced,
  toInt32(batches) AS batches, toInt32(lines) AS batchLines, toInt32(to_post) AS linesToPost, toString(batched) AS batched,
  toInt32(entries) AS journalEntries, toString(debits) AS debits, toString(credits) AS credits, toString(mrr) AS mrr
FROM d, u, c, b, j, m`

const topCustomersSql = `
SELECT customer_id, plan, toString(sum(tokens)) AS tokens, toString(sum(used)) AS usage, toString(sum(owed)) AS charged
FROM (
  SELECT customer_id, plan, quantity AS tokens, amount AS used, toDecimal128(0, 12) AS owed FROM weir.rated_usage
  UNION ALL
  SELECT customer_id, plan, toDecimal128(0, 12), toDecimal128(0, 12), amount_rounded FROM weir.charges
)
GROUP BY customer_id, plan
HAVING sum(used) > 0
ORDER BY sum(used) DESC
LIMIT 6`

export async function readFigures(clickhouse: ClickHouseClient, untilMs: number): Promise<Figures> {
  const result = await clickhouse.query({
    query: figuresSql,
    format: 'JSONEachRow',
    query_params: { until: untilMs / 1000 },
  })
  const [figures] = await result.json<Figures>()
  if (figures === undefined) throw new Error('ClickHouse answered the figures query with no row')
  return figures
}

export async function readTopCustomers(clickhouse: ClickHouseClient): Promise<CustomerFigure[]> {
  const result = await clickhouse.query({ query: topCustomersSql, format: 'JSONEachRow' })
  return result.json<CustomerFigure>()
}
