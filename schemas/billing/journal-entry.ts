// The journal entry: what one line of a billing batch does to the books. Contract section 7.
// Invariant: an entry is balanced, in one currency, and its schedule adds up to what it defers.

import { z } from 'zod'
import { boundaryField, currencyField, decimalField, nameField } from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'
import { formatInstant } from '../time.js'
import { servicePeriodSchema } from './charge.js'

export interface JournalLine {
  readonly account: string
  /** One of debit and credit is 0, neither is negative. */
  readonly debit: Scaled
  readonly credit: Scaled
  /** Dimensions of the chart of accounts, such as a cost centre. */
  readonly segments: ReadonlyMap<string, string>
}

/** A part of deferred revenue, earned over `[fromNs, untilNs)`, which lies in one month of the subscription's time zone. */
export interface ScheduleEntry {
  /** First day of that local month: `YYYY-MM-01`. */
  readonly month: string
  readonly fromNs: bigint
  readonly untilNs: bigint
  readonly amount: Scaled
}

/** When a line of a billing batch is booked, and when what it bills in advance is earned. */
export interface Recognition {
  /** `YYYY-MM-DD`. */
  readonly accountingDate: string
  /** Absent when nothing is deferred. Signed like the charge. */
  readonly schedule?: readonly ScheduleEntry[]
}

export interface JournalEntry {
  readonly journalId: string
  readonly idempotencyKey: string
  readonly entityId: string
  readonly currency: string
  /** `YYYY-MM-DD`. */
  readonly accountingDate: string
  readonly lines: readonly JournalLine[]
  readonly chargeId: string
  readonly customerId: string
  readonly contractId: string
  readonly subscriptionId: string
  readonly subscriptionVersion: number
  readonly fromNs: bigint
  readonly untilNs: bigint
  readonly performanceObligation: string
  readonly correlationId: string
  readonly source: { readonly billingRunId: string; readonly batchId: string }
  /** Straight-line schedule of an in-advance charge; absent when nothing is deferred. Signed like the charge. */
  readonly schedule?: readonly ScheduleEntry[]
}

export const journalEntrySchema = z.object({
  journal_id: nameField,
  idempotency_key: nameField,
  entity_id: z.string(),
  currency: currencyField,
  accounting_date: z.iso.date(),
  lines: z
    .array(
      z.object({
        account: nameField,
        debit: decimalField,
        credit: decimalField,
        segments: z.record(z.string(), z.string()),
      }),
    )
    .min(2),
  charge_id: nameField,
  customer_id: nameField,
  contract_id: z.string(),
  subscription_id: nameField,
  subscription_version: z.int().min(0),
  service_period: servicePeriodSchema,
  performance_obligation: z.string(),
  correlation_id: z.string(),
  source: z.object({ billing_run_id: nameField, batch_id: nameField }),
  schedule: z
    .array(z.object({ month: z.iso.date(), from: boundaryField, until: boundaryField, amount: decimalField }))
    .optional(),
})

export type JournalEntryWire = ReturnType<typeof journalToWire>

export function journalToWire(entry: JournalEntry) {
  return {
    journal_id: entry.journalId,
    idempotency_key: entry.idempotencyKey,
    entity_id: entry.entityId,
    currency: entry.currency,
    accounting_date: entry.accountingDate,
    lines: entry.lines.map(line => ({
      account: line.account,
      debit: formatScaled(line.debit),
      credit: formatScaled(line.credit),
      segments: Object.fromEntries(line.segments),
    })),
    charge_id: entry.chargeId,
    customer_id: entry.customerId,
    contract_id: entry.contractId,
    subscription_id: entry.subscriptionId,
    subscription_version: entry.subscriptionVersion,
    service_period: { from: formatInstant(entry.fromNs), until: formatInstant(entry.untilNs) },
    performance_obligation: entry.performanceObligation,
    correlation_id: entry.correlationId,
    source: { billing_run_id: entry.source.billingRunId, batch_id: entry.source.batchId },
    ...(entry.schedule === undefined ? {} : { schedule: entry.schedule.map(scheduleToWire) }),
  }
}

function scheduleToWire(entry: ScheduleEntry) {
  return {
    month: entry.month,
    from: formatInstant(entry.fromNs),
    until: formatInstant(entry.untilNs),
    amount: formatScaled(entry.amount),
  }
}

/** What keeps an entry from being posted; empty for a sound one. */
export function journalProblems(entry: JournalEntry): string[] {
  const problems: string[] = []
  let debits = 0n
  let credits = 0n
  for (const line of entry.lines) {
    debits += line.debit
    credits += line.credit
    if (line.debit < 0n || line.credit < 0n) problems.push(`account ${line.account} has a negative side`)
    if (line.debit !== 0n && line.credit !== 0n) problems.push(`account ${line.account} has both sides`)
    if (line.account === '') problems.push('a line has no account')
  }
  if (entry.lines.length < 2) problems.push('an entry has at least two lines')
  if (debits !== credits)
    problems.push(`debits ${formatScaled(debits)} are not credits ${formatScaled(credits)}`)
  const scheduled = entry.schedule?.reduce((sum, part) => sum + part.amount, 0n)
  if (scheduled !== undefined && scheduled !== credits && scheduled !== -credits) {
    problems.push(`the schedule adds up to ${formatScaled(scheduled)}, not to ${formatScaled(credits)}`)
  }
  return problems
}
