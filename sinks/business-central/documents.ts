// Lists our entries in Business Central for the reconciliation against the receiver itself: what the ledger has, and where
// people post, what still waits in their journal.

import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import type { DocumentRange, ReceiverDocument } from '../connector.js'
import type { Journals, Step } from './journals.js'
import { keyIn } from './records.js'

interface Row {
  readonly documentNumber: string
  readonly postingDate: string
  readonly description: string
  /** Of a credit 0 or less. */
  readonly debit: unknown
}

/** Throws when a list cannot be read to its end: half a list would name as missing what is there. */
export async function documentsOf(
  journals: Journals,
  journalOfPeople: string | undefined,
  { from, until }: DocumentRange,
  signal: AbortSignal,
): Promise<readonly ReceiverDocument[]> {
  const currency = read(await journals.currency(signal))
  const inRange = `postingDate ge ${from} and postingDate le ${until} and startswith(description,'Weir ')`
  // First what waits: an entry that is posted in between is then in the ledger, which decides.
  const waiting: Row[] = []
  if (journalOfPeople !== undefined) {
    const journal = read(await journals.find(journalOfPeople, signal))
    if (journal === undefined) throw new Error(`there is no general journal ${journalOfPeople}`)
    const lines = read(await journals.lines(journal.id, inRange, signal))
    waiting.push(...lines.map(line => ({ ...line, debit: line.amount })))
  }
  const entries = read(await journals.entries(inRange, signal))
  const posted = entries.map(entry => ({ ...entry, debit: entry.debitAmount }))
  const found = documentsIn(waiting, 'written', currency)
  for (const [key, document] of documentsIn(posted, 'posted', currency)) found.set(key, document)
  return [...found.values()]
}

function documentsIn(
  rows: readonly Row[],
  state: ReceiverDocument['state'],
  currency: string,
): Map<string, ReceiverDocument> {
  const found = new Map<string, { readonly row: Row; debit: Scaled }>()
  for (const row of rows) {
    const key = keyIn(row.description)
    if (key === undefined) continue
    const before = found.get(key) ?? { row, debit: 0n }
    const amount = parseDecimal(row.debit)
    if (amount.kind !== 'ok') throw new Error(`${String(row.debit)} of ${row.documentNumber} is no amount`)
    if (amount.value > 0n) before.debit += amount.value
    found.set(key, before)
  }
  return new Map(
    [...found].map(([key, { row, debit }]) => [
      key,
      {
        key,
        externalId: row.documentNumber,
        state,
        date: row.postingDate,
        currency,
        debit: formatScaled(debit),
      },
    ]),
  )
}

function read<T>(step: Step<T>): T {
  if (step.kind === 'ok') return step.value
  throw new Error(step.outcome.detail)
}
