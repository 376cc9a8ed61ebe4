// One balanced journal entry per line of a billing batch that moves money.
// Invariants: debits equal credits; no side is negative (a credit note swaps the sides); an entry's id follows from
// batch and charge, so that posting again is posting the same; a line that rounds to 0 has no entry.
//
// A charge is debited to the receivable and credited to revenue; a charge in advance is credited to deferred
// revenue, with the schedule by which it becomes revenue. The caller hands in dates and schedules.

import type { BillingBatch } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { chargeToWire } from '../../schemas/billing/charge.js'
import type { JournalEntry, Recognition } from '../../schemas/billing/journal-entry.js'
import { stableId } from '../../schemas/identifiers.js'
import { minorUnits } from '../../schemas/money/currency.js'
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
  { accountingDate, schedule }: Recognition,
): JournalEntry {
  const journalId = stableId('je', batch.batchId, charge.chargeId)
  const income = charge.timing === 'in_advance' ? (rule.deferredRevenue ?? rule.revenue) : rule.revenue
  const amount = charge.amountRounded
  const magnitude = amount < 0n ? -amount : amount
  const [debited, credited] = amount < 0n ? [income, rule.receivable] : [rule.receivable, income]
  return {
    journalId,
    idempotencyKey: journalId,
    entityId: batch.entityId,
    currency: batch.currency,
    accountingDate,
    lines: [
      { account: debited, debit: magnitude, credit: 0n, segments: rule.segments },
      { account: credited, debit: 0n, credit: magnitude, segments: rule.segments },
    ],
    chargeId: charge.chargeId,
    customerId: charge.customerId,
    contractId: charge.contractId,
    subscriptionId: charge.subscriptionId,
    subscriptionVersion: charge.subscriptionVersion,
    fromNs: charge.fromNs,
    untilNs: charge.untilNs,
    performanceObligation: rule.performanceObligation,
    correlationId: charge.correlationId,
    source: { billingRunId: batch.billingRunId, batchId: batch.batchId },
    ...(schedule === undefined ? {} : { schedule }),
  }
}
