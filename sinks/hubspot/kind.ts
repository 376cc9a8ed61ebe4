// The kind `hubspot`: its settings, and how its connector is made. Customers' standings go to properties of companies.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource } from '../settings-parts.js'
import { lacking, mappedFields } from '../write-back/settings.js'
import type { HubspotSettings } from './config.js'

const propertyName = /^[a-z][a-z0-9_]{0,99}$/

export const hubspotKind: ConnectorKind<HubspotSettings> = {
  kind: 'hubspot',
  records: ['customer_standings'],
  // A private app has 100 requests in ten seconds in the smallest plan.
  defaultRate: { per_second: 8, concurrent: 4 },
  fields: {
    customers: {
      description: 'our customer to the id of their company',
      keyedBy: 'customer',
      pattern: /^\d{1,20}$/,
    },
  },
  customersAre: 'crm',
  settings: z => ({
    url: baseUrl(z).default('https://api.hubapi.com'),
    auth: z.strictObject({ access_token: secretSource(z) }),
    found_by: z.string().regex(propertyName, 'is a name of a property there').optional(),
    fields: mappedFields(z, propertyName),
  }),
  settingsProblem: lacking,
  writes: ({ fields }) => Object.keys(fields).map(field => `companies.${field}`),
  async open(settings, parts) {
    const { openHubspot } = await import('./sink.js')
    return openHubspot(settings, parts)
  },
}
