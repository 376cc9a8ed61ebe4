// What a line of a billing batch does to the books: a balanced journal entry, and a release for each month that it defers.
// Invariants: debits equal credits; no side is negative (a credit note swaps the sides); an entry's id follows from
// batch and charge, so that posting again is posting the same; a line that rounds to 0 has no entry, nor has a part of 0.
//
// A charge is debited to the receivable and credited to revenue; a charge in advance is credited to deferred
// revenue, with the schedule by which it becomes revenue. The caller hands in dates and schedules.

import { serviceDaysOf } from '../../rating/recognition/recognise.js'
import type { EntityCalendar, Placement } from '../../schemas/accounting-calendar/accounting-calendar.js'
import type { BillingBatch } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { chargeToWire } from '../../schemas/billing/charge.js'
import type { JournalEntry, Recognition, ScheduleEntry } from '../../schemas/billing/journal-entry.js'
import { stableId } from '../../schemas/identifiers.js'
import { minorUnits } from '../../schemas/money/currency.js'
import { divideRounded, scaledOne } from '../../schemas/money/decimal.js'
import { type AccountMapping, type AccountRule, ruleFor } from '../../sinks/mapping/account-mapping.js'
import { balanced, noCharge, noPeriod, type Place } from './entry-parts.js'
import { taxEntryOf } from './other-entries.js'

/** `releases` have the dates on which they are due; they are placed when they are posted. */
export type PostingOfLine =
  | {
      readonly kind: 'posting'
      readonly entry: JournalEntry
      /** Where a source gave tax with the charge. */
      readonly tax?: JournalEntry
      readonly releases: readonly JournalEntry[]
    }
  | ({ readonly kind: 'refused' } & RefusedCharge)
  /** It rounds to 0. */
  | { readonly kind: 'nothing' }

export interface RefusedCharge {
  readonly charge: Charge
  readonly code:
    | 'no_account_mapping'
    | 'unknown_currency'
    | 'unknown_billing_run'
    | 'no_accounting_period'
    | 'invalid_tax_line'
  readonly detail: string
}

/** When a charge is booked, given the cutoff of the run that billed it and the calendar of its entity. */
export type Recognise = (charge: Charge, cutoffNs: bigint, calendar: EntityCalendar) => Recognition

export interface PostingRules {
  readonly mapping: AccountMapping
  readonly recognitionOf: (charge: Charge) => Recognition
  readonly place: Place
}

export function postingOf(batch: BillingBatch, charge: Charge, rules: PostingRules): PostingOfLine {
  const refused = (code: RefusedCharge['code'], detail: string) =>
    ({ kind: 'refused', charge, code, detail }) as const
  if (charge.amountRounded === 0n) {
    if (!charge.taxLines?.some(({ amount }) => amount !== 0n)) return { kind: 'nothing' }
    return refused('invalid_tax_line', `charge ${charge.chargeId} comes to 0 and has tax`)
  }
  if (minorUnits(batch.currency) === undefined)
    return refused('unknown_currency', `${batch.batchId}: ${batch.currency} is no ISO 4217 currency`)
  const rule = ruleFor(rules.mapping, chargeToWire(charge))
  if (rule === undefined) return refused('no_account_mapping', missingRule(charge))
  const recognition = rules.recognitionOf(charge)
  const placement = rules.place(batch.entityId, recognition.accountingDate)
  if (placement === undefined)
    return refused('no_accounting_period', noPeriod(batch.entityId, recognition.accountingDate))
  const entry = entryOf(batch, charge, rule, recognition, placement)
  const tax = taxEntryOf(entry, charge, rule, rules.mapping)
  if (tax.kind === 'refused') return refused(tax.code, tax.detail)
  const beside = tax.kind === 'none' ? {} : { tax: tax.entry }
  return { kind: 'posting', entry, ...beside, releases: releasesOf(entry, rule) }
}

function missingRule(charge: Charge): string {
  const { kind, timing, plan, price, currency, entityId } = charge
  const deferred = timing === 'in_advance' ? ' with deferred_revenue' : ''
  return (
    `charge ${charge.chargeId} matches no rule of the account mapping; add one${deferred} for ` +
    `kind ${kind}, timing ${timing}, plan ${plan}, price ${price}, currency ${currency}, entity ${entityId || '(none)'}`
  )
}

function entryOf(
  batch: BillingBatch,
  charge: Charge,
  rule: AccountRule,
  { serviceDays, schedule }: Recognition,
  placement: Placement,
): JournalEntry {
  const journalId = stableId('je', batch.batchId, charge.chargeId)
  const receivable = { account: rule.receivable, role: 'receivable' } as const
  const income =
    charge.timing === 'in_advance' && rule.deferredRevenue !== undefined
      ? ({ account: rule.deferredRevenue, role: 'deferred_revenue' } as const)
      : ({ account: rule.revenue, role: 'revenue' } as const)
  return {
    journalId,
    idempotencyKey: journalId,
    kind: 'journal',
    entityId: batch.entityId,
    currency: batch.currency,
    ...placement,
    lines: balanced(receivable, income, charge.amountRounded, rule.segments),
    chargeId: charge.chargeId,
    corrects: charge.corrects ?? '',
    customerId: charge.customerId,
    contractId: charge.contractId,
    subscriptionId: charge.subscriptionId,
    subscriptionVersion: charge.subscriptionVersion,
    plan: charge.plan,
    planVersion: charge.planVersion,
    price: charge.price,
    meter: charge.meter,
    chargeKind: charge.kind,
    timing: charge.timing,
    fromNs: charge.fromNs,
    untilNs: charge.untilNs,
    serviceDays,
    timezone: charge.timezone,
    performanceObligation: rule.performanceObligation,
    correlationId: charge.correlationId,
    source: { billingRunId: batch.billingRunId, batchId: batch.batchId, releaseId: '' },
    ...(schedule === undefined ? {} : { schedule }),
  }
}

/** One entry for each period of the calendar in which something is earned, dated on the last day that it earns. */
function releasesOf(entry: JournalEntry, rule: AccountRule): JournalEntry[] {
  const { schedule = [], movedFrom: _, accountingPeriod: __, ...deferral } = entry
  const deferred = { account: rule.deferredRevenue ?? rule.revenue, role: 'deferred_revenue' } as const
  const revenue = { account: rule.revenue, role: 'revenue' } as const
  return byPeriod(schedule).flatMap(({ part, month, fromNs, untilNs, amount }): JournalEntry[] => {
    if (amount === 0n) return []
    const journalId = stableId('rl', entry.journalId, part)
    const serviceDays = serviceDaysOf({ fromNs, untilNs, timezone: entry.timezone })
    return [
      {
        ...deferral,
        journalId,
        idempotencyKey: journalId,
        kind: 'release',
        accountingDate: serviceDays.last,
        accountingPeriod: '',
        lines: balanced(deferred, revenue, amount, rule.segments),
        fromNs,
        untilNs,
        serviceDays,
        releases: { journalId: entry.journalId, part, month },
      },
    ]
  })
}

type Earned = ScheduleEntry & { readonly part: number }

/** Parts of one listed period together: a 4-4-5 period may lie in two months. `part`: of the first of them, from 1. */
function byPeriod(schedule: readonly ScheduleEntry[]): Earned[] {
  const earned: Earned[] = []
  for (const [index, one] of schedule.entries()) {
    const before = earned.at(-1)
    if (
      before === undefined ||
      before.accountingPeriod === undefined ||
      before.accountingPeriod !== one.accountingPeriod
    )
      earned.push({ ...one, part: index + 1 })
    else earned[earned.length - 1] = { ...before, untilNs: one.untilNs, amount: before.amount + one.amount }
  }
  return earned
}

/**
 * What the rounding of a batch's lines came to, in whole minor units: revenue that is owed exactly and billed rounded.
 * Undefined: the mapping names no account for it, or it is less than a minor unit.
 */
export function roundingOf(
  batch: BillingBatch,
  { mapping, recognitionOf, place }: PostingRules,
): JournalEntry | undefined {
  const [units, last] = [minorUnits(batch.currency), batch.lines.at(-1)]
  if (mapping.rounding === undefined || units === undefined || last === undefined) return undefined
  const unit = scaledOne / 10n ** BigInt(units)
  const difference = batch.control.amountTotal - batch.control.amountRoundedTotal
  const amount = divideRounded(difference, unit) * unit
  const dates = batch.lines.map(line => recognitionOf(line).accountingDate).sort()
  const placement = amount === 0n ? undefined : place(batch.entityId, dates.at(-1)!)
  if (placement === undefined) return undefined
  const journalId = stableId('rd', batch.batchId)
  const { account, revenue } = mapping.rounding
  return {
    ...noCharge,
    fromNs: last.fromNs,
    untilNs: last.untilNs,
    serviceDays: serviceDaysOf(last),
    timezone: last.timezone,
    journalId,
    idempotencyKey: journalId,
    kind: 'rounding',
    entityId: batch.entityId,
    currency: batch.currency,
    ...placement,
    lines: balanced({ account, role: 'rounding' }, { account: revenue, role: 'revenue' }, amount, new Map()),
    source: { billingRunId: batch.billingRunId, batchId: batch.batchId, releaseId: '' },
  }
}
