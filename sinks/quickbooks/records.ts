// From a journal to a JournalEntry of QuickBooks Online.
// Invariants:
// 1. The same record under the same mapping gives the same body.
// 2. The number of the document (`DocNumber`) is made from our key, because QuickBooks can be asked for it and not for the private
//    note, and our keys are longer than a number may be. The key itself begins the private note, for people and for lists.

import { hash } from 'node:crypto'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { beyondDecimals, type JournalDocument, jsonNumber, readJournal } from '../journal-record.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import type { QuickbooksSettings } from './config.js'

const longestText = 4_000

export type QuickbooksEntry = { readonly kind: 'ok'; readonly body: object } | PutOutcome

export function entryOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  { prefix }: Pick<QuickbooksSettings, 'prefix'>,
  homeCurrency: string,
): QuickbooksEntry {
  const read = readJournal(record)
  if (read.kind !== 'ok') return read
  const { journal, sides } = read
  const tooFine = beyondDecimals(sides, 2, 'QuickBooks')
  if (tooFine !== undefined) return tooFine
  const description = descriptionOf(journal)
  // QuickBooks takes no line of accounts receivable without a customer. A summary has none of ours, but a rule may name one.
  const hasReceivable = journal.lines.some(({ role }) => role === 'receivable')
  const isOfMany = journal.customer_id === ''
  const theirCustomer = !hasReceivable
    ? undefined
    : isOfMany
      ? mapping.optional('customers')
      : mapping.customer()
  const lines = journal.lines.map((line, index) => {
    const { side, amount } = sides[index]!
    const ofClass = mapping.optional('class', line)
    const department = mapping.optional('department', line)
    return {
      DetailType: 'JournalEntryLineDetail',
      Amount: jsonNumber(amount),
      Description: description,
      JournalEntryLineDetail: {
        PostingType: side === 'debit' ? 'Debit' : 'Credit',
        AccountRef: { value: mapping.account(line) },
        ...(theirCustomer === undefined || line.role !== 'receivable'
          ? {}
          : { Entity: { Type: 'Customer', EntityRef: { value: theirCustomer } } }),
        ...(ofClass === undefined ? {} : { ClassRef: { value: ofClass } }),
        ...(department === undefined ? {} : { DepartmentRef: { value: department } }),
      },
    }
  })
  const body = {
    DocNumber: docNumberOf(record, prefix),
    TxnDate: journal.accounting_date,
    PrivateNote: `${prefix}${record.key} ${journal.kind} ${description}`.slice(0, longestText),
    ...(journal.currency === homeCurrency ? {} : { CurrencyRef: { value: journal.currency } }),
    Line: lines,
  }
  return mapping.refusal() ?? { kind: 'ok', body }
}

/** 21 characters, which is the most that QuickBooks takes. */
export function docNumberOf({ key }: Pick<ConnectorRecord, 'key'>, prefix: string): string {
  return `W${hash('sha256', `${prefix}${key}`, 'hex').slice(0, 20)}`
}

/** Our key in a private note; undefined where it is not one of ours. */
export function keyInNote(note: string, prefix: string): string | undefined {
  if (!note.startsWith(prefix)) return undefined
  return /^([A-Za-z0-9_-]{1,40}) /.exec(note.slice(prefix.length))?.[1]
}

function descriptionOf(journal: JournalDocument): string {
  const { customer_id: customer, subscription_id: subscription, charge_id: charge, price } = journal
  const days = journal.service_days
  const service = days === undefined ? '' : `${days.first} to ${days.last}`
  return [customer, subscription, price, charge, service].filter(Boolean).join(' ').slice(0, longestText)
}
