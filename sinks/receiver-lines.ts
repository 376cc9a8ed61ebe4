// The lines of a receiver's document, added up by its account; and the same accounts of a journal of ours by its mapping, so that
// a reconciliation can hold one against the other.
// Invariant: amounts are exact: a text that is none is an error, never a zero.

import { formatScaled, parseDecimal, type Scaled } from '../schemas/money/decimal.js'
import type { ConnectorRecord, ReceiverDocument, ReceiverLine } from './connector.js'
import { type JournalDocument, readJournal } from './journal-record.js'
import type { RecordMapping, RecordMappings } from './mapping/record-mapping.js'

export class ReceiverLines {
  readonly #balances = new Map<string, Scaled>()
  #debit = 0n

  /** `amount`: a debit above zero, a credit below. */
  add(account: string, amount: unknown): void {
    const parsed = parseDecimal(amount)
    if (parsed.kind !== 'ok') throw new Error(`the receiver lists an amount that is none: ${String(amount)}`)
    if (parsed.value > 0n) this.#debit += parsed.value
    this.#balances.set(account, (this.#balances.get(account) ?? 0n) + parsed.value)
  }

  credit(account: string, amount: unknown): void {
    const parsed = parseDecimal(amount)
    this.add(account, parsed.kind === 'ok' ? formatScaled(-parsed.value) : amount)
  }

  told(): Required<Pick<ReceiverDocument, 'debit' | 'lines'>> {
    const lines = [...this.#balances].map(([account, balance]): ReceiverLine => {
      return { account, balance: formatScaled(balance) }
    })
    return { debit: formatScaled(this.#debit), lines }
  }
}

type LineOfJournal = JournalDocument['lines'][number]

/** Undefined where the record is no journal, or its mapping lacks an account. */
export async function mappedAccounts(
  record: ConnectorRecord,
  mappings: RecordMappings,
  accountOf = (mapping: RecordMapping, line: LineOfJournal, _: JournalDocument): string =>
    mapping.account(line),
): Promise<readonly string[] | undefined> {
  const read = readJournal(record)
  if (read.kind !== 'ok') return undefined
  const mapping = await mappings.of(record)
  const accounts = read.journal.lines.map(line => accountOf(mapping, line, read.journal))
  return mapping.refusal() === undefined ? accounts : undefined
}
