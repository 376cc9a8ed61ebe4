// From a journal to a manual journal of Xero.
// Invariant: the same record under the same mapping gives the same body; our key begins its narration, the only text of a manual
// journal that Xero can be asked for.

import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { beyondDecimals, type JournalDocument, jsonNumber, readJournal } from '../journal-record.js'
import type { LineFacts } from '../mapping/record-facts.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import type { XeroSettings } from './config.js'

const longestText = 4_000
export const accountId = /^[0-9a-fA-F-]{36}$/

export type XeroJournal = { readonly kind: 'ok'; readonly body: object } | PutOutcome
export type JournalSettings = Pick<XeroSettings, 'prefix' | 'status' | 'tracking'> & {
  readonly currency: string
}

export function journalOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  settings: JournalSettings,
): XeroJournal {
  const read = readJournal(record)
  if (read.kind !== 'ok') return read
  const { journal, sides } = read
  const tooFine = beyondDecimals(sides, 2, 'Xero')
  if (tooFine !== undefined) return tooFine
  if (journal.currency !== settings.currency) {
    const detail = `Xero has manual journals in the organisation's currency ${settings.currency} alone, not in ${journal.currency}`
    return { kind: 'refused', code: 'currency_not_enabled', detail }
  }
  const options = journal.lines.map(line => [1, 2].map(n => mapping.optional(`tracking_${n}`, line)))
  const nameless = [0, 1].find(n => n >= settings.tracking.length && options.some(given => given[n]))
  if (nameless !== undefined) {
    const detail = `the mapping has tracking_${nameless + 1}, and the connection's tracking does not name its category`
    return { kind: 'refused', code: 'unmapped_value', detail }
  }
  const lines = journal.lines.map((line, index) => {
    const { side, amount } = sides[index]!
    const tracking = settings.tracking.flatMap((Name, n) => {
      const Option = options[index]?.[n]
      return Option === undefined ? [] : [{ Name, Option }]
    })
    return {
      LineAmount: jsonNumber(side === 'debit' ? amount : `-${amount}`),
      ...accountOf(mapping, line),
      Description: descriptionOf(journal),
      TaxType: mapping.optional('tax_type', line) ?? 'NONE', // without one Xero takes the account's, which may add tax
      ...(tracking.length === 0 ? {} : { Tracking: tracking }),
    }
  })
  const body = {
    Narration: `${narrationBegin(record, settings.prefix)}${journal.kind} ${descriptionOf(journal)}`.slice(
      0,
      longestText,
    ),
    Date: journal.accounting_date,
    LineAmountTypes: 'NoTax',
    Status: settings.status === 'posted' ? 'POSTED' : 'DRAFT',
    JournalLines: lines,
  }
  return mapping.refusal() ?? { kind: 'ok', body }
}

/** With the space after it, no other key begins like it. */
export function narrationBegin({ key }: Pick<ConnectorRecord, 'key'>, prefix: string): string {
  return `${prefix}${key} `
}

/** Our key in a narration; undefined where it is not one of ours. */
export function keyInNarration(narration: string, prefix: string): string | undefined {
  if (!narration.startsWith(prefix)) return undefined
  return /^([A-Za-z0-9_-]{1,40}) /.exec(narration.slice(prefix.length))?.[1]
}

function accountOf(mapping: RecordMapping, line: LineFacts & { readonly account: string }): object {
  const theirs = mapping.account(line)
  return accountId.test(theirs) ? { AccountID: theirs } : { AccountCode: theirs }
}

function descriptionOf(journal: JournalDocument): string {
  const { customer_id: customer, subscription_id: subscription, charge_id: charge, price } = journal
  const days = journal.service_days
  const service = days === undefined ? '' : `${days.first} to ${days.last}`
  return [customer, subscription, price, charge, service].filter(Boolean).join(' ').slice(0, longestText)
}
