// Checks the money from stage to stage: rated usage, charges, billing batches, journal entries; and MRR
// against versions. Every check is one query that returns the things that differ; sums are in Decimal(76, 12)
// and never rounded.

import type { ClickHouseClient } from '@clickhouse/client'
import {
  type Check,
  type CurrencyTotals,
  checkOf,
  type Difference,
  mostDifferences,
  skippedCheck,
  unreadableCheck,
} from './report.js'

interface MoneyCheck {
  readonly check: string
  readonly claim: string
  /** Returns `id, expected, found, detail` of everything compared, and `same`. */
  readonly sql: string
  readonly needsErp?: boolean
}

/**
 * The next run bills the rows of a charge that came after its last billing line. The query therefore counts
 * rows up to the commit of that line, which is in the same partition. A fully credited charge counts as not
 * billed, whatever its usage. Rows add up to a charge before coupons.
 */
const ratedEqualsCharged = `
SELECT b.charge_id AS id, toString(b.billed) AS expected, toString(u.used) AS found, b.customer_id AS detail, b.billed = u.used AS same
FROM
(
  SELECT if(corrects = '', charge_id, corrects) AS charge_id, any(customer_id) AS customer_id,
    sum(toDecimal256(amount, 12) + toDecimal256(discount_amount, 12)) AS billed, max(ledger_sequence) AS until
  FROM charges WHERE meter != '' GROUP BY charge_id
  HAVING billed != 0 OR sum(toDecimal256(quantity, 12)) != 0
) AS b
LEFT JOIN
(
  SELECT r.charge_id AS charge_id, sum(toDecimal256(r.amount, 12)) AS used
  FROM rated_usage AS r
  INNER JOIN
  (
    SELECT if(corrects = '', charge_id, corrects) AS charge_id, max(ledger_sequence) AS until
    FROM charges WHERE meter != '' GROUP BY charge_id
  ) AS last ON last.charge_id = r.charge_id
  WHERE r.ledger_sequence <= last.until
  GROUP BY charge_id
) AS u ON u.charge_id = b.charge_id`

const chargedEqualsBatched = `
SELECT concat(run, ' ', entity, ' ', of_currency) AS id,
  concat(toString(sum(charged)), ' in ', toString(sum(lines))) AS expected,
  concat(toString(sum(batched)), ' in ', toString(sum(batch_lines))) AS found,
  'amount_rounded and lines of run, entity and currency' AS detail,
  sum(charged) = sum(batched) AND sum(lines) = sum(batch_lines) AND sum(exact) = sum(batch_exact) AS same
FROM
(
  SELECT billing_run_id AS run, entity_id AS entity, currency AS of_currency, toDecimal256(amount_rounded, 12) AS charged,
    toDecimal256(amount, 12) AS exact, 1 AS lines,
    toDecimal256(0, 12) AS batched, toDecimal256(0, 12) AS batch_exact, 0 AS batch_lines
  FROM charges WHERE billing_run_id != '' AND billing_run_id NOT IN ({open: Array(String)})
  UNION ALL
  SELECT billing_run_id, entity_id, currency, toDecimal256(0, 12), toDecimal256(0, 12), 0,
    toDecimal256(amount_rounded_total, 12), toDecimal256(amount_total, 12), toInt64(line_count)
  FROM billing_batches WHERE billing_run_id NOT IN ({open: Array(String)})
)
GROUP BY run, entity, of_currency`

const chargedEqualsLine = `
SELECT of_charge AS id, toString(sum(charged)) AS expected, concat(toString(sum(batched)), ' in ', toString(sum(lines)), ' lines') AS found,
  any(run) AS detail, sum(charged) = sum(batched) AND sum(exact) = sum(exact_batched) AND sum(lines) = 1 AND sum(charges) = 1 AS same
FROM
(
  SELECT charge_id AS of_charge, billing_run_id AS run, toDecimal256(amount_rounded, 12) AS charged, toDecimal256(amount, 12) AS exact,
    1 AS charges, toDecimal256(0, 12) AS batched, toDecimal256(0, 12) AS exact_batched, 0 AS lines
  FROM charges WHERE billing_run_id != '' AND billing_run_id NOT IN ({open: Array(String)})
  UNION ALL
  SELECT charge_id, billing_run_id, toDecimal256(0, 12), toDecimal256(0, 12), 0, toDecimal256(amount_rounded, 12), toDecimal256(amount, 12), 1
  FROM batch_lines WHERE billing_run_id NOT IN ({open: Array(String)})
)
GROUP BY of_charge`

const linesAreTheBatch = `
SELECT of_batch AS id, concat(toString(sum(total)), ' in ', toString(sum(told))) AS expected,
  concat(toString(sum(amounts)), ' in ', toString(sum(lines))) AS found, 'amount_rounded and lines of the batch' AS detail,
  sum(total) = sum(amounts) AND sum(exact_total) = sum(exact) AND sum(told) = sum(lines) AS same
FROM
(
  SELECT batch_id AS of_batch, toDecimal256(amount_rounded_total, 12) AS total, toDecimal256(amount_total, 12) AS exact_total, toInt64(line_count) AS told,
    toDecimal256(0, 12) AS amounts, toDecimal256(0, 12) AS exact, 0 AS lines
  FROM billing_batches WHERE billing_run_id NOT IN ({open: Array(String)})
  UNION ALL
  SELECT batch_id, toDecimal256(0, 12), toDecimal256(0, 12), 0, sum(toDecimal256(amount_rounded, 12)), sum(toDecimal256(amount, 12)), toInt64(count())
  FROM batch_lines WHERE billing_run_id NOT IN ({open: Array(String)}) GROUP BY batch_id
)
GROUP BY of_batch`

const batchesAreWhole = `
SELECT concat(billing_run_id, ' ', entity_id, ' ', currency) AS id, toString(max(b.of)) AS expected,
  concat(toString(count()), ' of them, ', toString(uniqExact(batch_id)), ' different') AS found,
  'batches of run, entity and currency' AS detail, count() = max(b.of) AND uniqExact(batch_id) = count() AND min(b.of) = max(b.of) AS same
FROM billing_batches AS b
WHERE billing_run_id NOT IN ({open: Array(String)})
GROUP BY billing_run_id, entity_id, currency`

/** A line that rounds to 0 has no entry. */
const batchedEqualsPosted = `
SELECT of_charge AS id, toString(sum(charged)) AS expected, concat(toString(sum(debits)), ' debit, ', toString(sum(credits)), ' credit, ', toString(sum(entries)), ' entries') AS found,
  any(run) AS detail, sum(charged) = sum(debits) AND sum(debits) = sum(credits) AND sum(entries) = if(sum(charged) = 0, 0, 1) AND sum(charges) = 1 AS same
FROM
(
  SELECT charge_id AS of_charge, billing_run_id AS run, abs(toDecimal256(amount_rounded, 12)) AS charged, 1 AS charges,
    toDecimal256(0, 12) AS debits, toDecimal256(0, 12) AS credits, 0 AS entries
  FROM charges WHERE billing_run_id != '' AND billing_run_id NOT IN ({open: Array(String)})
  UNION ALL
  SELECT charge_id, any(billing_run_id), toDecimal256(0, 12), 0,
    sum(toDecimal256(debit, 12)), sum(toDecimal256(credit, 12)), uniqExact(journal_id)
  FROM journal_entries WHERE entry_kind IN ('', 'journal') AND billing_run_id NOT IN ({open: Array(String)}) GROUP BY charge_id
)
GROUP BY of_charge`

/** A version's MRR is that of its subscription when the version begins, whatever changes arrived later. */
const movedEqualsVersions = `
SELECT concat(v.subscription_id, ' version ', toString(v.sequence)) AS id, toString(v.mrr) AS expected,
  toString(sumIf(toDecimal256(m.amount, 12), m.effective_at <= v.effective_from)) AS found, any(v.customer_id) AS detail,
  toDecimal256(v.mrr, 12) = sumIf(toDecimal256(m.amount, 12), m.effective_at <= v.effective_from) AS same
FROM
(
  SELECT subscription_id, sequence, any(customer_id) AS customer_id,
    argMax(mrr, revision) AS mrr, argMax(effective_from, revision) AS effective_from
  FROM subscription_versions AS s
  GROUP BY subscription_id, sequence
) AS v
LEFT JOIN mrr_movements AS m ON m.subscription_id = v.subscription_id
GROUP BY v.subscription_id, v.sequence, v.mrr, v.effective_from`

const movementsAddUp = `
SELECT movement_id AS id, toString(mrr_after) AS expected, toString(toDecimal256(mrr_before, 12) + amount) AS found, customer_id AS detail,
  toDecimal256(mrr_before, 12) + amount = mrr_after AS same
FROM mrr_movements`

const moneyChecks: readonly MoneyCheck[] = [
  { check: 'rated_charged', claim: 'rated usage adds up to every charge', sql: ratedEqualsCharged },
  {
    check: 'charged_batched',
    claim: 'billing batches hold every charge of their run',
    sql: chargedEqualsBatched,
  },
  { check: 'charged_lines', claim: 'every charge of a run is one line of one batch', sql: chargedEqualsLine },
  {
    check: 'batched_lines',
    claim: 'the lines of every batch come to its control totals',
    sql: linesAreTheBatch,
  },
  { check: 'batches_whole', claim: 'every billing batch is there once', sql: batchesAreWhole },
  {
    check: 'batched_posted',
    claim: 'every charge that does not round to 0 has one balanced journal entry of its amount',
    sql: batchedEqualsPosted,
    needsErp: true,
  },
  { check: 'mrr_versions', claim: 'MRR movements add up to every version', sql: movedEqualsVersions },
  { check: 'mrr_movements', claim: 'a movement leads from MRR before to MRR after', sql: movementsAddUp },
]

export interface MoneyOptions {
  /** Billing runs whose batches are not published yet. */
  readonly openRuns: readonly string[]
  readonly hasErp: boolean
}

export function checkMoney(clickhouse: ClickHouseClient, options: MoneyOptions): Promise<Check[]> {
  return Promise.all(moneyChecks.map(one => runCheck(clickhouse, one, options)))
}

async function runCheck(
  clickhouse: ClickHouseClient,
  { check, claim, sql, needsErp }: MoneyCheck,
  { openRuns, hasErp }: MoneyOptions,
): Promise<Check> {
  if (needsErp === true && !hasErp) return skippedCheck(check, claim, 'no ERP sink has run here')
  try {
    return await compared(clickhouse, { check, claim, sql }, { open: openRuns })
  } catch (error) {
    return unreadableCheck(check, claim, error)
  }
}

async function compared(
  clickhouse: ClickHouseClient,
  { check, claim, sql }: MoneyCheck,
  query_params: Record<string, unknown>,
): Promise<Check> {
  const counts = `SELECT toInt32(count()) AS compared, toInt32(countIf(NOT same)) AS bad FROM (${sql})`
  const counted = await clickhouse.query({ query: counts, format: 'JSONEachRow', query_params })
  const [count] = await counted.json<{ compared: number; bad: number }>()
  if (count === undefined) throw new Error('ClickHouse answered a count with no row')
  if (count.bad === 0) return checkOf(check, claim, count.compared, [])
  const list = `SELECT id, expected, found, detail FROM (${sql}) WHERE NOT same ORDER BY id LIMIT ${mostDifferences}`
  const listed = await clickhouse.query({ query: list, format: 'JSONEachRow', query_params })
  return checkOf(check, claim, count.compared, await listed.json<Difference>(), count.bad)
}

/** The same sums per currency, for readers of the report. */
const totalsSql = `
SELECT currency, toString(sum(a)) AS rated_usage, toString(sum(b)) AS charges, toString(sum(c)) AS charges_rounded,
  toString(sum(d)) AS batches_rounded, toString(sum(e)) AS debits, toString(sum(f)) AS credits, toString(sum(g)) AS mrr_movements,
  toString(sum(a) - sum(h)) AS usage_not_billed, toString(sum(c) - sum(d)) AS sealed_not_batched
FROM
(
  SELECT currency, sum(toDecimal256(amount, 12)) AS a, toDecimal256(0, 12) AS b, b AS c, b AS d, b AS e, b AS f, b AS g, b AS h
  FROM rated_usage WHERE currency != '' GROUP BY currency
  UNION ALL
  SELECT currency, toDecimal256(0, 12) AS z, sum(toDecimal256(amount, 12)), sum(toDecimal256(amount_rounded, 12)), z, z, z, z,
    sumIf(toDecimal256(amount, 12), meter != '')
  FROM charges GROUP BY currency
  UNION ALL
  SELECT currency, toDecimal256(0, 12) AS z, z, z, sum(toDecimal256(amount_rounded_total, 12)), z, z, z, z
  FROM billing_batches GROUP BY currency
  UNION ALL
  SELECT currency, toDecimal256(0, 12) AS z, z, z, z, sum(toDecimal256(debit, 12)), sum(toDecimal256(credit, 12)), z, z
  FROM journal_entries WHERE entry_kind IN ('', 'journal') GROUP BY currency
  UNION ALL
  SELECT currency, toDecimal256(0, 12) AS z, z, z, z, z, z, sum(toDecimal256(amount, 12)), z
  FROM mrr_movements GROUP BY currency
)
GROUP BY currency ORDER BY currency`

/**
 * The totals. A table that cannot be read has no sums; its check reports that, and the rest of the report is
 * valid.
 */
export async function readTotals(
  clickhouse: ClickHouseClient,
): Promise<{ readonly totals: readonly CurrencyTotals[]; readonly checks: readonly Check[] }> {
  try {
    const result = await clickhouse.query({ query: totalsSql, format: 'JSONEachRow' })
    return { totals: await result.json<CurrencyTotals>(), checks: [] }
  } catch (error) {
    return { totals: [], checks: [unreadableCheck('totals', 'the sums per currency can be read', error)] }
  }
}
