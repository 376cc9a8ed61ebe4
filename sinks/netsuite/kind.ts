// The kind `netsuite`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource, secureUrl } from '../settings-parts.js'
import type { NetsuiteSettings } from './config.js'

const internalId = /^\d{1,18}$/

export const netsuiteKind: ConnectorKind<NetsuiteSettings> = {
  kind: 'netsuite',
  records: ['journals', 'summaries'],
  // Base tiers allow 5 at the same time for the whole account, which others share.
  defaultRate: { concurrent: 3 },
  fields: {
    accounts: {
      description: 'our account to the internal id of theirs',
      required: true,
      keyedBy: 'account',
      pattern: internalId,
    },
    currency: {
      description: 'the currency to its internal id',
      required: true,
      keyedBy: 'currency',
      pattern: internalId,
    },
    subsidiary: {
      description: 'the subsidiary (OneWorld accounts need it)',
      keyedBy: 'entity',
      pattern: internalId,
    },
    customers: {
      description: 'our customer to the internal id of theirs',
      keyedBy: 'customer',
      pattern: internalId,
    },
    department: { description: 'the department of a line', pattern: internalId },
    class: { description: 'the class of a line', pattern: internalId },
    location: { description: 'the location of a line', pattern: internalId },
  },
  customersAre: 'erp',
  settings: z => ({
    url: baseUrl(z),
    account: z
      .string()
      .regex(/^[A-Za-z0-9]+([_-][A-Za-z0-9]+)?$/, 'an account id, such as 1234567 or 1234567_SB1'),
    auth: z.union(
      [
        z.strictObject({
          client_id: z.string().min(1),
          certificate_id: z.string().min(1),
          private_key: secretSource(z),
          algorithm: z.enum(['PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']).default('PS256'),
          token_url: secureUrl(z).optional(),
        }),
        z.strictObject({
          consumer_key: secretSource(z),
          consumer_secret: secretSource(z),
          token_id: secretSource(z),
          token_secret: secretSource(z),
        }),
      ],
      'is { client_id, certificate_id, private_key } or { consumer_key, consumer_secret, token_id, token_secret }',
    ),
    approval: z.enum(['approved', 'by_account']).default('approved'),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{0,20}$/, 'up to 20 letters, digits, _ and -')
      .default('weir_'),
  }),
  async open(settings, parts) {
    const { NetsuiteConnector } = await import('./sink.js')
    return new NetsuiteConnector(settings, parts)
  },
}
