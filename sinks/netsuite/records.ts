// From a journal to the body of a NetSuite journal entry (REST record `journalEntry`).
// Invariant: the same record under the same mapping gives the same body; our key is its external id.

import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { jsonNumber, readJournal } from '../journal-record.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import type { NetsuiteSettings } from './config.js'

/** Of memo fields. */
const longestMemo = 999

export type NetsuiteBody = { readonly kind: 'ok'; readonly body: object } | PutOutcome

export function bodyOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  { approval, prefix }: Pick<NetsuiteSettings, 'approval' | 'prefix'>,
): NetsuiteBody {
  const read = readJournal(record)
  if (read.kind !== 'ok') return read
  const { journal, sides } = read
  const reference = (id: string | undefined) => (id === undefined ? undefined : { id })
  const subsidiary = reference(mapping.optional('subsidiary'))
  const items = journal.lines.map((line, index) => {
    const { side, amount } = sides[index]!
    const isReceivable = line.role === 'receivable'
    return withoutAbsent({
      account: { id: mapping.account(line) },
      [side]: jsonNumber(amount),
      memo: memoOf(journal),
      entity: isReceivable && journal.customer_id !== '' ? { id: mapping.customer() } : undefined,
      department: reference(mapping.optional('department', line)),
      class: reference(mapping.optional('class', line)),
      location: reference(mapping.optional('location', line)),
    })
  })
  const body = withoutAbsent({
    externalId: externalIdOf(record, prefix),
    tranDate: journal.accounting_date,
    subsidiary,
    currency: { id: mapping.value('currency') },
    memo: memoOf(journal),
    approvalStatus: approval === 'approved' ? { id: '2' } : undefined,
    line: { items },
  })
  return mapping.refusal() ?? { kind: 'ok', body }
}

/** NetSuite takes letters, digits, `_`, `,` and `-`; our keys have no others. */
export function externalIdOf({ key }: Pick<ConnectorRecord, 'key'>, prefix: string): string {
  return `${prefix}${key.replaceAll(/[^A-Za-z0-9_-]/g, char => `-${char.codePointAt(0)?.toString(16)}-`)}`
}

function memoOf({
  kind,
  journal_id: id,
  charge_id: chargeId,
  subscription_id: subscription,
  correlation_id: correlation,
}: {
  readonly kind: string
  readonly journal_id: string
  readonly charge_id: string
  readonly subscription_id: string
  readonly correlation_id: string
}): string {
  return [`Weir ${kind} ${id}`, chargeId, subscription, correlation === subscription ? '' : correlation]
    .filter(Boolean)
    .join(' ')
    .slice(0, longestMemo)
}

function withoutAbsent<T extends object>(object: T): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}
