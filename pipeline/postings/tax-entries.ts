// What tax that a tax engine committed, adjusted or voided does to the books, pure: it stands beside the charges that its lines name.
// Invariants:
// 1. What stands is credited as it was posted, and what the latest state says is posted anew: never the difference of the two. So each
//    entry says of which state it is.
// 2. A line that names a charge has the amount of the charge, its customer, currency and entity; else nothing of the tax is posted.
// 3. Ids follow from the tax, its state and the charge, so that posting again is posting the same.
// 4. A tax of many lines stands in pieces, each small enough for one atomic batch. They are brought to the latest state one after another:
//    whatever ends in the middle, each piece says of itself what stands, and the next try goes on. What has the same lines already stays.

import { z } from 'zod'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { stableId } from '../../schemas/identifiers.js'
import { minorUnits } from '../../schemas/money/currency.js'
import { formatScaled, parseDecimal, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { AccountMapping } from '../../sinks/mapping/account-mapping.js'
import { ledgerRuleFor } from '../../sinks/mapping/ledger-rules.js'
import { noPeriod, type Place } from './entry-parts.js'
import type { KeptTax } from './tax-store.js'

/** Lines of one piece, unless a single charge has more: what it posts and what it credits fit into one atomic batch of the broker. */
export const mostLinesOfPiece = 400

/** The last message on `taxes.<entity>.<tax>`, and of further pieces on `taxes.<entity>.<tax>.<piece>`: what of it stands in the books. */
export const standingTaxSchema = z.object({
  tax_id: z.string(),
  sequence: z.int(),
  entity_id: z.string(),
  /** Of the first piece: so many may hold entries. */
  pieces: z.int().min(1).default(1),
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

export interface TaxPiece {
  readonly index: number
  readonly lines: readonly Line[]
  /** How many pieces the tax has now. */
  readonly of: number
}

/** The pieces to bring to the state of the tax, one after another: those that it has now, and those that `standing` had beyond them. */
export function taxPiecesOf(
  tax: KeptTax,
  standing: readonly StandingTax[],
  most: number = mostLinesOfPiece,
): readonly TaxPiece[] {
  const pieces: Line[][] = [[]]
  for (const own of byCharge(wantedLines(tax)).values()) {
    const last = pieces.at(-1)!
    if (last.length > 0 && last.length + own.length > most) pieces.push([...own])
    else last.push(...own)
  }
  const of = pieces.length
  const count = Math.max(of, standing.length)
  return Array.from({ length: count }, (_, index) => ({ index, lines: pieces[index] ?? [], of }))
}

/** Why nothing of the tax may be posted; `standing` are its pieces as they stand. */
export function taxRefusalOf(
  tax: KeptTax,
  standing: readonly StandingTax[],
  rules: TaxRules,
): Extract<TaxPosting, { kind: 'refused' }> | undefined {
  const before = standing.flatMap(({ entries }) => entries)
  return refusable(tax, () => {
    const entries = [
      ...before.map(entry => credited(entry, tax, rules.place)),
      ...entriesOf(tax, wantedLines(tax), rules),
    ]
    if (entries.some(entry => entry.entity_id !== entries[0]?.entity_id))
      throw new Refused('tax_of_several_entities', 'its charges are of several entities')
    return undefined
  })
}

/** Whether there is nothing to do for a piece. */
export function isPosted({ index, lines, of }: TaxPiece, standing: StandingTax | undefined): boolean {
  const isCounted = index > 0 || of <= (standing?.pieces ?? 1)
  return isCounted && JSON.stringify(lines) === JSON.stringify(standing?.lines ?? [])
}

/** Brings one piece to the state of the tax. */
export function taxPostingOf(
  tax: KeptTax,
  piece: TaxPiece,
  standing: StandingTax | undefined,
  rules: TaxRules,
): TaxPosting {
  if (isPosted(piece, standing)) return { kind: 'nothing' }
  const { index, lines, of } = piece
  const pieces = index === 0 ? Math.max(of, standing?.pieces ?? 1) : 1
  return refusable(tax, () => {
    const credits = (standing?.entries ?? []).map(entry => credited(entry, tax, rules.place))
    const entries = entriesOf(tax, lines, rules)
    const entityId = entries[0]?.entity_id ?? standing?.entity_id ?? ''
    const now: StandingTax = {
      ...{ tax_id: tax.tax_id, sequence: tax.sequence, entity_id: entityId, pieces },
      lines: lines.map(line => ({ ...line })),
      entries,
    }
    return { kind: 'posting' as const, entries: [...credits, ...entries], standing: now }
  })
}

function refusable<T>(tax: KeptTax, work: () => T): T | Extract<TaxPosting, { kind: 'refused' }> {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { kind: 'refused', code: error.code, detail: `tax ${tax.tax_id}: ${error.message}` }
  }
}

interface TaxedCharge {
  readonly charge: JournalEntryWire
  readonly lines: readonly Line[]
}

function byCharge(lines: readonly Line[]): ReadonlyMap<string, readonly Line[]> {
  const found = new Map<string, Line[]>()
  for (const line of lines) {
    const own = found.get(line.charge_id)
    if (own === undefined) found.set(line.charge_id, [line])
    else own.push(line)
  }
  return found
}

function entriesOf(tax: KeptTax, lines: readonly Line[], rules: TaxRules): JournalEntryWire[] {
  return chargesOf(tax, lines, rules).flatMap(one => entryOf(tax, one, rules))
}

function chargesOf(tax: KeptTax, lines: readonly Line[], { charges }: TaxRules): TaxedCharge[] {
  return [...byCharge(lines)].map(([id, own]) => {
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
