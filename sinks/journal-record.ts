// A record of POSTINGS as connectors to ledgers read it: the entry with its type, amounts checked against the
// currency's minor unit.
// Invariant: amounts stay texts and become numbers of JSON with all their digits; none goes through a double.

import type { z } from 'zod'
import { journalEntrySchema } from '../schemas/billing/journal-entry.js'
import { minorUnits } from '../schemas/money/currency.js'
import { formatScaled } from '../schemas/money/decimal.js'
import { type ExactNumber, numberOf } from '../schemas/money/exact-number.js'
import type { ConnectorRecord, PutOutcome } from './connector.js'

export type JournalDocument = z.output<typeof journalEntrySchema>

export interface SideOfLine {
  readonly side: 'debit' | 'credit'
  /** Positive, without trailing zeros. */
  readonly amount: string
}

export type ReadJournal =
  | { readonly kind: 'ok'; readonly journal: JournalDocument; readonly sides: readonly SideOfLine[] }
  | Extract<PutOutcome, { kind: 'refused' }>

/** `sides` lines up with `journal.lines`. Lines of zero have no side to book and are refused. */
export function readJournal({ document }: ConnectorRecord): ReadJournal {
  const parsed = journalEntrySchema.safeParse(document)
  if (!parsed.success)
    return invalid(parsed.error.issues.map(one => `${one.path.join('.')}: ${one.message}`).join('; '))
  const journal = parsed.data
  const digits = minorUnits(journal.currency)
  const sides: SideOfLine[] = []
  let balance = 0n
  for (const [index, line] of journal.lines.entries()) {
    const { debit, credit } = line
    if (debit < 0n || credit < 0n || debit > 0n === credit > 0n)
      return invalid(`line ${index + 1} of account ${line.account} has not exactly one positive side`)
    const amount = formatScaled(debit > 0n ? debit : credit)
    if (digits !== undefined && (amount.split('.')[1] ?? '').length > digits)
      return invalid(`line ${index + 1}: ${amount} is no amount in ${journal.currency}`)
    balance += debit - credit
    sides.push({ side: debit > 0n ? 'debit' : 'credit', amount })
  }
  if (balance !== 0n)
    return {
      kind: 'refused',
      code: 'entry_unbalanced',
      detail: `debits and credits differ by ${formatScaled(balance)}`,
    }
  return { kind: 'ok', journal, sides }
}

/** For receivers that round amounts to so many decimals, whatever the currency has. */
export function beyondDecimals(
  sides: readonly SideOfLine[],
  digits: number,
  receiver: string,
): Extract<PutOutcome, { kind: 'refused' }> | undefined {
  const finer = sides.find(({ amount }) => (amount.split('.')[1] ?? '').length > digits)
  return finer === undefined
    ? undefined
    : invalid(`${receiver} keeps ${digits} decimals of an amount, and ${finer.amount} has more`)
}

/** A number of JSON with exactly these digits; written by `stringifyJson`. */
export function jsonNumber(amount: string): number | ExactNumber {
  return numberOf(amount)
}

function invalid(detail: string): Extract<PutOutcome, { kind: 'refused' }> {
  return { kind: 'refused', code: 'invalid_record', detail }
}
