// What a merge of customers leaves where it is, and which customers may be one: read from ClickHouse.

import type { ClickHouseClient } from '@clickhouse/client'

export interface Money {
  readonly currency: string
  readonly lines: number
  readonly amount: string
}

export interface MergeEffect {
  readonly subscriptions: readonly string[]
  readonly sealed: readonly Money[]
  readonly open: readonly Money[]
}

export async function effectOf(clickhouse: ClickHouseClient, customerId: string): Promise<MergeEffect> {
  const ask = async <T>(query: string): Promise<T[]> => {
    const query_params = { customerId }
    const settings = {
      output_format_json_quote_decimals: 1 as const,
      output_format_json_quote_64bit_integers: 0 as const,
    }
    const answer = await clickhouse.query({
      query,
      query_params,
      format: 'JSONEachRow',
      clickhouse_settings: settings,
    })
    return answer.json<T>()
  }
  const [subscriptions, sealed, open] = await Promise.all([
    ask<{ id: string }>(`SELECT DISTINCT subscription_id AS id FROM subscription_versions
      WHERE customer_id = {customerId: String} ORDER BY id LIMIT 1000`),
    ask<Money>(`SELECT toString(currency) AS currency, toInt32(count()) AS lines, toString(sum(amount_rounded)) AS amount
      FROM charges WHERE customer_id = {customerId: String} AND billing_run_id != '' GROUP BY currency ORDER BY currency`),
    ask<Money>(`SELECT toString(currency) AS currency, toInt32(count()) AS lines, toString(sum(amount)) AS amount
      FROM rated_usage WHERE customer_id = {customerId: String} GROUP BY currency ORDER BY currency`),
  ])
  return { subscriptions: subscriptions.map(({ id }) => id), sealed, open }
}

export interface Duplicates {
  readonly same: string
  readonly value: string
  readonly customers: readonly string[]
}

export async function duplicatesOf(clickhouse: ClickHouseClient): Promise<readonly Duplicates[]> {
  const query = `SELECT pair.1 AS same, pair.2 AS value, arraySort(groupUniqArray(customer_id)) AS customers FROM (
      SELECT customer_id, argMax((crm_id, billing_id, erp_id, metadata), (event_time, ledger_sequence)) AS last
      FROM customers GROUP BY customer_id)
    ARRAY JOIN [('crm', last.1), ('billing', last.2), ('erp', last.3),
      ('tax_id', upper(replaceRegexpAll(JSONExtractString(last.4, 'tax_id'), '[^A-Za-z0-9]', ''))),
      ('vat_number', upper(replaceRegexpAll(JSONExtractString(last.4, 'vat_number'), '[^A-Za-z0-9]', ''))),
      ('domain', lower(JSONExtractString(last.4, 'domain')))] AS pair
    WHERE value != '' GROUP BY same, value HAVING length(customers) > 1 ORDER BY same, value LIMIT 1000`
  const answer = await clickhouse.query({ query, format: 'JSONEachRow' })
  return answer.json<Duplicates>()
}
