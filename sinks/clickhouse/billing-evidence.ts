// What ClickHouse knows of lines that are billed, for rules that hold them: which customers have an invoice that stands,
// which charges were billed, which lines have no event.

import type { ClickHouseClient } from '@clickhouse/client'
import type { Charge } from '../../schemas/billing/charge.js'

/** Those of the customers that have an invoice that is not voided. */
export async function invoicedCustomers(
  clickhouse: ClickHouseClient,
  customers: readonly string[],
): Promise<ReadonlySet<string>> {
  if (customers.length === 0) return new Set()
  const query = `SELECT customer_id FROM invoices WHERE customer_id IN ({customers: Array(String)})
    GROUP BY customer_id, invoice_id HAVING countIf(status = 'voided') = 0`
  const rows = await rowsOf<{ customer_id: string }>(clickhouse, query, { customers: unique(customers) })
  return new Set(rows.map(one => one.customer_id))
}

/** The ids of usage lines with a quantity for which no event is rated. */
export async function linesWithoutSource(
  clickhouse: ClickHouseClient,
  lines: readonly Charge[],
): Promise<readonly string[]> {
  const used = lines.filter(line => line.kind === 'usage' && line.quantity !== 0n)
  if (used.length === 0) return []
  const query = `SELECT charge_id FROM rated_usage
    WHERE customer_id IN ({customers: Array(String)}) AND charge_id IN ({charges: Array(String)})
    GROUP BY charge_id HAVING sum(event_count) > 0`
  const customers = unique(used.map(one => one.customerId))
  const charges = used.map(one => one.chargeId)
  const rows = await rowsOf<{ charge_id: string }>(clickhouse, query, { customers, charges })
  const sourced = new Set(rows.map(one => one.charge_id))
  return charges.filter(chargeId => !sourced.has(chargeId))
}

/** Those of the charges that lines correct which a run has billed. */
export async function billedOfCorrected(
  clickhouse: ClickHouseClient,
  lines: readonly Charge[],
): Promise<ReadonlySet<string>> {
  const corrected = lines.filter(line => line.corrects !== undefined)
  if (corrected.length === 0) return new Set()
  const query = `SELECT DISTINCT charge_id FROM charges WHERE customer_id IN ({customers: Array(String)})
    AND charge_id IN ({charges: Array(String)}) AND corrects = '' AND billing_run_id != ''`
  const customers = unique(corrected.map(one => one.customerId))
  const charges = unique(corrected.map(one => one.corrects ?? ''))
  const rows = await rowsOf<{ charge_id: string }>(clickhouse, query, { customers, charges })
  return new Set(rows.map(one => one.charge_id))
}

/** Whether the customer has some subscription, or this one. */
export async function hasSubscription(
  clickhouse: ClickHouseClient,
  customer: string,
  subscription: string | null,
): Promise<boolean> {
  const query = `SELECT 1 AS there FROM subscription_versions WHERE customer_id = {customer: String}
    AND subscription_id = if({subscription: String} = '', subscription_id, {subscription: String}) LIMIT 1`
  const rows = await rowsOf(clickhouse, query, { customer, subscription: subscription ?? '' })
  return rows.length > 0
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}

async function rowsOf<T>(
  clickhouse: ClickHouseClient,
  query: string,
  query_params: Readonly<Record<string, unknown>>,
): Promise<T[]> {
  const result = await clickhouse.query({ query, query_params, format: 'JSONEachRow' })
  return result.json<T>()
}
