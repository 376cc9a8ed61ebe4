// Charges = lines of batches = journals, day by day, by entity and currency; and what a connection has, by account or customer
// and day. A day is the accounting date of the charge's entry; before there is one, the last day that its line bills.
// It only reads. Where a day differs, the first charges that do are named.

import type { ClickHouseClient } from '@clickhouse/client'
import { type AcceptedAsk, readAccepted } from './accepted.js'
import { dayColumnOf, type RecordTable } from './record-tables.js'
import type { AcceptedTotal } from './report.js'

export interface DaysAsk {
  readonly from: string
  readonly until: string
  readonly limit: number
  readonly offset: number
}

export interface BooksDay {
  readonly entity_id: string
  readonly currency: string
  readonly day: string
  readonly charges: number
  readonly charged: string
  readonly batched: string
  /** The debits of their entries, with the sign of the charge. */
  readonly posted: string
  /** Charges of which these are not the same. */
  readonly different: number
  /** The first of them. */
  readonly different_charges: string[]
}

export interface BooksOptions {
  readonly openRuns: readonly string[]
  /** False: nothing is posted here, so that nothing has to be. */
  readonly hasErp: boolean
}

/** A charge without a line or an entry has the day on which its period ends in UTC. */
const booksSql = `
SELECT entity AS entity_id, of_currency AS currency, toString(on_day) AS day, toUInt32(count()) AS charges,
  toString(sum(charged)) AS charged, toString(sum(batched)) AS batched, toString(sum(posted)) AS posted,
  toUInt32(countIf(NOT same)) AS different, arraySort(groupArrayIf(20)(of_charge, NOT same)) AS different_charges
FROM
(
  SELECT of_charge, any(of_entity) AS entity, any(charged_currency) AS of_currency,
    coalesce(max(posted_day), max(billed_day), max(ended_day)) AS on_day,
    sum(charged_amount) AS charged, sum(batched_amount) AS batched,
    sum(posted_amount) * if(charged < 0 OR batched < 0, -1, 1) AS posted,
    charged = batched AND (NOT {hasErp: Bool} OR batched = posted) AS same
  FROM
  (
    SELECT charge_id AS of_charge, toString(entity_id) AS of_entity, toString(currency) AS charged_currency,
      toDecimal256(amount_rounded, 12) AS charged_amount, toDecimal256(0, 12) AS batched_amount, toDecimal256(0, 12) AS posted_amount,
      CAST(NULL, 'Nullable(Date32)') AS posted_day, CAST(NULL, 'Nullable(Date32)') AS billed_day,
      CAST(toDate32(period_until), 'Nullable(Date32)') AS ended_day
    FROM charges WHERE billing_run_id != '' AND billing_run_id NOT IN ({open: Array(String)})
    UNION ALL
    SELECT charge_id, entity_id, currency, toDecimal256(0, 12), toDecimal256(amount_rounded, 12), toDecimal256(0, 12),
      NULL, billing_date, NULL
    FROM batch_lines WHERE billing_run_id NOT IN ({open: Array(String)})
    UNION ALL
    SELECT charge_id, entity_id, currency, toDecimal256(0, 12), toDecimal256(0, 12), toDecimal256(debit, 12), accounting_date, NULL, NULL
    FROM journal_entries WHERE entry_kind IN ('', 'journal') AND billing_run_id NOT IN ({open: Array(String)})
  )
  GROUP BY of_charge
)
WHERE on_day >= toDate32({from: String}) AND on_day <= toDate32({until: String})
GROUP BY entity, of_currency, on_day ORDER BY entity, of_currency, on_day LIMIT {limit: UInt32} OFFSET {offset: UInt32}`

export async function readBooksDays(
  clickhouse: ClickHouseClient,
  ask: DaysAsk,
  { openRuns: open, hasErp }: BooksOptions,
): Promise<BooksDay[]> {
  const query_params = { ...ask, open, hasErp }
  const answer = await clickhouse.query({ query: booksSql, format: 'JSONEachRow', query_params })
  return answer.json<BooksDay>()
}

export function readAcceptedDays(
  clickhouse: ClickHouseClient,
  table: RecordTable,
  { from, until, limit, offset }: DaysAsk,
): Promise<AcceptedTotal[]> {
  const column = dayColumnOf(table)
  const where = `${column} >= toDate32({first_day: String}) AND ${column} <= toDate32({last_day: String})`
  const by: AcceptedAsk['by'] = ['account', 'customer', 'day']
  return readAccepted(clickhouse, table, {
    by,
    where,
    params: { first_day: from, last_day: until },
    page: { limit, offset },
  })
}
