// Samples of a source of kind `hubspot`: signed events, and the documents that are read for them.

import type { CrmRecord } from '../../quotes/deal.js'
import { quoteMapping } from '../../testing/quote-files.js'
import { quoteFolder } from '../../testing/quote-folder.js'
import type { Sample, SourceSamples } from '../../testing/samples.js'
import { type DealDocument, documentDraft } from '../documents.js'
import { hubspotKind } from '../kind.js'
import { signatureHeader, signatureOf, timestampHeader } from '../signature.js'

export const publicUrl = 'https://billing.acme.example/hooks/crm?from=hubspot'

export const hubspotMapping = quoteMapping
  .replace(/^entity:.*\n|^terms:.*\n/gm, '')
  .replace(
    'sells_to: { de: [DE, AT], us: [US] }',
    'entity: de\nsells_to: { de: [DE] }\nstart_default: close_date',
  )
  .replace('{ Monthly: month, Annual: year }', '{ monthly: month, annually: year }')

export const company: CrmRecord = {
  id: '77',
  properties: { name: 'Acme', hs_parent_company_id: '78', hs_country_code: 'DE' },
  updatedAt: '2026-01-01T00:00:00.000Z',
}

export const item = (id: string, sku: string, properties: CrmRecord = {}): CrmRecord => ({
  id,
  properties: { hs_sku: sku, quantity: '1', hs_recurring_billing_period: 'P12M', ...properties },
})

export const won = { id: 'won', metadata: { isClosed: 'true', probability: '1.0' } }

export function deal(more: Partial<DealDocument> = {}): DealDocument {
  return {
    ...{ read: 'deal', at_ms: Date.UTC(2026, 0, 10), stage: won, company, above: [{ id: '78' }] },
    deal: {
      id: '500',
      properties: { closedate: '2026-03-01T09:00:00Z', deal_currency_code: 'EUR', dealstage: 'won' },
      updatedAt: '2026-01-09T00:00:00.000Z',
    },
    line_items: [item('1', 'PRO'), item('2', 'SEAT', { quantity: '5', price: '20' })],
    ...more,
  }
}

export const told = (eventId: number, more: CrmRecord = {}): CrmRecord => ({
  ...{ eventId, subscriptionId: 9, portalId: 1, appId: 2, occurredAt: 1_768_000_000_000 + eventId },
  ...{ subscriptionType: 'deal.propertyChange', attemptNumber: 0, objectId: 500 },
  ...{ propertyName: 'dealstage', propertyValue: 'won', changeSource: 'CRM_UI', sourceId: 'userId:1' },
  ...more,
})

const sample = (name: string, ...events: readonly CrmRecord[]): Sample => ({
  name,
  body: JSON.stringify(events),
})

export const hubspotSamples: SourceSamples = {
  kind: hubspotKind,
  settings: { public_url: publicUrl, api_key: { variable: 'KEY' } },
  mapping: hubspotMapping,
  folder: quoteFolder(),
  secrets: ['secret-in-use', 'secret-that-it-replaces'],
  otherSecret: 'secret-of-somebody-else',
  identities: new Map([
    ['customer 77', 'acme'],
    ['customer 78', 'acme-group'],
  ]),
  request({ body }, secret, atMs) {
    const signature = signatureOf(secret, publicUrl, Buffer.from(body), String(atMs)).toString('base64')
    const headers = { [signatureHeader]: signature, [timestampHeader]: String(atMs) }
    return { path: '/v1/webhooks/sample', headers, body: Buffer.from(body) }
  },
  withoutProof: request => ({ ...request, headers: {} }),
  /** The seats are made of the event, so that each state differs. */
  read({ object, id }, arrival) {
    if (object === 'company')
      return documentDraft({ read: 'company', at_ms: 1_768_000_000_000, company, above: [] })
    const number = Number(arrival.id.split('/')[0]) || 0
    const lines = [item('1', 'PRO'), ...(number === 99 ? [item('2', 'SEAT', { quantity: null })] : [])]
    const seats = item('3', 'SEAT', { quantity: String(number), price: '20' })
    const at_ms = Date.UTC(2026, 0, 10, number)
    return documentDraft({ ...deal({ at_ms, line_items: [...lines, seats] }), deal: { ...deal().deal, id } })
  },
  good: [
    sample('deal', told(3)),
    sample('company', told(4, { subscriptionType: 'company.creation', objectId: 77 })),
  ],
  states: [sample('first', told(1)), sample('second', told(2)), sample('third', told(3))],
  unknownType: sample('contact', told(5, { subscriptionType: 'contact.creation' })),
  missingField: sample('missing', told(99)),
  bodyOf(bytes) {
    const text = JSON.stringify([told(6, { propertyValue: '' })])
    const value = `"propertyValue":"${'x'.repeat(bytes - text.length)}"`
    return { name: 'large', body: text.replace('"propertyValue":""', value) }
  },
}
