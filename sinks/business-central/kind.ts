// The kind `business_central`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { dimensionFields } from '../mapping/dimension-fields.js'
import { entraAuth } from '../oauth/entra-settings.js'
import { baseUrl } from '../settings-parts.js'
import type { BusinessCentralSettings } from './config.js'

export const businessCentralKind: ConnectorKind<BusinessCentralSettings> = {
  kind: 'business_central',
  records: ['journals', 'summaries'],
  // Of one user: 5 requests at the same time, 6,000 in 5 minutes.
  defaultRate: { concurrent: 4, per_minute: 1_000 },
  fields: {
    accounts: {
      description: 'our account to the number of their G/L account',
      required: true,
      keyedBy: 'account',
      pattern: /^[^\s'].{0,19}$/,
    },
    ...dimensionFields('the value code of the dimension'),
  },
  settings: z => ({
    url: baseUrl(z),
    company: z.guid('the id of the company, as …/companies lists it'),
    auth: entraAuth(z),
    posting: z
      .union(
        [z.literal('automatic'), z.strictObject({ journal: z.string().regex(/^[A-Z0-9_-]{1,10}$/) })],
        'is automatic or { journal: CODE }, up to 10 capital letters, digits, _ and -',
      )
      .default('automatic'),
    dimensions: z
      .array(z.string().regex(/^[A-Z0-9_.-]{1,20}$/, 'the code of a dimension'))
      .max(8)
      .default([]),
  }),
  async open(settings, parts) {
    const { BusinessCentralConnector } = await import('./sink.js')
    return new BusinessCentralConnector(settings, parts)
  },
}
