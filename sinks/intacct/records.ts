// From a journal to a `GLBATCH` of the XML gateway.
// Invariant: the same record under the same mapping gives the same elements; our key stands in REFERENCENO and in BATCH_TITLE.

import type { ConnectorRecord, PutOutcome } from '../connector.js'
import type { XmlTree } from '../http/xml.js'
import { type JournalDocument, readJournal } from '../journal-record.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import type { IntacctSettings } from './config.js'

export type IntacctBatch = { readonly kind: 'ok'; readonly batch: XmlTree } | PutOutcome

/** Of the description of a line; Intacct takes more. */
const longestDescription = 200

const stateNames = { posted: 'Posted', submitted: 'Submitted', draft: 'Draft' } as const

/** The elements in the order in which Intacct takes them. */
export function batchOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  settings: Pick<IntacctSettings, 'state' | 'prefix' | 'multi_currency'>,
): IntacctBatch {
  const read = readJournal(record)
  if (read.kind !== 'ok') return read
  const { journal, sides } = read
  const reference = referenceOf(record, settings.prefix)
  const date = usDate(journal.accounting_date)
  const money = moneyOf(mapping, date, settings.multi_currency)
  const customer = journal.customer_id === '' ? undefined : mapping.customer()
  const entries = journal.lines.map((line, index) => {
    const { side, amount } = sides[index]!
    return {
      ACCOUNTNO: mapping.account(line),
      TR_TYPE: side === 'debit' ? '1' : '-1',
      TRX_AMOUNT: amount,
      ...money,
      LOCATION: mapping.optional('location', line),
      DEPARTMENT: mapping.optional('department', line),
      PROJECTID: mapping.optional('project', line),
      CUSTOMERID: customer,
      ITEMID: mapping.optional('item', line),
      CLASSID: mapping.optional('class', line),
      CONTRACTID: mapping.optional('contract', line),
      DESCRIPTION: descriptionOf(journal),
    }
  })
  const batch = {
    JOURNAL: mapping.value('journal'),
    BATCH_DATE: date,
    BATCH_TITLE: reference,
    REFERENCENO: reference,
    BASELOCATION_NO: mapping.optional('base_location'),
    STATE: stateNames[settings.state],
    ENTRIES: { GLENTRY: entries },
  }
  return mapping.refusal() ?? { kind: 'ok', batch }
}

export function referenceOf({ key }: Pick<ConnectorRecord, 'key'>, prefix: string): string {
  return `${prefix}${key}`
}

/** `2026-10-31` as `10/31/2026`. */
export function usDate(date: string): string {
  const [year, month, day] = date.split('-')
  return `${month}/${day}/${year}`
}

/** The mapping must name the currency even where lines do not say it: an amount never gets another currency unseen. */
function moneyOf(mapping: RecordMapping, date: string, isSaid: boolean): XmlTree {
  const currency = mapping.value('currency')
  const rateType = mapping.optional('exchange_rate_type')
  if (!isSaid) return {}
  return {
    CURRENCY: currency,
    EXCH_RATE_DATE: rateType === undefined ? undefined : date,
    EXCH_RATE_TYPE_ID: rateType,
  }
}

function descriptionOf(journal: JournalDocument): string {
  const { kind, journal_id: id, charge_id: chargeId, subscription_id: subscription } = journal
  return [`Weir ${kind} ${id}`, chargeId, subscription].filter(Boolean).join(' ').slice(0, longestDescription)
}
