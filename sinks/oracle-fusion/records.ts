// From journals to the rows of GlInterface.csv, and from rows to the zip that importBulkData takes (FBDI).
// Invariants: the same record under the same mapping gives the same rows but for the group; our key is the name of its batch and
// of its journal; amounts are texts all the way.

import { stringify } from 'csv-stringify/sync'
import { strToU8, zipSync } from 'fflate'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { readJournal } from '../journal-record.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import type { OracleFusionSettings } from './config.js'
import { overridableSegments, segmentName } from './segments.js'

const columns = 149
/** Positions in the file, from 0. */
const at = {
  status: 0,
  ledgerId: 1,
  accountingDate: 2,
  source: 3,
  category: 4,
  currency: 5,
  dateCreated: 6,
  actualFlag: 7,
  segment1: 8,
  enteredDebit: 38,
  enteredCredit: 39,
  batchName: 42,
  batchDescription: 43,
  journalName: 45,
  journalDescription: 46,
  lineDescription: 51,
  groupId: 66,
} as const
const longestReference = 240

export interface JournalRows {
  readonly record: ConnectorRecord
  readonly rows: readonly (readonly string[])[]
}

export type MadeRows = ({ readonly kind: 'ok' } & JournalRows) | PutOutcome

export function rowsOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  settings: OracleFusionSettings,
): MadeRows {
  const read = readJournal(record)
  if (read.kind !== 'ok') return read
  const { journal, sides } = read
  if (journal.currency !== settings.currency) {
    const detail = `the ledger is in ${settings.currency} and the journal in ${journal.currency}`
    return { kind: 'refused', code: 'currency_not_enabled', detail }
  }
  const name = batchNameOf(record, settings)
  const words = [journal.kind, journal.charge_id, journal.subscription_id, journal.customer_id].filter(
    Boolean,
  )
  const rows = journal.lines.map((line, index) => {
    const { side, amount } = sides[index]!
    const segments = mapping.account(line).split('.')
    for (const n of overridableSegments)
      segments[n - 1] = mapping.optional(segmentName(n), line) ?? segments[n - 1] ?? ''
    const row = Array<string>(columns).fill('')
    row[at.status] = 'NEW'
    row[at.ledgerId] = settings.ledger_id
    row[at.accountingDate] = slashed(journal.accounting_date)
    row[at.source] = settings.source
    row[at.category] = settings.category
    row[at.currency] = journal.currency
    row[at.dateCreated] = slashed(record.recordedAt.slice(0, 10))
    row[at.actualFlag] = 'A'
    for (const [n, value] of segments.entries()) row[at.segment1 + n] = value
    row[side === 'debit' ? at.enteredDebit : at.enteredCredit] = amount
    row[at.batchName] = name
    row[at.batchDescription] = journal.accounting_date
    row[at.journalName] = name
    row[at.journalDescription] = ['Weir', ...words].join(' ').slice(0, longestReference)
    row[at.lineDescription] = `${line.role ?? ''} ${line.account}`.trim().slice(0, longestReference)
    return row
  })
  return mapping.refusal() ?? { kind: 'ok', record, rows }
}

/** The batch that Oracle makes has this name, a blank, and words of its own after it. */
export function batchNameOf(
  { key }: Pick<ConnectorRecord, 'key'>,
  { prefix }: Pick<OracleFusionSettings, 'prefix'>,
): string {
  return `${prefix}${key}`
}

/** GlInterface.csv in a zip, in base64. */
export function importFileOf(journals: readonly JournalRows[], groupId: string): string {
  const rows = journals.flatMap(one => one.rows.map(row => row.with(at.groupId, groupId)))
  const csv = stringify(rows, { record_delimiter: 'unix' })
  const zip = zipSync({ 'GlInterface.csv': strToU8(csv) }, { mtime: '1980-01-01T00:00:00' })
  return Buffer.from(zip).toString('base64')
}

function slashed(date: string): string {
  return date.replaceAll('-', '/')
}
