// What became of the charges that an event went to: what stands rated of each, the lines by which runs billed it, their
// batches and journal entries, and the deliveries of both with the receiver's own id.

import type { ClickHouseClient } from '@clickhouse/client'
import { lineIdOf } from '../../schemas/billing/billing-batch.js'
import type { DiscountWire } from '../../schemas/billing/discount.js'
import type { MadeUpForWire } from '../../schemas/billing/made-up-for.js'
import { ask, type Question } from './ask.js'
import type { Batch, Delivery, Journal } from './papers.js'
import { type Recognition, readRecognition, recognitionOf } from './recognition.js'

/** A charge by the fields that find its rows in the order of the tables. */
export interface ChargeKey {
  readonly charge_id: string
  readonly customer_id: string
  readonly subscription_id: string
  readonly period_from: string
  readonly period_until: string
  /** The commit in which the event was first rated on it. */
  readonly ledger_sequence: number
}

/** Sums of all rows of a charge, and of those before and up to a commit. */
export interface ChargeSums {
  readonly charge_id: string
  readonly events: number
  readonly amount: string
  /** The charge's quantity where its meter is a sum or a count. */
  readonly readings: string
  readonly amount_before: string
  readonly readings_before: string
  readonly amount_after: string
  readonly readings_after: string
  readonly events_in_commit: number
  readonly corrections: readonly CorrectionRow[]
}

/** A row that corrects the charge as a whole; the cause is the event that made it necessary. */
type CorrectionRow = readonly [
  ledgerSequence: number,
  at: string,
  amount: string,
  causeSource: string,
  causeId: string,
]

/** A line as `charges` has it. */
export interface BareLine {
  readonly charge_id: string
  readonly corrects: string
  readonly kind: string
  readonly entity_id: string
  readonly currency: string
  readonly quantity: string
  readonly amount: string
  readonly amount_rounded: string
  /** What coupons took off; of a credit below 0. `amount` is net of it. */
  readonly discount_amount: string
  readonly status: string
  readonly timing: string
  readonly billing_run_id: string
  readonly recorded_at: string
  readonly partition: number
  readonly ledger_sequence: number
  /** What coupons took off. */
  readonly discounts?: readonly DiscountWire[]
  /** Of kind `commitment`. */
  readonly makes_up_for?: MadeUpForWire
}

/** As the table has it: both are texts, empty where there is nothing. */
type WrittenLine = Omit<BareLine, 'discounts' | 'makes_up_for'> & {
  readonly discounts: string
  readonly makes_up_for: string
}

function lineOf({ discounts, makes_up_for, ...line }: WrittenLine): BareLine {
  return {
    ...line,
    ...(discounts === '' ? {} : { discounts: JSON.parse(discounts) as readonly DiscountWire[] }),
    ...(makes_up_for === '' ? {} : { makes_up_for: JSON.parse(makes_up_for) as MadeUpForWire }),
  }
}

export interface ChargeLine extends BareLine {
  readonly batches: readonly Batch[]
  readonly journal?: Journal
  /** Of an entry that deferred revenue. */
  readonly recognition?: Recognition
  readonly deliveries: readonly Delivery[]
}

/**
 * `customer_id` and `event_time` lead to the rows by the order of the table. Without an end: a change can put that of a
 * charge off, and older rows have the older one.
 */
const ofCharges = `customer_id = {customer: String} AND charge_id IN ({ids: Array(String)})
  AND event_time >= parseDateTime64BestEffort({from: String}, 9, 'UTC')`

const sumsQuery = `SELECT charge_id, toInt64(sum(r.event_count)) AS events,
  sum(toDecimal256(r.amount, 12)) AS amount, sum(toDecimal256(r.quantity, 12)) AS readings,
  sumIf(toDecimal256(r.amount, 12), before) AS amount_before, sumIf(toDecimal256(r.quantity, 12), before) AS readings_before,
  sumIf(toDecimal256(r.amount, 12), upto) AS amount_after, sumIf(toDecimal256(r.quantity, 12), upto) AS readings_after,
  toInt64(sumIf(r.event_count, upto AND NOT before)) AS events_in_commit,
  arraySort(groupArrayIf(100)((commit, at, r.amount, source, id), r.event_count = 0)) AS corrections
FROM (SELECT charge_id, event_count, amount, quantity, ledger_sequence AS commit, rated_at AS at,
    event_source AS source, event_id AS id,
    ledger_sequence < {commits: Map(String, UInt64)}[charge_id] AS before,
    ledger_sequence <= {commits: Map(String, UInt64)}[charge_id] AS upto
  FROM rated_usage WHERE ${ofCharges}) AS r
GROUP BY charge_id`

/** Of all charges, for `ChargeSums`. Undefined: there are none. */
export function sumsOf(charges: readonly ChargeKey[]): Question | undefined {
  if (charges.length === 0) return undefined
  const commits = new Map(charges.map(one => [one.charge_id, one.ledger_sequence]))
  return { query: sumsQuery, params: { ...rangeOf(charges), commits } }
}

export interface ChargeSample {
  readonly event_source: string
  readonly event_id: string
  readonly event_time: string
  readonly value: string
  readonly quantity: string
  readonly dimensions: Readonly<Record<string, string>>
}

/** The events that stand on a charge; at most `limit`, one more where there are more. */
export function readSamples(
  clickhouse: ClickHouseClient,
  charge: ChargeKey,
  limit: number,
): Promise<readonly ChargeSample[]> {
  const query = `SELECT event_source, event_id, any(r.event_time) AS event_time, any(r.value) AS value,
      sum(r.quantity) AS quantity, any(r.dimensions) AS dimensions
    FROM rated_usage AS r WHERE ${ofCharges}
    GROUP BY event_source, event_id HAVING sum(r.event_count) > 0 LIMIT ${limit + 1}`
  return ask<ChargeSample>(clickhouse, { query, params: rangeOf([charge]) })
}

export function rangeOf(charges: readonly ChargeKey[]) {
  const froms = charges.map(one => one.period_from).sort()
  return {
    customer: charges[0]?.customer_id ?? '',
    ids: charges.map(one => one.charge_id),
    from: froms[0] ?? '',
  }
}

/** The lines that billed the charges, the oldest first. */
function linesOf(charges: readonly ChargeKey[]): Question | undefined {
  const [first] = charges
  if (first === undefined) return undefined
  const query = `SELECT charge_id, corrects, kind, entity_id, currency, quantity, amount, amount_rounded, discount_amount, status, timing, billing_run_id,
      recorded_at, partition, ledger_sequence, discounts, makes_up_for
    FROM charges WHERE customer_id = {customer: String} AND subscription_id IN ({subscriptions: Array(String)})
      AND (charge_id IN ({ids: Array(String)}) OR corrects IN ({ids: Array(String)}))
    ORDER BY ledger_sequence, charge_id`
  const subscriptions = [...new Set(charges.map(one => one.subscription_id))]
  const ids = charges.map(one => one.charge_id)
  return { query, params: { customer: first.customer_id, subscriptions, ids } }
}

/** The batches of the lines' runs, and their entries. */
async function papersOf(clickhouse: ClickHouseClient, lines: readonly BareLine[]) {
  const runs = [...new Set(lines.map(line => line.billing_run_id))].filter(id => id !== '')
  if (runs.length === 0) return { batches: [], journals: [] }
  const ids = lines.map(line => line.charge_id)
  const [batches, journals] = await Promise.all([
    ask<Batch>(clickhouse, { query: batchesQuery, params: { runs } }),
    ask<Journal>(clickhouse, { query: journalsQuery, params: { lines: ids } }),
  ])
  return { batches, journals }
}

/** By charge: its lines with their batches, entries and deliveries. */
export async function readLines(
  clickhouse: ClickHouseClient,
  charges: readonly ChargeKey[],
): Promise<ReadonlyMap<string, readonly ChargeLine[]>> {
  const lines = (await ask<WrittenLine>(clickhouse, linesOf(charges))).map(lineOf)
  const { batches, journals } = await papersOf(clickhouse, lines)
  const drafts = lines.map(line => {
    const journal = journals.find(one => one.charge_id === line.charge_id)
    const possible = batches.filter(
      one =>
        one.billing_run_id === line.billing_run_id &&
        one.entity_id === line.entity_id &&
        one.currency === line.currency,
    )
    // Without an entry, a line of a run with several batches is in one of them.
    const own = journal === undefined ? possible : possible.filter(one => one.batch_id === journal.batch_id)
    const records = own.map(one => lineIdOf(one.batch_id, line.charge_id))
    return { line, journal, own, records: journal === undefined ? records : [...records, journal.journal_id] }
  })
  const deferring = drafts.flatMap(({ line, journal }) =>
    journal !== undefined && line.timing === 'in_advance' ? [journal] : [],
  )
  const recognized = await readRecognition(clickhouse, deferring)
  const records = [...drafts.flatMap(one => one.records), ...recognized.releases.map(one => one.journal_id)]
  const delivered = records.length === 0 ? undefined : { query: deliveriesQuery, params: { records } }
  const deliveries = await ask<Delivery>(clickhouse, delivered)
  const byCharge = new Map<string, ChargeLine[]>()
  for (const { line, journal, own, records: ofLine } of drafts) {
    const id = line.corrects === '' ? line.charge_id : line.corrects
    const recognition = journal === undefined ? undefined : recognitionOf(journal, recognized, deliveries)
    const whole = {
      ...line,
      batches: own,
      ...(journal === undefined ? {} : { journal }),
      ...(recognition === undefined ? {} : { recognition }),
      deliveries: deliveries.filter(one => ofLine.includes(one.record_id)),
    }
    byCharge.set(id, [...(byCharge.get(id) ?? []), whole])
  }
  return byCharge
}

const batchesQuery = `SELECT batch_id, billing_run_id, entity_id, currency, number, of, sealed_at, stream_sequence
FROM billing_batches WHERE billing_run_id IN ({runs: Array(String)}) ORDER BY number`

const journalsQuery = `SELECT journal_id, charge_id, any(batch_id) AS batch_id, any(accounting_date) AS accounting_date,
  anyIf(account, debit > 0) AS debit_account, anyIf(account, credit > 0) AS credit_account,
  sum(debit) AS amount, any(posted_at) AS posted_at, any(stream_sequence) AS stream_sequence
FROM journal_entries WHERE charge_id IN ({lines: Array(String)}) AND entry_kind IN ('', 'journal')
GROUP BY journal_id, charge_id`

const deliveriesQuery = `SELECT delivery_id, connection, record_kind, record_id, state, external_id, changed_at,
  attempt_count, code, detail
FROM deliveries WHERE record_id IN ({records: Array(String)})
ORDER BY stream_sequence DESC LIMIT 1 BY connection, delivery_id`
