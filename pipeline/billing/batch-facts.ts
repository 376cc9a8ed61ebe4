// The facts of a billing batch that rules look at, and its evidence: what it takes back, what each customer pays now and
// paid in the periods before, which lines have no events, which red flags there are.
// Invariants: only what some rule needs is read; the periods before are those of earlier cutoffs, from the batches that
// were published; what ClickHouse is asked it is asked once it has the rows of the run.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { ApprovalFacts } from '../../schemas/approvals/approval.js'
import { type BillingBatch, batchFromWire } from '../../schemas/billing/billing-batch.js'
import {
  type BillingRunRecord,
  billingRunProgressSchema,
  billingRunRecordSchema,
  type PublishedBatch,
  runKeys,
  runsBucket,
} from '../../schemas/billing/billing-run.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import { invoicedCustomers, linesWithoutSource } from '../../sinks/clickhouse/billing-evidence.js'
import { pauseFor } from '../broker/back-off.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import type { ApprovalGate } from '../gateway/approval-gate.js'

export interface BatchFactsOptions {
  readonly jsm: JetStreamManager
  /** The bucket `weir_runs`. */
  readonly runs: KV
  readonly clickhouse: ClickHouseClient
  readonly approvals: Pick<ApprovalGate, 'needs'>
  /** Whether ClickHouse has LEDGER up to a sequence. */
  readonly isDelivered: (sequence: number) => Promise<boolean>
}

export interface BatchFacts {
  of(record: BillingRunRecord, batch: BillingBatch, ledgerTo: number): Promise<ApprovalFacts>
  evidenceOf(record: BillingRunRecord, batch: BillingBatch): Readonly<Record<string, unknown>>
}

const deliveredWithinMs = 30_000
/** How many lines the evidence names. */
const mostLines = 50

export function batchFacts(options: BatchFactsOptions): BatchFacts {
  return {
    async of(record, batch, ledgerTo) {
      const needs = options.approvals.needs('billing_batch')
      const customers = totalsBy(batch.lines, line => line.customerId)
      const before = needs.periods > 0 ? await periodsBefore(options, record, batch, needs.periods) : []
      const asksClickHouse = needs.invoices || needs.sources || needs.flags.length > 0
      if (asksClickHouse) await untilDelivered(options, ledgerTo)
      const credits = creditsOf(batch.lines)
      const credited = credits.map(one => one.customerId)
      const invoiced = needs.invoices ? await invoicedCustomers(options.clickhouse, credited) : undefined
      return {
        entity_id: batch.entityId,
        amounts: [{ currency: batch.currency, amount: formatScaled(batch.control.amountRoundedTotal) }],
        customers: [...customers].map(([customer_id, amount]) => ({
          customer_id,
          currency: batch.currency,
          amount: formatScaled(amount),
          previous: before.flatMap(period => textOf(period.customers.get(customer_id))),
        })),
        previous: [{ currency: batch.currency, amounts: before.map(({ total }) => formatScaled(total)) }],
        credits: credits.map(({ chargeId, customerId, amount }) => ({
          charge_id: chargeId,
          customer_id: customerId,
          currency: batch.currency,
          amount: formatScaled(amount),
          has_invoice: invoiced === undefined ? null : invoiced.has(customerId),
        })),
        without_source: needs.sources ? [...(await linesWithoutSource(options.clickhouse, batch.lines))] : [],
        flags: await flagsOf(options, needs.flags, batch),
      }
    },
    evidenceOf(record, { batchId, billingRunId, entityId, currency, number, of, control, lines }) {
      const { lineCount, amountTotal, amountRoundedTotal, sha256 } = control
      return {
        ...{ batch_id: batchId, billing_run_id: billingRunId, entity_id: entityId, currency, number, of },
        cutoff: record.cutoff,
        run_requested_at: record.requested_at,
        line_count: lineCount,
        amount_total: formatScaled(amountTotal),
        amount_rounded_total: formatScaled(amountRoundedTotal),
        sha256,
        // The largest, whichever their sign.
        lines: lines
          .toSorted((a, b) => (size(b) > size(a) ? 1 : -1))
          .slice(0, mostLines)
          .map(lineOf),
      }
    },
  }
}

function lineOf(line: Charge) {
  const { chargeId, customerId, subscriptionId, plan, price, kind, amountRounded, corrects, correlationId } =
    line
  return {
    ...{ charge_id: chargeId, customer_id: customerId, subscription_id: subscriptionId, plan, price, kind },
    amount_rounded: formatScaled(amountRounded),
    ...(corrects === undefined ? {} : { corrects }),
    ...(correlationId === '' ? {} : { correlation_id: correlationId }),
  }
}

function size({ amountRounded }: Charge): bigint {
  return amountRounded < 0n ? -amountRounded : amountRounded
}

export interface Credit {
  /** The charge that is corrected; of a credit that corrects none its own. */
  readonly chargeId: string
  readonly customerId: string
  readonly amount: Scaled
}

/** What is taken back, net: a credit and its rebill are two lines of one correction. */
export function creditsOf(lines: readonly Charge[]): readonly Credit[] {
  const customers = new Map(lines.map(line => [line.corrects ?? line.chargeId, line.customerId]))
  return [...totalsBy(lines, line => line.corrects ?? line.chargeId)]
    .filter(([, amount]) => amount < 0n)
    .map(([chargeId, amount]) => ({ chargeId, customerId: customers.get(chargeId) ?? '', amount }))
}

function totalsBy(lines: readonly Charge[], keyOf: (line: Charge) => string): Map<string, Scaled> {
  const totals = new Map<string, Scaled>()
  for (const line of lines) totals.set(keyOf(line), (totals.get(keyOf(line)) ?? 0n) + line.amountRounded)
  return totals
}

interface Period {
  total: Scaled
  readonly customers: Map<string, Scaled>
}

/** The periods of this entity and currency before the cutoff, the newest first. */
async function periodsBefore(
  { jsm, runs, approvals }: BatchFactsOptions,
  record: BillingRunRecord,
  batch: BillingBatch,
  most: number,
): Promise<readonly Period[]> {
  const byCutoff = new Map<number, PublishedBatch[]>()
  const cutoffMs = Date.parse(record.cutoff)
  for (const key of await bucketKeys(jsm, runsBucket, 'run.*')) {
    const entry = await runs.get(key)
    const run = billingRunRecordSchema.parse(entry?.json())
    const atMs = Date.parse(run.cutoff)
    if (run.preview || atMs >= cutoffMs) continue
    const progress = await runs.get(runKeys.progress(run.billing_run_id))
    const { batches = [] } = progress === null ? {} : billingRunProgressSchema.parse(progress.json())
    const own = batches.filter(
      one => one.entity_id === batch.entityId && one.currency === batch.currency && one.held === undefined,
    )
    if (own.length > 0) byCutoff.set(atMs, [...(byCutoff.get(atMs) ?? []), ...own])
  }
  const cutoffs = [...byCutoff.keys()].sort((a, b) => b - a).slice(0, most)
  const ofCustomers = approvals.needs('billing_batch').customers
  return Promise.all(cutoffs.map(atMs => periodOf(jsm, byCutoff.get(atMs) ?? [], ofCustomers)))
}

async function periodOf(
  jsm: JetStreamManager,
  batches: readonly PublishedBatch[],
  ofCustomers: boolean,
): Promise<Period> {
  const period: Period = { total: 0n, customers: new Map() }
  for (const { amount_rounded_total, stream_sequence } of batches) {
    period.total += scaled(amount_rounded_total)
    if (!ofCustomers) continue
    const message = await jsm.streams.getMessage('BILLING', { seq: stream_sequence })
    const parsed = batchFromWire(message?.json())
    if (parsed.kind === 'rejected') continue // it was purged
    for (const [customer, amount] of totalsBy(parsed.value.lines, line => line.customerId))
      period.customers.set(customer, (period.customers.get(customer) ?? 0n) + amount)
  }
  return period
}

/** Throws when ClickHouse does not get there: the batch is then tried again later. */
async function untilDelivered({ isDelivered }: BatchFactsOptions, sequence: number): Promise<void> {
  const deadline = performance.now() + deliveredWithinMs
  while (!(await isDelivered(sequence))) {
    if (performance.now() > deadline)
      throw new Error(`rules need facts of ClickHouse, which does not have message ${sequence} of LEDGER yet`)
    await pauseFor(100, new AbortController().signal)
  }
}

interface FlagRow {
  readonly flag: string
  readonly object_id: string
  readonly detail: string
}

async function flagsOf(
  { clickhouse }: BatchFactsOptions,
  flags: readonly string[],
  { lines }: BillingBatch,
): Promise<FlagRow[]> {
  if (flags.length === 0) return []
  const query = `SELECT flag, object_id, detail FROM red_flags WHERE flag IN ({flags: Array(String)})
    AND customer_id IN ({customers: Array(String)}) AND (object_kind != 'charge' OR object_id IN ({charges: Array(String)}))
    ORDER BY flag, object_id LIMIT 100`
  const customers = [...new Set(lines.map(one => one.customerId))]
  const charges = lines.map(one => one.corrects ?? one.chargeId)
  return rowsOf<FlagRow>(clickhouse, query, { flags, customers, charges })
}

async function rowsOf<T>(
  clickhouse: ClickHouseClient,
  query: string,
  query_params: Readonly<Record<string, unknown>>,
): Promise<T[]> {
  const result = await clickhouse.query({ query, query_params, format: 'JSONEachRow' })
  return result.json<T>()
}

function textOf(amount: Scaled | undefined): string[] {
  return amount === undefined ? [] : [formatScaled(amount)]
}

function scaled(text: string): Scaled {
  const read = parseDecimal(text)
  if (read.kind !== 'ok') throw new Error(`${text} is not a decimal`)
  return read.value
}
