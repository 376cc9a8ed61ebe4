// Lists our entries in Business Central for the reconciliation against the receiver itself: what the ledger has, and where
// people post, what still waits in their journal.

import type { DocumentRange, ReceiverDocument } from '../connector.js'
import { ReceiverLines } from '../receiver-lines.js'
import type { Journals, Step } from './journals.js'
import { keyIn } from './records.js'

interface Row {
  readonly documentNumber: string
  readonly postingDate: string
  readonly description: string
  readonly accountNumber: string
  readonly debit: unknown
  readonly credit: unknown
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
    waiting.push(...lines.map(line => ({ ...line, debit: line.amount, credit: 0 })))
  }
  const entries = read(await journals.entries(inRange, signal))
  const posted = entries.map(entry => ({ ...entry, debit: entry.debitAmount, credit: entry.creditAmount }))
  const found = documentsIn(waiting, 'written', currency)
  for (const [key, document] of documentsIn(posted, 'posted', currency)) found.set(key, document)
  return [...found.values()]
}

function documentsIn(
  rows: readonly Row[],
  state: ReceiverDocument['state'],
  currency: string,
): Map<string, ReceiverDocument> {
  const found = new Map<string, { readonly row: Row; readonly lines: ReceiverLines }>()
  for (const row of rows) {
    const key = keyIn(row.description)
    if (key === undefined) continue
    const before = found.get(key) ?? { row, lines: new ReceiverLines() }
    before.lines.add(row.accountNumber, row.debit)
    before.lines.credit(row.accountNumber, row.credit)
    found.set(key, before)
  }
  return new Map(
    [...found].map(([key, { row, lines }]) => [
      key,
      {
        key,
        externalId: row.documentNumber,
        state,
        date: row.postingDate,
        currency,
        ...lines.told(),
      },
    ]),
  )
}

function read<T>(step: Step<T>): T {
  if (step.kind === 'ok') return step.value
  throw new Error(step.outcome.detail)
}
