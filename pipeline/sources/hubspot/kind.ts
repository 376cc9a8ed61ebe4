// HubSpot: companies and deals that are won, told by webhook and read by API.

import type { z as Zod } from 'zod'
import { rate, secretSource, secureUrl } from '../../../sinks/settings-parts.js'
import type { QuoteRules } from '../quotes/quote-rules.js'
import { sourceKind } from '../source-kind.js'

export const hubspotKind = sourceKind<QuoteRules>({
  kind: 'hubspot',
  system: 'crm',
  proof: 'signature',
  version: 2,
  mapping: 'required',
  settings: z => ({
    /** The address that HubSpot calls: it signs it. A proxy may have changed what Weir sees. */
    public_url: z.url({ protocol: /^https?$/ }),
    /** Of a private app, for reading deals, companies, line items and pipelines. */
    api_key: secretSource(z),
    api_url: secureUrl(z).default('https://api.hubapi.com'),
    rate: rate(z),
    /** Beside the usual ones, such as those that the mapping names. */
    properties: z
      .strictObject({ deal: properties(z), company: properties(z), line_item: properties(z) })
      .prefault({}),
    /** `sourceId` of changes that are our own, and are dropped. */
    own_sources: z.array(z.string()).default([]),
    /** Properties that we alone write: that one has changed is dropped. */
    own_properties: z.array(z.string()).default([]),
  }),
  trialSettings: { public_url: 'https://localhost', api_key: { variable: 'NONE' } },
  load: async () => (await import('./loaded.js')).loadedHubspot,
  reach: async parts => (await import('./reach.js')).hubspotReach(parts),
})

function properties(z: typeof Zod) {
  const name = z.string().regex(/^[a-z][a-z0-9_]{0,99}$/, 'the internal name of a property')
  return z.array(name).max(200).default([])
}
