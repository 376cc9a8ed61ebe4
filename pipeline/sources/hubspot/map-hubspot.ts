// From an event of HubSpot, or a document that was read, to what becomes of it. An event names an object and at most one property:
// the object is read, with all that belongs to it.

import { decodeUtf8, isRecord, parseJson } from '../../../schemas/json/json-text.js'
import { scalarText } from '../../../schemas/json/scalar-text.js'
import { customerEvent } from '../quotes/account.js'
import type { CrmRecord, DealAccount } from '../quotes/deal.js'
import { type Fields, mergedFields } from '../quotes/fields.js'
import type { QuoteRules } from '../quotes/quote-rules.js'
import { quoteToSubscription } from '../quotes/quote-to-subscription.js'
import type { Arrival, MapContext, MapOutcome } from '../source-kind.js'
import { type DealDocument, documentIn, idOf } from './documents.js'

export const objects = ['deal', 'company', 'line_item'] as const
export type HubspotObject = (typeof objects)[number]
/** Of webhooks that name the type of their object by its id. */
const byTypeId: Readonly<Record<string, HubspotObject>> = {
  '0-2': 'company',
  '0-3': 'deal',
  '0-8': 'line_item',
}

export const usualFields: Fields = {
  quote: { close_date: 'properties.closedate', currency: 'properties.deal_currency_code' },
  line: {
    product: 'properties.hs_sku',
    quantity: 'properties.quantity',
    unit_price: 'properties.price',
    discount: 'properties.discount',
    discount_percent: 'properties.hs_discount_percentage',
    start: 'properties.hs_recurring_billing_start_date',
    end: 'properties.hs_recurring_billing_end_date',
    term: 'properties.hs_recurring_billing_period',
    frequency: 'properties.recurringbillingfrequency',
  },
  account: {
    name: 'properties.name',
    parent: 'properties.hs_parent_company_id',
    country: 'properties.hs_country_code',
  },
}

export function mapHubspot(arrival: Arrival, context: MapContext<QuoteRules>): MapOutcome {
  const text = decodeUtf8(arrival.bytes)
  const json = text === undefined ? undefined : parseJson(text)
  if (json?.kind !== 'ok' || !isRecord(json.value)) {
    context.fault('malformed_body', 'The body is no JSON object in UTF-8.')
    return { kind: 'events', events: [] }
  }
  const document = documentIn(json.value)
  if (document === undefined) return mapTold(json.value, context)
  const fields = mergedFields(usualFields, context.rules.fields)
  const account = accountOf(document.company, document.above)
  if (document.read === 'deal') return mapDeal(document, account, fields, context)
  if (account === undefined) {
    context.fault('missing_value', 'id: the company has none.', '/company/id')
    return { kind: 'events', events: [] }
  }
  return { kind: 'events', events: [customerEvent(account, fields, context)] }
}

function mapTold(event: CrmRecord, { settings }: MapContext): MapOutcome {
  const [word = ''] = String(event['subscriptionType'] ?? '').split('.')
  const object = objects.find(one => one === word) ?? byTypeId[String(event['objectTypeId'] ?? '')]
  // A merge names what it left in place of an object.
  const id = scalarText(event['objectId'] ?? event['newObjectId'] ?? event['primaryObjectId'])
  if (object === undefined || typeof id !== 'string' || !/^\d{1,30}$/.test(id))
    return { kind: 'ignored', reason: 'type_not_mapped' }
  const own = settings['own_sources'] as readonly string[]
  const properties = settings['own_properties'] as readonly string[]
  if (
    own.includes(String(event['sourceId'] ?? '')) ||
    properties.includes(String(event['propertyName'] ?? ''))
  )
    return { kind: 'ignored', reason: 'own_write' }
  return { kind: 'fetch', what: { object, id } }
}

function mapDeal(
  { deal, stage, line_items, at_ms }: DealDocument,
  account: DealAccount | undefined,
  fields: Fields,
  context: MapContext<QuoteRules>,
): MapOutcome {
  if (deal['archived'] === true) return { kind: 'ignored', reason: 'deleted' }
  if (!isWon(stage)) return { kind: 'ignored', reason: 'not_won' }
  const id = idOf(deal)
  if (id === '') {
    context.fault('missing_value', 'id: the deal has none.', '/deal/id')
    return { kind: 'events', events: [] }
  }
  const lines = line_items.map((record, index) => ({
    id: idOf(record),
    record,
    pointer: `/line_items/${index}`,
  }))
  const step = { kind: 'new' as const, record: deal, pointer: '/deal', lines }
  const version = Math.floor(at_ms / 1000) * 1000
  const ends = { contractId: undefined, endedOn: undefined }
  return quoteToSubscription(
    { id, correlationId: id, version, account, steps: [step], ...ends },
    fields,
    context,
  )
}

/** By the metadata of the pipeline, never by the name of a stage. */
function isWon(stage: CrmRecord | null): boolean {
  const metadata = isRecord(stage?.['metadata']) ? stage['metadata'] : {}
  return String(metadata['isClosed']) === 'true' && Number(scalarText(metadata['probability']) ?? 0) === 1
}

function accountOf(record: CrmRecord | null, above: readonly CrmRecord[]): DealAccount | undefined {
  const id = idOf(record)
  return record === null || id === '' ? undefined : { id, record, pointer: '/company', above, idField: 'id' }
}
