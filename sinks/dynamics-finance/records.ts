// From a journal to the header and lines of a general journal in Dynamics 365 Finance (`LedgerJournalHeaders`,
// `LedgerJournalLines`).
// Invariants:
// 1. The same record under the same mapping gives the same bodies.
// 2. Our key names the journal: its batch number is a hash of it, so a second write of the same record has a number that is taken.
//    The whole key stands in the header's description and in each line's text.

import type { ExactNumber } from '../../schemas/money/exact-number.js'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { type JournalDocument, jsonNumber, readJournal } from '../journal-record.js'
import { dimensionField } from '../mapping/dimension-fields.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import { shortReference } from '../short-reference.js'
import type { DynamicsFinanceSettings } from './config.js'

export interface HeaderBody {
  readonly dataAreaId: string
  readonly JournalBatchNumber: string
  readonly JournalName: string
  readonly Description: string
}

export interface LineBody {
  readonly dataAreaId: string
  readonly JournalBatchNumber: string
  readonly LineNumber: number
  readonly AccountType: 'Ledger' | 'Cust'
  readonly AccountDisplayValue: string
  readonly CurrencyCode: string
  readonly TransDate: string
  readonly DebitAmount?: number | ExactNumber
  readonly CreditAmount?: number | ExactNumber
  readonly Text: string
  readonly Document: string
  readonly Voucher?: string
}

export interface EntryOfJournal {
  readonly kind: 'ok'
  readonly header: HeaderBody
  readonly lines: readonly LineBody[]
}

type Settings = Pick<DynamicsFinanceSettings, 'voucher' | 'receivables' | 'dimensions' | 'delimiter'>

/** Of Description and Text. */
const longestText = 60
export const textPrefix = 'Weir '

export function entryOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  settings: Settings,
): EntryOfJournal | PutOutcome {
  const read = readJournal(record)
  if (read.kind !== 'ok') return read
  const { journal, sides } = read
  const dataAreaId = mapping.value('company')
  const JournalBatchNumber = batchNumberOf(record.key)
  // As many characters as Document and Voucher take.
  const document = shortReference(record.key)
  const text = textOf(record.key)
  const lines = journal.lines.map((line, index): LineBody => {
    const { side, amount } = sides[index]!
    return {
      dataAreaId,
      JournalBatchNumber,
      LineNumber: index + 1,
      ...accountOf(line, journal, mapping, settings),
      CurrencyCode: journal.currency,
      // Noon, so that no time zone moves the day.
      TransDate: `${journal.accounting_date}T12:00:00Z`,
      [side === 'debit' ? 'DebitAmount' : 'CreditAmount']: jsonNumber(amount),
      Text: text,
      Document: document,
      ...(settings.voucher === 'ours' ? { Voucher: document } : {}),
    }
  })
  const header = { dataAreaId, JournalBatchNumber, JournalName: mapping.value('journal'), Description: text }
  return mapping.refusal() ?? { kind: 'ok', header, lines }
}

export function accountOf(
  line: JournalDocument['lines'][number],
  { customer_id: customer }: JournalDocument,
  mapping: RecordMapping,
  { receivables, dimensions, delimiter }: Settings,
): Pick<LineBody, 'AccountType' | 'AccountDisplayValue'> {
  if (receivables === 'customers' && line.role === 'receivable' && customer !== '')
    return { AccountType: 'Cust', AccountDisplayValue: mapping.customer() }
  const values = dimensions.map((_, at) => mapping.optional(dimensionField(at), line) ?? '')
  // The delimiter inside a value is escaped, as the integration format asks for.
  const parts = [mapping.account(line), ...values].map(one => one.replaceAll(delimiter, `\\${delimiter}`))
  return { AccountType: 'Ledger', AccountDisplayValue: parts.join(delimiter) }
}

/** The account in a display value, without its dimensions. */
export function mainAccountOf(display: string, delimiter: string): string {
  const at = display.search(new RegExp(`(?<!\\\\)[${delimiter}]`))
  return (at === -1 ? display : display.slice(0, at)).replaceAll(`\\${delimiter}`, delimiter)
}

/** A journal batch number takes 10 characters. */
export function batchNumberOf(key: string): string {
  return shortReference(key).slice(0, 10)
}

export function textOf(key: string): string {
  return `${textPrefix}${key}`.slice(0, longestText)
}

/** Undefined for what is not ours. */
export function keyIn(text: string): string | undefined {
  return text.startsWith(textPrefix) ? text.slice(textPrefix.length).split(' ')[0] : undefined
}
