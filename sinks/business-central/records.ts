// From a journal to the lines of a general journal in Business Central (API v2.0, `journalLine`).
// Invariants:
// 1. The same record under the same mapping gives the same lines.
// 2. Every line, and every ledger entry that posting makes of it, contains our key: whole in `description`, as a hash in
//    `documentNumber`, which takes 20 characters.

import type { ExactNumber } from '../../schemas/money/exact-number.js'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { jsonNumber, readJournal } from '../journal-record.js'
import { dimensionField } from '../mapping/dimension-fields.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import { shortReference } from '../short-reference.js'
import type { BusinessCentralSettings } from './config.js'

export interface JournalLineBody {
  readonly accountType: 'G/L Account'
  readonly accountNumber: string
  /** `YYYY-MM-DD`. */
  readonly postingDate: string
  readonly documentNumber: string
  readonly externalDocumentNumber?: string
  /** Of a debit positive, of a credit negative; in the currency of the company, as lines of the API have no other. */
  readonly amount: number | ExactNumber
  readonly description: string
  readonly dimensionSetLines?: readonly { readonly code: string; readonly valueCode: string }[]
}

export interface EntryOfLines {
  readonly kind: 'ok'
  readonly currency: string
  readonly lines: readonly JournalLineBody[]
}

const longestExternalNumber = 35
const longestDescription = 100
const prefix = 'Weir '

export function linesOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  { dimensions }: Pick<BusinessCentralSettings, 'dimensions'>,
): EntryOfLines | PutOutcome {
  const read = readJournal(record)
  if (read.kind !== 'ok') return read
  const { journal, sides } = read
  const documentNumber = shortReference(record.key)
  const description = descriptionOf(record)
  const lines = journal.lines.map((line, index): JournalLineBody => {
    const { side, amount } = sides[index]!
    const dimensionSetLines = dimensions.flatMap((code, at) => {
      const valueCode = mapping.optional(dimensionField(at), line)
      return valueCode === undefined ? [] : [{ code, valueCode }]
    })
    return {
      accountType: 'G/L Account',
      accountNumber: mapping.account(line),
      postingDate: journal.accounting_date,
      documentNumber,
      ...(record.key.length > longestExternalNumber ? {} : { externalDocumentNumber: record.key }),
      amount: jsonNumber(side === 'debit' ? amount : `-${amount}`),
      description,
      ...(dimensionSetLines.length === 0 ? {} : { dimensionSetLines }),
    }
  })
  return mapping.refusal() ?? { kind: 'ok', currency: journal.currency, lines }
}

/** The code of the general journal of an entry, which takes 10 characters. */
export function journalCodeOf(key: string): string {
  return shortReference(key).slice(0, 10)
}

/** Our key, and for people the charge. */
export function descriptionOf({ key, document }: Pick<ConnectorRecord, 'key' | 'document'>): string {
  const charge = typeof document['charge_id'] === 'string' ? document['charge_id'] : ''
  return `${prefix}${key} ${charge}`.trimEnd().slice(0, longestDescription).trimEnd()
}

/** Undefined for what is not ours. */
export function keyIn(description: string): string | undefined {
  return description.startsWith(prefix) ? description.split(' ')[1] : undefined
}
