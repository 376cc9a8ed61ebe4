// The journal entry: what one line of a billing batch, or one month of a schedule, does to the books. Contract section 7.
// Invariants: an entry is balanced, in one currency, in whole minor units; its schedule adds up to what it defers; a field
// is never dropped. Entries that were posted before a field came are read with the field empty.

import { z } from 'zod'
import { boundaryField, currencyField, decimalField, nameField } from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'
import { formatInstant } from '../time.js'
import { type Charge, type ChargeKind, chargeKinds, servicePeriodSchema } from './charge.js'

/**
 * `journal`: a line of a billing batch. `release`: a period of a schedule becomes revenue. `rounding`: what the rounding of a
 * batch's lines came to. `tax`: the tax that a source gave with a line. `prepaid`: a credit that was paid is granted, drawn,
 * expires or is voided. `summary`: many entries of one run in one, for receivers that take no single ones.
 */
export const journalKinds = ['journal', 'release', 'rounding', 'tax', 'prepaid', 'summary'] as const
export type JournalKind = (typeof journalKinds)[number]

export const prepaidActs = ['granted', 'drawn', 'expired', 'voided'] as const
export type PrepaidAct = (typeof prepaidActs)[number]

/** What an account stands for. `contract_liability`: what is owed to a customer for credits that were paid. */
export const lineRoles = [
  'receivable',
  'revenue',
  'deferred_revenue',
  'contract_liability',
  'tax',
  'rounding',
] as const
export type LineRole = (typeof lineRoles)[number]

export interface JournalLine {
  readonly account: string
  readonly role: LineRole
  /** One of debit and credit is 0, neither is negative. */
  readonly debit: Scaled
  readonly credit: Scaled
  /** Dimensions of the chart of accounts, such as a cost centre. */
  readonly segments: ReadonlyMap<string, string>
  /** Of a line of role tax: what it is the tax of. */
  readonly tax?: LineTax
}

/** Of a tax that came with a charge the code and jurisdiction alone; what a tax engine told has all of it. */
export interface LineTax {
  readonly tax_code: string
  readonly jurisdiction: string
  readonly rate?: string | undefined
  readonly taxable?: string | undefined
  readonly exempt?: string | undefined
  readonly tax_id?: string | undefined
  readonly document?: string | undefined
  readonly document_status?: string | undefined
}

/**
 * A part of deferred revenue, earned over `[fromNs, untilNs)`, which lies in one month of the subscription's time zone and in
 * one period of the accounting calendar.
 */
export interface ScheduleEntry {
  /** First day of that local month: `YYYY-MM-01`. */
  readonly month: string
  /** The name of that period when it was scheduled; absent where periods are months, and beyond a list of periods. */
  readonly accountingPeriod?: string
  readonly fromNs: bigint
  readonly untilNs: bigint
  readonly amount: Scaled
}

/** Local days, both included: `YYYY-MM-DD`. */
export interface ServiceDays {
  readonly first: string
  readonly last: string
}

/** When a line of a billing batch is booked, and when what it bills in advance is earned. */
export interface Recognition {
  /** `YYYY-MM-DD`. */
  readonly accountingDate: string
  readonly serviceDays: ServiceDays
  /** Absent when nothing is deferred. Signed like the charge. */
  readonly schedule?: readonly ScheduleEntry[]
}

/** What the line of a billing batch was for; of a summary and of a rounding, which are for many, all of it is empty. */
export interface JournalCharge {
  readonly chargeId: string
  /** Of an adjustment: the charge that it credits or rebills. */
  readonly corrects: string
  readonly customerId: string
  readonly contractId: string
  readonly subscriptionId: string
  readonly subscriptionVersion: number
  readonly plan: string
  readonly planVersion: number
  readonly price: string
  readonly meter: string
  readonly chargeKind: ChargeKind | ''
  readonly timing: Charge['timing'] | ''
  readonly performanceObligation: string
  /** Of the lifecycle event that set the version in force, else of the `created`. */
  readonly correlationId: string
}

/** Where an entry comes from, for good. */
export interface JournalSource {
  readonly billingRunId: string
  /** Empty for a summary. */
  readonly batchId: string
  /** The order of releases that posted it; empty for what a billing run posted. */
  readonly releaseId: string
}

export interface JournalEntry extends JournalCharge {
  readonly journalId: string
  readonly idempotencyKey: string
  readonly kind: JournalKind
  readonly entityId: string
  readonly currency: string
  /** `YYYY-MM-DD`. */
  readonly accountingDate: string
  /** The name of the period in the accounting calendar of the entity; `YYYY-MM` unless the calendar says otherwise. */
  readonly accountingPeriod: string
  /** The date that the entry would have if its period were open; absent where nothing was moved. */
  readonly movedFrom?: string
  readonly lines: readonly JournalLine[]
  /** Of a release: the part of the service period that is earned. */
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** The days of that period in the time zone of the subscription. */
  readonly serviceDays: ServiceDays
  readonly timezone: string
  readonly source: JournalSource
  /** Straight-line schedule of an in-advance charge; absent when nothing is deferred. Signed like the charge. */
  readonly schedule?: readonly ScheduleEntry[]
  /** Of a release: the entry that deferred the amount, and which part of its schedule this is, from 1: the first, where parts of one period are released together. */
  readonly releases?: { readonly journalId: string; readonly part: number; readonly month: string }
  /** Of a prepaid entry: which credit, and what became of it. */
  readonly prepaid?: { readonly creditId: string; readonly act: PrepaidAct }
  /** Of a summary: it is of the entries of its entity between these sequences of POSTINGS, both included. */
  readonly covers?: { readonly from: number; readonly to: number }
}

const lineTaxSchema = z.object({
  tax_code: nameField,
  jurisdiction: nameField,
  rate: z.string().optional(),
  taxable: z.string().optional(),
  exempt: z.string().optional(),
  tax_id: z.string().optional(),
  document: z.string().optional(),
  document_status: z.string().optional(),
})

export const journalEntrySchema = z.object({
  journal_id: nameField,
  idempotency_key: nameField,
  kind: z.enum(journalKinds).default('journal'),
  entity_id: z.string(),
  currency: currencyField,
  accounting_date: z.iso.date(),
  accounting_period: z
    .string()
    .default('')
    .meta({ description: 'The name of the period in the accounting calendar of the entity.' }),
  moved_from: z.iso
    .date()
    .optional()
    .meta({ description: 'The date before it was moved, because its period was closed.' }),
  lines: z
    .array(
      z.object({
        account: nameField,
        role: z.enum(lineRoles).optional(),
        debit: decimalField,
        credit: decimalField,
        segments: z.record(z.string(), z.string()),
        tax: lineTaxSchema.optional().meta({ description: 'Of a line of role tax.' }),
      }),
    )
    .min(2),
  charge_id: z
    .string()
    .meta({ description: 'Empty in a summary and in a rounding, as all that is of one charge.' }),
  corrects: z
    .string()
    .default('')
    .meta({ description: 'Of an adjustment: the charge that it credits or rebills.' }),
  customer_id: z.string(),
  contract_id: z.string(),
  subscription_id: z.string(),
  subscription_version: z.int().min(0),
  plan: z.string().default(''),
  plan_version: z.int().min(0).default(0),
  price: z.string().default(''),
  meter: z.string().default(''),
  charge_kind: z.enum([...chargeKinds, '']).default(''),
  timing: z.enum(['in_advance', 'in_arrears', '']).default(''),
  service_period: servicePeriodSchema,
  service_days: z
    .object({ first: z.iso.date(), last: z.iso.date() })
    .optional()
    .meta({ description: 'Both included, in the time zone of the subscription.' }),
  timezone: z.string().default(''),
  performance_obligation: z.string(),
  correlation_id: z.string(),
  source: z.object({ billing_run_id: z.string(), batch_id: z.string(), release_id: z.string().default('') }),
  schedule: z
    .array(
      z.object({
        month: z.iso.date(),
        accounting_period: z
          .string()
          .optional()
          .meta({ description: 'Where the calendar of the entity lists its periods.' }),
        from: boundaryField,
        until: boundaryField,
        amount: decimalField,
      }),
    )
    .optional(),
  releases: z
    .object({ journal_id: nameField, part: z.int().min(1), month: z.iso.date() })
    .optional()
    .meta({ description: 'Of a release: the entry that deferred the amount, and the part of its schedule.' }),
  prepaid: z
    .object({ credit_id: nameField, act: z.enum(prepaidActs) })
    .optional()
    .meta({ description: 'Of a prepaid entry: which credit, and what became of it.' }),
  covers: z
    .object({ from: z.int().min(1), to: z.int().min(1) })
    .optional()
    .meta({ description: 'Of a summary: the sequences of POSTINGS, both included, whose entries it is of.' }),
})

export type JournalEntryWire = ReturnType<typeof journalToWire>

export function journalToWire(entry: JournalEntry) {
  return {
    journal_id: entry.journalId,
    idempotency_key: entry.idempotencyKey,
    kind: entry.kind,
    entity_id: entry.entityId,
    currency: entry.currency,
    accounting_date: entry.accountingDate,
    accounting_period: entry.accountingPeriod,
    ...(entry.movedFrom === undefined ? {} : { moved_from: entry.movedFrom }),
    lines: entry.lines.map(line => ({
      account: line.account,
      role: line.role,
      debit: formatScaled(line.debit),
      credit: formatScaled(line.credit),
      segments: Object.fromEntries(line.segments),
      ...(line.tax === undefined ? {} : { tax: line.tax }),
    })),
    ...chargeToWire(entry),
    service_period: { from: formatInstant(entry.fromNs), until: formatInstant(entry.untilNs) },
    service_days: entry.serviceDays,
    timezone: entry.timezone,
    performance_obligation: entry.performanceObligation,
    correlation_id: entry.correlationId,
    source: {
      billing_run_id: entry.source.billingRunId,
      batch_id: entry.source.batchId,
      release_id: entry.source.releaseId,
    },
    ...(entry.schedule === undefined ? {} : { schedule: entry.schedule.map(scheduleToWire) }),
    ...(entry.releases === undefined ? {} : { releases: releasesToWire(entry.releases) }),
    ...(entry.prepaid === undefined
      ? {}
      : { prepaid: { credit_id: entry.prepaid.creditId, act: entry.prepaid.act } }),
    ...(entry.covers === undefined ? {} : { covers: entry.covers }),
  }
}

function chargeToWire(charge: JournalCharge) {
  return {
    charge_id: charge.chargeId,
    corrects: charge.corrects,
    customer_id: charge.customerId,
    contract_id: charge.contractId,
    subscription_id: charge.subscriptionId,
    subscription_version: charge.subscriptionVersion,
    plan: charge.plan,
    plan_version: charge.planVersion,
    price: charge.price,
    meter: charge.meter,
    charge_kind: charge.chargeKind,
    timing: charge.timing,
  }
}

function releasesToWire({ journalId, part, month }: NonNullable<JournalEntry['releases']>) {
  return { journal_id: journalId, part, month }
}

function scheduleToWire(entry: ScheduleEntry) {
  return {
    month: entry.month,
    ...(entry.accountingPeriod === undefined ? {} : { accounting_period: entry.accountingPeriod }),
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
