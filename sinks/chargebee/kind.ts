// The kind `chargebee`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource } from '../settings-parts.js'
import type { ChargebeeSettings } from './config.js'

export const chargebeeKind: ConnectorKind<ChargebeeSettings> = {
  kind: 'chargebee',
  records: ['batch_lines'],
  // Limits differ by plan of the site; test sites have 150 a minute.
  defaultRate: { per_minute: 150, concurrent: 4 },
  fields: {
    subscription: {
      description: 'our subscription to theirs',
      required: true,
      keyedBy: 'subscription',
      // It is a part of a path, in which the package leaves `/` as it is.
      pattern: /^(?!\.{1,2}$)[^\s/]{1,50}$/,
    },
    item_price: {
      description: 'our price to their metered item price',
      required: true,
      keyedBy: 'price',
      pattern: /^\S{1,100}$/,
    },
  },
  settings: z => ({
    site: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'the name of a site, such as acme-test'),
    url: baseUrl(z).optional(),
    auth: z.strictObject({ api_key: secretSource(z) }),
    quantity: z.enum(['usage', 'amount']).default('usage'),
  }),
  async open(settings, parts) {
    const { ChargebeeUsages } = await import('./sink.js')
    return new ChargebeeUsages(settings, parts)
  },
}
