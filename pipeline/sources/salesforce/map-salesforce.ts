// From an arrival of Salesforce to what becomes of it. A change event carries only what changed, so it is no more than a
// trigger: the record is read whole, and that is an arrival of its own, from which the events are made. So the order in
// which changes are told does not matter, and nothing but the arrival is needed to map it (README.md).

import { customerEvent } from '../quotes/account.js'
import type { CrmRecord, Deal, DealAccount, DealStep } from '../quotes/deal.js'
import { mergedFields } from '../quotes/fields.js'
import type { QuoteRules } from '../quotes/quote-rules.js'
import { quoteToSubscription } from '../quotes/quote-to-subscription.js'
import type { Arrival, MapContext, MapOutcome } from '../source-kind.js'
import { type ChangeTold, readDocument, type SoldDocument, textOf } from './documents.js'
import { type SoldFrom, soldObject, usualFields } from './usual-fields.js'

const recordId = /^[A-Za-z0-9]{15,18}$/

export function mapSalesforce(arrival: Arrival, context: MapContext<QuoteRules>): MapOutcome {
  const document = readDocument(arrival.bytes)
  if (document === undefined) {
    context.fault(
      'malformed_body',
      'It is neither a change nor a document of ours, or a change that nobody can decode.',
    )
    return { kind: 'events', events: [] }
  }
  if ('told' in document) return mapChange(document, context)
  const from = context.settings['sold_from'] as SoldFrom
  const fields = mergedFields(usualFields(from), context.rules.fields)
  if (document.read === 'account') {
    const account = accountOf(document.account, document.above, '/account')
    if (account === undefined) {
      context.fault('missing_value', 'Id: the account has none.', '/account/Id')
      return { kind: 'events', events: [] }
    }
    return { kind: 'events', events: [customerEvent(account, fields, context)] }
  }
  const sold = soldObject(from)
  if (sold === undefined) return { kind: 'ignored', reason: 'not_sold_from' }
  const standing = standingOf(document, from)
  if (standing === 'not_won') return { kind: 'ignored', reason: 'not_won' }
  if (standing === 'taken_back')
    context.fault('won_taken_back', 'It has a contract, and is not won any more.', '/opportunity/IsWon')
  return quoteToSubscription(dealOf(document, from), fields, context)
}

/** What each change changes beside. */
const stamps: ReadonlySet<string> = new Set(['LastModifiedDate', 'LastModifiedById', 'SystemModstamp'])

function mapChange(change: ChangeTold, { settings }: MapContext): MapOutcome {
  const own = settings['own_writes'] as Record<'users' | 'clients' | 'fields', readonly string[]>
  const { users, clients, fields } = own
  const client = /;client=([^;/]*)/.exec(change.origin)?.[1] ?? ''
  if (users.includes(change.user) || clients.includes(client)) return { kind: 'ignored', reason: 'own_write' }
  const changed = change.changed.filter(field => !stamps.has(field))
  if (changed.length > 0 && changed.every(field => fields.includes(field)))
    return { kind: 'ignored', reason: 'own_write' }
  if (change.change_type === 'GAP_OVERFLOW') return { kind: 'ignored', reason: 'read_anew_as_a_whole' }
  if (!/^\w{1,80}$/.test(change.entity) || !recordId.test(change.record_id))
    return { kind: 'ignored', reason: 'names_no_record' }
  return { kind: 'fetch', what: { object: change.entity, id: change.record_id, changedMs: change.commit_ms } }
}

type Standing = 'won' | 'not_won' | 'taken_back'

/** `IsWon` and `IsClosed` count, never the name of a stage. */
function standingOf({ opportunity, steps, contracts }: SoldDocument, from: SoldFrom): Standing {
  const [first] = steps
  if (from === 'order') return textOf(first?.record, 'StatusCode') === 'Activated' ? 'won' : 'not_won'
  const of = from === 'opportunity' ? first?.record : (opportunity ?? undefined)
  if (first?.record['IsDeleted'] === true) return contracts.length > 0 ? 'taken_back' : 'not_won'
  const isWon = of?.['IsWon'] === true && of['IsClosed'] === true
  if (from === 'quote' && first?.record['SBQQ__Primary__c'] === false) return 'not_won'
  if (isWon) return 'won'
  return contracts.length > 0 ? 'taken_back' : 'not_won'
}

function accountOf(
  record: CrmRecord | null,
  above: readonly CrmRecord[],
  pointer: string,
): DealAccount | undefined {
  const id = textOf(record, 'Id')
  return record === null || id === '' ? undefined : { id, record, pointer, above, idField: 'Id' }
}

function dealOf(document: SoldDocument, from: SoldFrom): Deal {
  const { root, account, above, steps, contracts, subscriptions, at_ms } = document
  const taken = steps
    .map((one, index) => ({ one, index }))
    .filter(({ one, index }) => index === 0 || isTaken(one, from))
    .map(({ one, index }): DealStep => {
      const lines = one.lines.flatMap((record, place) =>
        record['IsDeleted'] === true
          ? []
          : [{ id: textOf(record, 'Id'), record, pointer: `/steps/${index}/lines/${place}` }],
      )
      return {
        kind: stepKind(one.record, index),
        record: one.record,
        pointer: `/steps/${index}/record`,
        lines,
      }
    })
  const [contract] = contracts
  const contractId = textOf(contract, 'Id')
  return {
    id: root,
    correlationId: root,
    version: Math.floor(at_ms / 1000) * 1000,
    account: accountOf(account, above, '/account'),
    steps: taken.sort((a, b) => Number(a.kind !== 'new') - Number(b.kind !== 'new') || byStart(a, b)),
    contractId: contractId === '' ? undefined : contractId,
    endedOn: endedOn(subscriptions),
  }
}

/** An amendment or a renewal counts once its own opportunity is won. */
function isTaken({ opportunity }: SoldDocument['steps'][number], from: SoldFrom): boolean {
  return from !== 'quote' || (opportunity?.['IsWon'] === true && opportunity['IsClosed'] === true)
}

function stepKind(record: CrmRecord, index: number): DealStep['kind'] {
  if (index === 0) return 'new'
  return textOf(record, 'SBQQ__Type__c') === 'Renewal' ? 'renewal' : 'amendment'
}

function byStart(a: DealStep, b: DealStep): number {
  const key = ({ record }: DealStep) =>
    ['SBQQ__StartDate__c', 'CreatedDate', 'Id'].map(field => textOf(record, field)).join(' ')
  return key(a) < key(b) ? -1 : 1
}

/** The last day, where every subscription of the contract was ended before its time. */
function endedOn(subscriptions: readonly CrmRecord[]): string | undefined {
  const days = subscriptions.map(one => textOf(one, 'SBQQ__TerminatedDate__c').slice(0, 10))
  if (days.length === 0 || days.some(day => !/^\d{4}-\d{2}-\d{2}$/.test(day))) return undefined
  return days.sort().at(-1)
}
