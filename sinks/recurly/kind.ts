// The kind `recurly`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource } from '../settings-parts.js'
import type { RecurlySettings } from './config.js'

export const recurlyKind: ConnectorKind<RecurlySettings> = {
  kind: 'recurly',
  records: ['batch_lines'],
  // A sandbox has 400 a minute, a production site 1,000.
  defaultRate: { per_minute: 360, concurrent: 4 },
  fields: {
    subscription: {
      description: 'our subscription to theirs: an id, or uuid-…',
      required: true,
      keyedBy: 'subscription',
      pattern: /^[A-Za-z0-9_-]{1,64}$/,
    },
    add_on: {
      description: 'our price to their add-on: an id, or code-…',
      required: true,
      keyedBy: 'price',
      pattern: /^(?!\.{1,2}$)[A-Za-z0-9_.+-]{1,64}$/,
    },
  },
  settings: z => ({
    url: baseUrl(z).default('https://v3.recurly.com'),
    auth: z.strictObject({ api_key: secretSource(z) }),
    quantity: z.enum(['usage', 'amount']).default('usage'),
    decimals: z.int().min(0).max(9).default(0),
  }),
  async open(settings, parts) {
    const { RecurlyUsages } = await import('./sink.js')
    return new RecurlyUsages(settings, parts)
  },
}
