// The kind `salesforce`: its settings, and how its connectors are made. Customers' standings go to fields of accounts, exceptions
// to cases.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource, secureUrl } from '../settings-parts.js'
import { constants, lacking, mappedFields } from '../write-back/settings.js'
import { type SalesforceSettings, writtenFields } from './config.js'

const fieldName = /^[A-Za-z][A-Za-z0-9_]{0,79}$/

export const salesforceKind: ConnectorKind<SalesforceSettings> = {
  kind: 'salesforce',
  records: ['customer_standings', 'support_cases'],
  defaultRate: { per_second: 5, concurrent: 4 },
  fields: {
    customers: {
      description: 'our customer to the id of their account',
      keyedBy: 'customer',
      pattern: /^[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?$/,
    },
  },
  customersAre: 'crm',
  settings: z => {
    const field = z.string().regex(fieldName, 'is a name of a field there')
    return {
      url: baseUrl(z),
      auth: z.union(
        [
          z.strictObject({
            client_id: z.string().min(1),
            user: z.string().min(1),
            private_key: secretSource(z),
            url: secureUrl(z).default('https://login.salesforce.com'),
          }),
          z.strictObject({ client_id: z.string().min(1), client_secret: secretSource(z) }),
        ],
        'has client_id with user and private_key, or with client_secret',
      ),
      api_version: z
        .string()
        .regex(/^v\d{2,3}\.0$/, 'such as v62.0')
        .default('v62.0'),
      object: field.default('Account'),
      found_by: field.optional(),
      fields: mappedFields(z, fieldName).default({}),
      case: z
        .strictObject({
          external_id: field.default('Weir_Exception__c'),
          opened: z.string().min(1).default('New'),
          settled: z.string().min(1).default('Closed'),
          of_account: z.boolean().default(true),
          fields: constants(z, fieldName),
        })
        .prefault({}),
    }
  },
  settingsProblem: lacking,
  writes: writtenFields,
  async open(settings, parts) {
    const { openSalesforce } = await import('./sink.js')
    return openSalesforce(settings, parts)
  },
}
