// One balanced journal entry per line of a billing batch that moves money.
// Invariants: debits equal credits; no side is negative (a credit note swaps the sides); an entry's id follows from
// batch and charge, so that posting again is posting the same; a line that rounds to 0 has no entry.
//
// A charge is debited to the receivable and credited to revenue; a charge in advance is credited to deferred
// revenue, with the schedule by which it becomes revenue. The caller hands in dates and schedules.

import type { BillingBatch } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { chargeToWire } from '../../schemas/billing/charge.js'
import type { JournalEntry, JournalLine, Recognition } from '../../schemas/billing/journal-entry.js'
import { stableId } from '../../schemas/identifiers.js'
import { minorUnits } from '../../schemas/money/currency.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import { type AccountMapping, type AccountRule, ruleFor } from '../../sinks/mapping/account-mapping.js'

export interface EntriesOfBatch {
  readonly entries: readonly JournalEntry[]
  /** Lines that cannot be posted; the other lines are posted. */
  readonly refused: readonly RefusedCharge[]
}

export interface RefusedCharge {
  readonly charge: Charge
  readonly code: 'no_account_mapping' | 'unknown_currency' | 'unknown_billing_run'
  readonly detail: string
}

/** When a charge is booked, given the cutoff of the run that billed it. */
export type Recognise = (charge: Charge, cutoffNs: bigint) => Recognition

export function entriesOf(
  batch: BillingBatch,
  mapping: AccountMapping,
  recognitionOf: (charge: Charge) => Recognition,
): EntriesOfBatch {
  const units = minorUnits(batch.currency)
  const entries: JournalEntry[] = []
  const refused: RefusedCharge[] = []
  for (const charge of batch.lines) {
    if (charge.amountRounded === 0n) continue
    const rule = ruleFor(mapping, chargeToWire(charge))
    if (units === undefined) {
      const detail = `${batch.batchId}: ${batch.currency} is no ISO 4217 currency`
      refused.push({ charge, code: 'unknown_currency', detail })
    } else if (rule === undefined) {
      refused.push({ charge, code: 'no_account_mapping', detail: missingRule(charge) })
    } else entries.push(entryOf(batch, charge, rule, recognitionOf(charge)))
  }
  return { entries, refused }
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
  { accountingDate, serviceDays, schedule }: Recognition,
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
    accountingDate,
    accountingPeriod: accountingDate.slice(0, 7),
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

/** Moves `amount` from `credited` to `debited`; a negative amount the other way, so that no side is negative. */
export function balanced(
  debited: Pick<JournalLine, 'account' | 'role'>,
  credited: Pick<JournalLine, 'account' | 'role'>,
  amount: Scaled,
  segments: JournalLine['segments'],
): JournalLine[] {
  if (amount < 0n) return balanced(credited, debited, -amount, segments)
  return [
    { ...debited, debit: amount, credit: 0n, segments },
    { ...credited, debit: 0n, credit: amount, segments },
  ]
}
