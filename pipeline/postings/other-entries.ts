// Entries that stand beside those of charges, pure: the tax that a source gave with a charge, and what becomes of a credit that a
// customer paid before using it. Of prepaid credits no source tells yet; whoever reads one calls `prepaidEntryOf`.
//
// | what | debit | credit |
// |---|---|---|
// | tax | receivable | the account of each tax |
// | a credit is granted, for the price that was paid | receivable | contract liability |
// | drawn: it pays for a charge, which has an entry of its own | contract liability | receivable |
// | expired unused | contract liability | breakage |
// | voided: what is left of it is given back | contract liability | receivable |
//
// Worked example: 100.00 are paid, 60.00 of usage are drawn and 40.00 expire. The charge is debited to the receivable and
// credited to revenue like any other (60.00), so the receivable ends at the 100.00 that were paid, the liability at 0, revenue
// at 60.00 and breakage at 40.00.
//
// Invariants: charges keep their amounts (I4), so tax is no part of a charge and a draw is no revenue of its own; what is taken
// back is the same move with the other sign; what is 0 has no entry; each tax line is in the entry or the whole line is refused.

import { serviceDaysOf } from '../../rating/recognition/recognise.js'
import type { Charge } from '../../schemas/billing/charge.js'
import type { JournalEntry, PrepaidAct } from '../../schemas/billing/journal-entry.js'
import type { TaxLine } from '../../schemas/billing/tax-line.js'
import { stableId } from '../../schemas/identifiers.js'
import { minorUnits, minorUnitsOf } from '../../schemas/money/currency.js'
import { formatScaled, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { AccountMapping, AccountRule } from '../../sinks/mapping/account-mapping.js'
import { ledgerRuleFor } from '../../sinks/mapping/ledger-rules.js'
import { balanced, noCharge, noPeriod, type Place } from './entry-parts.js'

export type TaxOfLine =
  | { readonly kind: 'none' }
  | { readonly kind: 'entry'; readonly entry: JournalEntry }
  | {
      readonly kind: 'refused'
      readonly code: 'no_account_mapping' | 'invalid_tax_line'
      readonly detail: string
    }

/** `entry`: of the charge. `rule`: by which it is posted. */
export function taxEntryOf(
  { schedule: _, ...entry }: JournalEntry,
  { chargeId, taxLines = [] }: Pick<Charge, 'chargeId' | 'taxLines'>,
  rule: AccountRule,
  mapping: AccountMapping,
): TaxOfLine {
  const lines: JournalEntry['lines'][number][] = []
  for (const tax of taxLines) {
    if (tax.amount === 0n) continue
    const unit = scaledOne / 10n ** BigInt(minorUnitsOf(entry.currency))
    if (tax.amount % unit !== 0n) {
      const detail = `charge ${chargeId}: the tax ${describe(tax)} is no amount in ${entry.currency}`
      return { kind: 'refused', code: 'invalid_tax_line', detail }
    }
    const facts = { tax_code: tax.taxCode, jurisdiction: tax.jurisdiction, entity_id: entry.entityId }
    const taxRule = ledgerRuleFor(mapping.tax, { ...facts, currency: entry.currency })
    if (taxRule === undefined) {
      const detail = `charge ${chargeId}: no rule under tax in the account mapping agrees with ${describe(tax)}, currency ${entry.currency}, entity ${entry.entityId || '(none)'}`
      return { kind: 'refused', code: 'no_account_mapping', detail }
    }
    const receivable = { account: rule.receivable, role: 'receivable' } as const
    const owed = { account: taxRule.accounts.tax, role: 'tax' } as const
    const segments = new Map([...rule.segments, ...taxRule.segments])
    const attributes = { tax_code: tax.taxCode, jurisdiction: tax.jurisdiction }
    for (const line of balanced(receivable, owed, tax.amount, segments))
      lines.push(line.role === 'tax' ? { ...line, tax: attributes } : line)
  }
  if (lines.length === 0) return { kind: 'none' }
  const journalId = stableId('tx', entry.journalId)
  return { kind: 'entry', entry: { ...entry, journalId, idempotencyKey: journalId, kind: 'tax', lines } }
}

function describe({ taxCode, jurisdiction, amount }: TaxLine): string {
  return `${taxCode} of ${jurisdiction}, ${formatScaled(amount)}`
}

export interface PrepaidMove {
  /** Unique among all moves: the same move is the same entry. */
  readonly moveId: string
  readonly act: PrepaidAct
  readonly creditId: string
  readonly entityId: string
  readonly customerId: string
  readonly contractId: string
  readonly subscriptionId: string
  readonly currency: string
  /** In whole minor units; negative takes back. */
  readonly amount: Scaled
  readonly atNs: bigint
  /** IANA name; the entry is booked on its day. */
  readonly timezone: string
  /** Of a draw: the charge that it pays for. */
  readonly chargeId: string
  readonly correlationId: string
}

export type PrepaidPosting =
  | { readonly kind: 'posting'; readonly entry: JournalEntry }
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'refused'
      readonly code: 'no_account_mapping' | 'unknown_currency' | 'invalid_amount' | 'no_accounting_period'
      readonly detail: string
    }

export function prepaidEntryOf(move: PrepaidMove, mapping: AccountMapping, place: Place): PrepaidPosting {
  const { amount, currency, entityId, creditId, act, atNs, timezone } = move
  if (amount === 0n) return { kind: 'nothing' }
  const refused = (code: Extract<PrepaidPosting, { kind: 'refused' }>['code'], detail: string) =>
    ({ kind: 'refused', code, detail: `credit ${creditId}: ${detail}` }) as const
  const units = minorUnits(currency)
  if (units === undefined) return refused('unknown_currency', `${currency} is no ISO 4217 currency`)
  if (amount % (scaledOne / 10n ** BigInt(units)) !== 0n)
    return refused('invalid_amount', `its amount is finer than the minor unit of ${currency}`)
  const rule = ledgerRuleFor(mapping.prepaid, { entity_id: entityId, currency })
  if (rule === undefined) {
    const whose = `currency ${currency}, entity ${entityId || '(none)'}`
    return refused('no_account_mapping', `no rule under prepaid in the account mapping agrees with ${whose}`)
  }
  const serviceDays = serviceDaysOf({ fromNs: atNs, untilNs: atNs, timezone })
  const placement = place(entityId, serviceDays.first)
  if (placement === undefined) return refused('no_accounting_period', noPeriod(entityId, serviceDays.first))
  const journalId = stableId('pp', move.moveId)
  const { chargeId, customerId, contractId, subscriptionId, correlationId } = move
  const entry: JournalEntry = {
    ...noCharge,
    ...{ chargeId, customerId, contractId, subscriptionId, correlationId },
    ...{ journalId, idempotencyKey: journalId, kind: 'prepaid', entityId, currency },
    ...placement,
    lines: linesOf(act, rule.accounts, amount, rule.segments),
    ...{ fromNs: atNs, untilNs: atNs, serviceDays, timezone },
    source: { billingRunId: '', batchId: '', releaseId: '' },
    prepaid: { creditId, act },
  }
  return { kind: 'posting', entry }
}

function linesOf(
  act: PrepaidAct,
  accounts: AccountMapping['prepaid'][number]['accounts'],
  amount: Scaled,
  segments: ReadonlyMap<string, string>,
): JournalEntry['lines'] {
  const receivable = { account: accounts.receivable, role: 'receivable' } as const
  const liability = { account: accounts.contract_liability, role: 'contract_liability' } as const
  const breakage = { account: accounts.breakage, role: 'revenue' } as const
  switch (act) {
    case 'granted':
      return balanced(receivable, liability, amount, segments)
    case 'drawn':
    case 'voided':
      return balanced(liability, receivable, amount, segments)
    case 'expired':
      return balanced(liability, breakage, amount, segments)
    default:
      return act satisfies never
  }
}
