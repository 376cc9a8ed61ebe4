// What tax that a tax engine committed, adjusted or voided does to the books, pure: it stands beside the charges that its lines name.
// Invariants:
// 1. What stands is credited as it was posted, and what the latest state says is posted anew: never the difference of the two. So each
//    entry says of which state it is.
// 2. A line that names a charge has the amount of the charge, its customer, currency and entity; else nothing of the tax is posted.
// 3. Ids follow from the tax, its state and the charge, so that posting again is posting the same.

import { z } from 'zod'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { stableId } from '../../schemas/identifiers.js'
import { minorUnits } from '../../schemas/money/currency.js'
import { formatScaled, parseDecimal, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { AccountMapping } from '../../sinks/mapping/account-mapping.js'
import { ledgerRuleFor } from '../../sinks/mapping/ledger-rules.js'
import { noPeriod, type Place } from './entry-parts.js'
import type { KeptTax } from './tax-store.js'

/** The last message on `taxes.<entity>.<tax>`: what of a tax stands in the books. */
export const standingTaxSchema = z.object({
  tax_id: z.string(),
  sequence: z.int(),
  entity_id: z.string(),
  /** What it was made from: the same lines again change nothing. */
  lines: z.array(z.record(z.string(), z.string())),
  entries: z.array(z.custom<JournalEntryWire>(value => typeof value === 'object' && value !== null)),
})
export type StandingTax = z.infer<typeof standingTaxSchema>

export type TaxRefusal =
  | 'tax_line_without_charge'
  | 'tax_charge_not_posted'
  | 'tax_of_another_customer'
  | 'tax_currency_differs'
  | 'tax_amount_differs'
  | 'tax_of_several_entities'
  | 'invalid_tax_line'
  | 'no_account_mapping'
  | 'no_accounting_period'

export type TaxPosting =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'refused'; readonly code: TaxRefusal; readonly detail: string }
  | {
      readonly kind: 'posting'
      readonly entries: readonly JournalEntryWire[]
      readonly standing: StandingTax
    }

export interface TaxRules {
  /** The entries of the charges that the lines name, as they were posted. */
  readonly charges: ReadonlyMap<string, JournalEntryWire>
  readonly mapping: AccountMapping
  readonly place: Place
}

type Line = KeptTax['lines'][number]
class Refused extends Error {
  readonly code: TaxRefusal
  constructor(code: TaxRefusal, detail: string) {
    super(detail)
    this.code = code
  }
}

/** The lines that are to stand in the books: none of a voided tax, and none where no line names a charge. */
export function wantedLines({ status, lines }: KeptTax): readonly Line[] {
  return status === 'voided' || lines.every(line => line.charge_id === '') ? [] : lines
}

export function taxPostingOf(tax: KeptTax, standing: StandingTax | undefined, rules: TaxRules): TaxPosting {
  const lines = wantedLines(tax)
  if (JSON.stringify(lines) === JSON.stringify(standing?.lines ?? [])) return { kind: 'nothing' }
  try {
    const credits = (standing?.entries ?? []).map(entry => credited(entry, tax, rules.place))
    const entries = chargesOf(tax, lines, rules).flatMap(one => entryOf(tax, one, rules))
    const entityId = entries[0]?.entity_id ?? standing?.entity_id ?? ''
    if ([...credits, ...entries].some(entry => entry.entity_id !== entityId))
      throw new Refused('tax_of_several_entities', 'its charges are of several entities')
    const now: StandingTax = {
      ...{ tax_id: tax.tax_id, sequence: tax.sequence, entity_id: entityId },
      lines: lines.map(line => ({ ...line })),
      entries,
    }
    return { kind: 'posting', entries: [...credits, ...entries], standing: now }
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { kind: 'refused', code: error.code, detail: `tax ${tax.tax_id}: ${error.message}` }
  }
}

interface TaxedCharge {
  readonly charge: JournalEntryWire
  readonly lines: readonly Line[]
}

function chargesOf(tax: KeptTax, lines: readonly Line[], { charges }: TaxRules): TaxedCharge[] {
  const byCharge = new Map<string, Line[]>()
  for (const line of lines) byCharge.set(line.charge_id, [...(byCharge.get(line.charge_id) ?? []), line])
  return [...byCharge].map(([id, own]) => {
    if (id === '')
      throw new Refused('tax_line_without_charge', `line ${own[0]!.line} names no charge, and others do`)
    const charge = charges.get(id)
    if (charge === undefined)
      throw new Refused('tax_charge_not_posted', `the charge ${id} is in no books yet`)
    if (charge.customer_id !== tax.customer_id)
      throw new Refused('tax_of_another_customer', `the charge ${id} is not one of ${tax.customer_id}`)
    if (charge.currency !== tax.currency)
      throw new Refused(
        'tax_currency_differs',
        `the charge ${id} is in ${charge.currency}, the tax in ${tax.currency}`,
      )
    const perLine = new Map(own.map(line => [line.line, amountOf(line.amount)]))
    const taxed = [...perLine.values()].reduce((sum, amount) => sum + amount, 0n)
    const owed = receivableOf(charge)
    if (taxed !== owed)
      throw new Refused(
        'tax_amount_differs',
        `it taxes ${formatScaled(taxed)} of the charge ${id}, which comes to ${formatScaled(owed)}`,
      )
    return { charge, lines: own }
  })
}

function entryOf(
  tax: KeptTax,
  { charge, lines }: TaxedCharge,
  { mapping, place }: TaxRules,
): JournalEntryWire[] {
  const receivable = charge.lines.find(line => line.role === 'receivable')
  if (receivable === undefined) throw new Error(`the entry ${charge.journal_id} has no receivable`)
  const unit = scaledOne / 10n ** BigInt(minorUnits(charge.currency) ?? 0)
  const entryLines = lines.flatMap(line => {
    const amount = amountOf(line.tax)
    if (amount === 0n) return []
    if (amount % unit !== 0n)
      throw new Refused(
        'invalid_tax_line',
        `${line.tax} of ${line.jurisdiction} is no amount in ${charge.currency}`,
      )
    const facts = { tax_code: line.tax_code, jurisdiction: line.jurisdiction, entity_id: charge.entity_id }
    const rule = ledgerRuleFor(mapping.tax, { ...facts, currency: charge.currency })
    if (rule === undefined)
      throw new Refused(
        'no_account_mapping',
        `no rule under tax in the account mapping agrees with ${line.tax_code} of ${line.jurisdiction}, currency ${charge.currency}, entity ${charge.entity_id || '(none)'}`,
      )
    const segments = { ...receivable.segments, ...Object.fromEntries(rule.segments) }
    const [debit, credit] = amount > 0n ? [formatScaled(amount), '0'] : ['0', formatScaled(-amount)]
    const { tax_code, jurisdiction, rate, taxable, exempt } = line
    const of = { tax_id: tax.tax_id, document: tax.document, document_status: tax.document_status }
    return [
      { account: receivable.account, role: 'receivable' as const, debit, credit, segments },
      {
        account: rule.accounts.tax,
        role: 'tax' as const,
        debit: credit,
        credit: debit,
        segments,
        tax: { tax_code, jurisdiction, rate, taxable, exempt, ...of },
      },
    ]
  })
  if (entryLines.length === 0) return []
  const { schedule: _, ...own } = charge
  const journalId = stableId('tx', tax.tax_id, stateOf(tax), charge.journal_id)
  return [
    placed(
      { ...own, journal_id: journalId, idempotency_key: journalId, kind: 'tax', lines: entryLines },
      place,
    ),
  ]
}

/** What takes an entry back: the same with its sides changed. */
function credited(entry: JournalEntryWire, tax: KeptTax, place: Place): JournalEntryWire {
  const journalId = stableId('tx', entry.journal_id, 'credit', stateOf(tax))
  const lines = entry.lines.map(line => ({ ...line, debit: line.credit, credit: line.debit }))
  return placed({ ...entry, journal_id: journalId, idempotency_key: journalId, lines }, place)
}

function stateOf({ sequence, event }: KeptTax): string {
  return `${sequence} ${event}`
}

/** On the day of its charge; what that day's period no longer takes goes to the next open one. */
function placed(entry: JournalEntryWire, place: Place): JournalEntryWire {
  const { accounting_date, accounting_period: _, moved_from: moved, ...own } = entry
  const day = moved ?? accounting_date
  const placement = place(entry.entity_id, day)
  if (placement === undefined) throw new Refused('no_accounting_period', noPeriod(entry.entity_id, day))
  const { accountingDate, accountingPeriod, movedFrom } = placement
  return {
    ...own,
    accounting_date: accountingDate,
    accounting_period: accountingPeriod,
    ...(movedFrom === undefined ? {} : { moved_from: movedFrom }),
  }
}

function receivableOf({ lines }: JournalEntryWire): Scaled {
  return lines
    .filter(line => line.role === 'receivable')
    .reduce((sum, line) => sum + amountOf(line.debit) - amountOf(line.credit), 0n)
}

function amountOf(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`${text} is no amount`)
  return parsed.value
}
