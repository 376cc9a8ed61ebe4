// One balanced journal entry per line of a billing batch.
// Invariants: debits equal credits; no side is negative (a credit note swaps the sides); an entry's id follows from
// batch and charge, so that posting again is posting the same.
//
// A charge is debited to the receivable and credited to revenue; in advance it is credited to deferred revenue, with
// the schedule by which it becomes revenue: evenly over time, cut at the calendar months (UTC) in which books close.

import type { BillingBatch } from '../../schemas/billing-batch.js'
import type { Charge } from '../../schemas/charge.js'
import { chargeToWire } from '../../schemas/charge.js'
import { minorUnits } from '../../schemas/currency.js'
import { divideRounded, type Scaled, scaledOne } from '../../schemas/decimal.js'
import { stableId } from '../../schemas/identifiers.js'
import type { JournalEntry, ScheduleEntry } from '../../schemas/journal-entry.js'
import { earlier, msOf, nsOf } from '../../schemas/time.js'
import { type AccountMapping, type AccountRule, ruleFor } from './config.js'

export type EntriesOfBatch =
  | { readonly kind: 'ok'; readonly entries: readonly JournalEntry[] }
  | {
      readonly kind: 'refused'
      readonly code: 'no_account_mapping' | 'unknown_currency'
      readonly detail: string
    }

/** `cutoffNs` of the run dates adjustments: the periods that they adjust are closed. */
export function entriesOf(batch: BillingBatch, mapping: AccountMapping, cutoffNs: bigint): EntriesOfBatch {
  const units = minorUnits(batch.currency)
  if (units === undefined) {
    return {
      kind: 'refused',
      code: 'unknown_currency',
      detail: `${batch.batchId}: ${batch.currency} is no ISO 4217 currency`,
    }
  }
  const entries: JournalEntry[] = []
  for (const charge of batch.lines) {
    const rule = ruleFor(mapping, chargeToWire(charge))
    if (rule === undefined)
      return { kind: 'refused', code: 'no_account_mapping', detail: missingRule(charge) }
    entries.push(entryOf(batch, charge, rule, units, cutoffNs))
  }
  return { kind: 'ok', entries }
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
  units: number,
  cutoffNs: bigint,
): JournalEntry {
  const journalId = stableId('je', batch.batchId, charge.chargeId)
  const inAdvance = charge.timing === 'in_advance'
  const income = inAdvance ? (rule.deferredRevenue ?? rule.revenue) : rule.revenue
  const amount = charge.amountRounded
  const magnitude = amount < 0n ? -amount : amount
  const [debited, credited] = amount < 0n ? [income, rule.receivable] : [rule.receivable, income]
  return {
    journalId,
    idempotencyKey: journalId,
    entityId: batch.entityId,
    currency: batch.currency,
    accountingDate: accountingDate(charge, cutoffNs),
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
    correlationId: '',
    source: { billingRunId: batch.billingRunId, batchId: batch.batchId },
    ...(inAdvance ? { schedule: straightLine(charge, amount, units) } : {}),
  }
}

/** In arrears the last day of the service period, in advance its first, an adjustment the last day before the cutoff. */
function accountingDate(charge: Charge, cutoffNs: bigint): string {
  if (charge.kind === 'adjustment') return dateOf(cutoffNs - 1n)
  return dateOf(charge.timing === 'in_advance' ? charge.fromNs : charge.untilNs - 1n)
}

function dateOf(instantNs: bigint): string {
  return new Date(msOf(instantNs)).toISOString().slice(0, 10)
}

/**
 * Straight line: what is recognised by an instant is amount x elapsed / length, rounded to the currency's minor unit;
 * each month gets the difference, so that the months add up to the amount exactly.
 */
export function straightLine(
  period: { readonly fromNs: bigint; readonly untilNs: bigint },
  amount: Scaled,
  units: number,
): ScheduleEntry[] {
  const minorUnit = scaledOne / 10n ** BigInt(units)
  const length = period.untilNs - period.fromNs
  const items: ScheduleEntry[] = []
  let recognised = 0n
  for (let fromNs = period.fromNs; fromNs < period.untilNs; ) {
    const untilNs = earlier(nextMonth(fromNs), period.untilNs)
    const elapsed = untilNs - period.fromNs
    const byThen = divideRounded(amount * elapsed, length * minorUnit) * minorUnit
    items.push({ fromNs, untilNs, amount: byThen - recognised })
    recognised = byThen
    fromNs = untilNs
  }
  return items
}

function nextMonth(instantNs: bigint): bigint {
  const date = new Date(msOf(instantNs))
  return nsOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1))
}
