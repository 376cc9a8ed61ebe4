// From a journal to the message `JournalEntryBulkCreateRequest` with one journal entry.
// Invariants:
// 1. The same record under the same mapping gives the same bytes.
// 2. A short form of our key is the document reference, by which the entry is found; the key itself stands in two references of
//    the header, its first 20 characters in the one and the rest in the other.

import { createHash } from 'node:crypto'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { type XmlTree, xmlText } from '../http/xml.js'
import { type JournalDocument, readJournal, type SideOfLine } from '../journal-record.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import type { SapS4Settings } from './config.js'

type JournalLine = JournalDocument['lines'][number]

/** Of DocumentReferenceID. */
const referenceLength = 16
/** Of each of the two references in the header. */
const headerReferenceLength = 20
const longestItemText = 50
const longestHeaderText = 25

export type Envelope = { readonly kind: 'ok'; readonly xml: string } | PutOutcome

export function envelopeOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  settings: SapS4Settings,
): Envelope {
  const read = readJournal(record)
  if (read.kind !== 'ok') return read
  const { journal, sides } = read
  const reference = referenceOf(record, settings.prefix)
  const currency = mapping.optional('currency') ?? journal.currency
  const items: XmlTree[] = []
  const debtors: XmlTree[] = []
  for (const [index, line] of journal.lines.entries()) {
    const common = commonOf(journal, sides[index]!, currency)
    const number = { ReferenceDocumentItem: String(index + 1) }
    if (isDebtor(line, journal, settings)) debtors.push({ ...number, Debtor: mapping.customer(), ...common })
    else
      items.push({ ...number, GLAccount: mapping.account(line), ...common, ...assignmentOf(mapping, line) })
  }
  const header = { ID: reference, CreationDateTime: record.recordedAt }
  const entry = {
    OriginalReferenceDocumentType: settings.reference_document_type,
    BusinessTransactionType: settings.business_transaction_type,
    AccountingDocumentType: mapping.value('document_type'),
    DocumentReferenceID: reference,
    DocumentHeaderText: `Weir ${journal.kind}`.slice(0, longestHeaderText),
    CreatedByUser: settings.created_by,
    CompanyCode: mapping.value('company_code'),
    DocumentDate: journal.accounting_date,
    PostingDate: journal.accounting_date,
    Reference1InDocumentHeader: record.key.slice(0, headerReferenceLength),
    Reference2InDocumentHeader: record.key.slice(headerReferenceLength) || undefined,
    Item: items,
    DebtorItem: debtors,
  }
  return mapping.refusal() ?? { kind: 'ok', xml: soapOf(header, entry) }
}

/** Whether a line is posted to the customer, and not to an account. */
export function isDebtor(
  { role }: JournalLine,
  { customer_id: customer }: JournalDocument,
  { receivable }: Pick<SapS4Settings, 'receivable'>,
): boolean {
  return receivable === 'debtor' && role === 'receivable' && customer !== ''
}

/** 13 characters or more of a hash, of 32 letters and digits each. */
export function referenceOf({ key }: Pick<ConnectorRecord, 'key'>, prefix: string): string {
  const digits = [...createHash('sha256').update(key).digest()].map(byte => alphabet[byte & 31])
  return `${prefix}${digits.join('')}`.slice(0, referenceLength)
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** SAP has debits as positive amounts and credits as negative ones, and wants the side beside it. */
function commonOf(journal: JournalDocument, { side, amount }: SideOfLine, currencyCode: string): XmlTree {
  const { journal_id: id, charge_id: chargeId } = journal
  return {
    AmountInTransactionCurrency: {
      '@currencyCode': currencyCode,
      '#text': side === 'debit' ? amount : `-${amount}`,
    },
    DebitCreditCode: side === 'debit' ? 'S' : 'H',
    DocumentItemText: (chargeId || id).slice(0, longestItemText),
  }
}

function assignmentOf(mapping: RecordMapping, line: JournalLine): XmlTree {
  const taxCode = mapping.optional('tax_code', line)
  const assignment = {
    CostCenter: mapping.optional('cost_center', line),
    ProfitCenter: mapping.optional('profit_center', line),
    WBSElement: mapping.optional('wbs_element', line),
    FunctionalArea: mapping.optional('functional_area', line),
    Segment: mapping.optional('segment', line),
  }
  const isAssigned = Object.values(assignment).some(value => value !== undefined)
  return {
    Tax: taxCode === undefined ? undefined : { TaxCode: taxCode },
    AccountAssignment: isAssigned ? assignment : undefined,
  }
}

function soapOf(header: XmlTree, entry: XmlTree): string {
  return xmlText({
    'soapenv:Envelope': {
      '@xmlns:soapenv': 'http://schemas.xmlsoap.org/soap/envelope/',
      'soapenv:Header': {},
      'soapenv:Body': {
        'sfin:JournalEntryBulkCreateRequest': {
          '@xmlns:sfin': 'http://sap.com/xi/SAPSCORE/SFIN',
          MessageHeader: header,
          JournalEntryCreateRequest: { MessageHeader: header, JournalEntry: entry },
        },
      },
    },
  })
}
