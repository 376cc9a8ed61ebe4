// What became of the events of a redrive, counted in ClickHouse from what the pipeline wrote, not from what the job believes.

import type { ClickHouseClient } from '@clickhouse/client'
import { QueryParameters } from '../query-parameters.js'
import { askRows } from '../read-exceptions.js'

export interface RedriveReport {
  /** Events whose answer is of this job. */
  readonly redriven: number
  /** With rows of usage now. */
  readonly rated: number
  /** In its place another failure stands, by code. */
  readonly failed_again: Readonly<Record<string, number>>
  /** Parked: they wait for a subscription. */
  readonly waiting: number
  /** Nothing of the above is known of them yet, or no meter wants them. */
  readonly without_rows: number
  /** What the rows of the events come to now, by currency. */
  readonly amounts: readonly { readonly currency: string; readonly amount: string }[]
}

/** The events of a job, once each. */
function eventsOf(jobId: string, parameters: QueryParameters): string {
  return `SELECT event_source, event_id, max(revision) AS answered FROM exception_resolutions
  WHERE job_id = ${parameters.add('String', jobId)} AND resolution = 'redriven' GROUP BY event_source, event_id`
}

export async function reportOf(queries: ClickHouseClient, jobId: string): Promise<RedriveReport> {
  const [fates, amounts] = await Promise.all([fatesOf(queries, jobId), amountsOf(queries, jobId)])
  const report = { redriven: 0, rated: 0, waiting: 0, without_rows: 0 }
  const failed: Record<string, number> = {}
  for (const { fate, code, events } of fates) {
    report.redriven += events
    if (fate === 'failed') failed[code] = (failed[code] ?? 0) + events
    else report[fate] += events
  }
  return { ...report, failed_again: failed, amounts }
}

interface FateRow {
  readonly fate: 'rated' | 'waiting' | 'without_rows' | 'failed'
  readonly code: string
  readonly events: number
}

function fatesOf(queries: ClickHouseClient, jobId: string): Promise<FateRow[]> {
  const parameters = new QueryParameters()
  const events = eventsOf(jobId, parameters)
  const key = 'event_source, event_id'
  const ofJob = `(${key}) IN (SELECT ${key} FROM (${events}))`
  const query = `SELECT multiIf(failures.open > 0, 'failed', usage.rows > 0, 'rated', parked.open > 0, 'waiting', 'without_rows') AS fate,
  if(fate = 'failed', failures.code, '') AS code, count() AS events
FROM (${events}) AS event
LEFT JOIN (SELECT ${key}, sum(event_count) AS rows FROM rated_usage WHERE ${ofJob} GROUP BY ${key}) AS usage USING (${key})
LEFT JOIN (SELECT ${key}, sum(event_count) AS open FROM event_outcomes
  WHERE disposition = 'parked' AND ${ofJob} GROUP BY ${key}) AS parked USING (${key})
LEFT JOIN (SELECT ${key}, sum(event_count) AS open, argMax(toString(d.code), d.ledger_sequence) AS code
  FROM dead_letters AS d INNER JOIN (${events}) AS answered USING (${key})
  WHERE d.ledger_sequence > answered.answered GROUP BY ${key} HAVING open > 0) AS failures USING (${key})
GROUP BY fate, code ORDER BY fate, code`
  return askRows<FateRow>(queries, query, parameters)
}

function amountsOf(
  queries: ClickHouseClient,
  jobId: string,
): Promise<{ readonly currency: string; readonly amount: string }[]> {
  const parameters = new QueryParameters()
  const query = `SELECT toString(currency) AS currency, sum(amount) AS amount FROM rated_usage
WHERE currency != '' AND (event_source, event_id) IN (SELECT event_source, event_id FROM (${eventsOf(jobId, parameters)}))
GROUP BY currency ORDER BY currency`
  return askRows(queries, query, parameters)
}

/** The charges with events of the job that a billing run has billed already. */
export async function billedCharges(
  queries: ClickHouseClient,
  jobId: string,
): Promise<readonly { readonly charge_id: string; readonly billing_run_id: string }[]> {
  const parameters = new QueryParameters()
  const query = `SELECT charge_id, any(c.billing_run_id) AS billing_run_id FROM charges AS c
WHERE c.billing_run_id != '' AND charge_id IN (SELECT charge_id FROM rated_usage
  WHERE charge_id != '' AND (event_source, event_id) IN (SELECT event_source, event_id FROM (${eventsOf(jobId, parameters)})))
GROUP BY charge_id ORDER BY charge_id LIMIT 100`
  return askRows(queries, query, parameters)
}
