// Salesforce: accounts, and what was sold (CPQ quotes, orders or opportunities), listened to by the Pub/Sub API and read by
// REST.

import { secretSource, secureUrl } from '../../../sinks/settings-parts.js'
import type { QuoteRules } from '../quotes/quote-rules.js'
import { sourceKind } from '../source-kind.js'
import { soldFrom } from './usual-fields.js'

export const salesforceKind = sourceKind<QuoteRules>({
  kind: 'salesforce',
  system: 'crm',
  proof: 'none',
  version: 2,
  mapping: 'required',
  settings: z => ({
    /** Of My Domain, such as `https://acme.my.salesforce.com`. */
    instance_url: secureUrl(z),
    login: z.union(
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
    /** The id of the org; left out: it is asked for. */
    org_id: z
      .string()
      .regex(/^00D[A-Za-z0-9]{12,15}$/, 'begins with 00D')
      .optional(),
    pubsub_url: secureUrl(z).default('https://api.pubsub.salesforce.com:7443'),
    api_version: z
      .string()
      .regex(/^v\d{2,3}\.0$/, 'such as v62.0')
      .default('v62.0'),
    /** Whose lines become subscriptions. */
    sold_from: z.enum(soldFrom).default('quote'),
    /** Left out: the change events of each object that counts. */
    topics: z
      .array(z.string().regex(/^\/data\/\w+$/, 'such as /data/AccountChangeEvent'))
      .min(1)
      .max(20)
      .optional(),
    /** Whose changes are our own, and which fields alone are written by us: such changes are dropped. */
    own_writes: z
      .strictObject({
        users: z.array(z.string()).default([]),
        clients: z.array(z.string()).default([]),
        fields: z.array(z.string()).default([]),
      })
      .prefault({}),
    requests_per_second: z.number().positive().max(1_000).default(5),
  }),
  trialSettings: {
    instance_url: 'https://localhost',
    login: { client_id: 'trial', client_secret: { variable: 'NONE' } },
  },
  load: async () => (await import('./loaded.js')).loadedSalesforce,
  reach: async parts => (await import('./reach.js')).salesforceReach(parts),
})
