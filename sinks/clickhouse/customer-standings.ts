// How customers stand by what ClickHouse knows of their invoices and payments: one row for each customer and currency.

import type { ClickHouseClient } from '@clickhouse/client'

export interface StandingRow {
  readonly customer_id: string
  readonly entity_id: string
  readonly currency: string
  readonly invoiced: string
  readonly paid: string
  readonly outstanding: string
  readonly overdue: string
  readonly open_invoices: number
  readonly overdue_invoices: number
  readonly dunning: string
  readonly failed_since: string
  readonly failed_attempts: number
  readonly last_reason: string
  readonly correlation_id: string
}

const query = `SELECT d.customer_id AS customer_id, c.entity AS entity_id, toString(d.currency) AS currency,
  i.invoiced AS invoiced, i.invoiced - i.left AS paid, d.outstanding AS outstanding, d.overdue AS overdue,
  i.open_invoices AS open_invoices, i.overdue_invoices AS overdue_invoices, d.state AS dunning,
  ifNull(formatDateTime(d.failed_since, '%Y-%m-%dT%H:%i:%SZ', 'UTC'), '') AS failed_since, d.attempts AS failed_attempts,
  d.last_reason AS last_reason, e.correlation AS correlation_id
FROM dunning_by_customer AS d
LEFT JOIN
(
  SELECT customer_id, currency, sumIf(greatest(b.total, toDecimal256(0, 12)), b.state != 'voided') AS invoiced,
    sum(b.outstanding) AS left, countIf(b.outstanding > 0) AS open_invoices, countIf(b.overdue > 0) AS overdue_invoices
  FROM invoice_balances AS b GROUP BY customer_id, currency
) AS i ON i.customer_id = d.customer_id AND i.currency = d.currency
LEFT JOIN
(
  SELECT customer_id, argMax(id, at) AS correlation FROM
  (
    SELECT customer_id, correlation_id AS id, (event_time, ledger_sequence) AS at FROM invoices WHERE correlation_id != ''
    UNION ALL
    SELECT customer_id, correlation_id, (event_time, ledger_sequence) FROM payments WHERE correlation_id != ''
  ) GROUP BY customer_id
) AS e ON e.customer_id = d.customer_id
LEFT JOIN
(
  SELECT customer_id, argMaxIf(toString(k.entity_id), (k.event_time, k.event_source, k.event_id), k.entity_id != '') AS entity
  FROM customers AS k GROUP BY customer_id
) AS c ON c.customer_id = d.customer_id
ORDER BY customer_id, currency`

export async function customerStandings(clickhouse: ClickHouseClient): Promise<readonly StandingRow[]> {
  const answer = await clickhouse.query({
    query,
    format: 'JSONEachRow',
    clickhouse_settings: {
      output_format_json_quote_decimals: 1,
      output_format_json_quote_64bit_integers: 0,
      join_use_nulls: 0,
    },
  })
  return answer.json<StandingRow>()
}
