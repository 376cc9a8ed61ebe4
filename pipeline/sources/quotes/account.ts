// The account of a quote: whom it is sold to, who pays, whose part it is, where it is. Each must be known, and no account may
// be a part of itself.

import { currencyCodes } from '../../../schemas/money/currency.js'
import { nearestHint, shownName } from '../../../schemas/nearest-name.js'
import type { MapContext, MappedEvent } from '../source-kind.js'
import { type DealAccount, metadataOf } from './deal.js'
import { type Fields, RecordReader } from './fields.js'
import type { QuoteRules } from './quote-rules.js'

export interface KnownAccount {
  readonly customerId: string
  /** Absent: the mapping does not say which field names it. */
  readonly billTo?: string | null
  readonly parent?: string | null
  readonly reader: RecordReader
}

export function readAccount(
  account: DealAccount,
  fields: Fields,
  context: MapContext<QuoteRules>,
): KnownAccount {
  const reader = new RecordReader(account.record, account.pointer, fields.account, context)
  const customerId = context.id('customer', account.id, metadataOf(account.record))
  const related = (field: 'bill_to' | 'parent') => {
    if (fields.account[field] === undefined) return {}
    const theirs = reader.text(field)
    const ours = theirs === undefined ? null : context.id('customer', theirs)
    return field === 'bill_to' ? { billTo: ours } : { parent: ours }
  }
  const above = account.above.map(one => one[account.idField])
  const all = [account.id, ...above]
  if (new Set(all).size !== all.length)
    reader.fault('parent', 'account_hierarchy_cycle', 'the account is a part of itself.')
  return { customerId, ...related('bill_to'), ...related('parent'), reader }
}

/** Ours for the entity that sells; undefined: the mapping names none. */
export function entityOf(reader: RecordReader, context: MapContext<QuoteRules>): string | undefined {
  const { entity } = context.rules
  if (entity.kind === 'none') return undefined
  if (entity.kind === 'constant') return entity.entity
  const word = reader.text('entity')
  if (word === undefined) return reader.fault('entity', 'missing_value', 'it names no entity.')
  if (entity.kind === 'identity') return context.id('entity', word) || undefined
  const ours = entity.map.get(word)
  if (ours !== undefined) return ours
  const hint = nearestHint(word, entity.map.keys())
  return reader.fault('entity', 'unknown_entity', `the mapping has no entity ${shownName(word)}${hint}.`)
}

/** An entity sells to some countries: elsewhere it would owe a tax that it is not registered for. */
export function checkCountry(
  { reader }: KnownAccount,
  entity: string | undefined,
  { rules }: MapContext<QuoteRules>,
): void {
  if (rules.sellsTo === undefined) return
  const country = reader.text('country')?.toUpperCase()
  const countries = rules.sellsTo.get(entity ?? '')
  if (country === undefined) reader.fault('country', 'missing_value', 'the account names no country.')
  else if (countries === undefined)
    reader.fault('country', 'no_tax_nexus', `sells_to does not name the entity ${entity ?? '(none)'}.`)
  else if (!countries.includes(country))
    reader.fault('country', 'no_tax_nexus', `the entity ${entity} does not sell to ${shownName(country)}.`)
}

/** `weir.customer.upserted`, with whom it belongs to. */
export function customerEvent(
  account: DealAccount,
  fields: Fields,
  context: MapContext<QuoteRules>,
): MappedEvent {
  const { customerId, billTo, parent, reader } = readAccount(account, fields, context)
  const [name, currency] = [reader.text('name'), reader.text('currency')?.toUpperCase()]
  if (currency !== undefined && !currencyCodes.includes(currency))
    reader.fault('currency', 'invalid_value', 'it is no currency (ISO 4217).')
  const { rules, settings } = context
  const hasEntity = rules.entity.kind !== 'none' && fields.account['entity'] !== undefined
  const entity = hasEntity && reader.text('entity') !== undefined ? entityOf(reader, context) : undefined
  return {
    key: 'customer',
    type: 'weir.customer.upserted',
    subject: customerId,
    data: {
      customer_id: customerId,
      ...(name === undefined ? {} : { name }),
      ...(entity === undefined ? {} : { entity_id: entity }),
      ...(currency === undefined ? {} : { currency }),
      ...(settings['system'] === 'crm' ? { external_ids: { crm: account.id } } : {}),
      ...(billTo === undefined ? {} : { bill_to_customer_id: billTo }),
      ...(parent === undefined ? {} : { parent_customer_id: parent }),
    },
  }
}
