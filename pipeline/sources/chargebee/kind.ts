// Chargebee: events with the objects in them, by a login; subscriptions, invoices, credit notes, payments and refunds.

import { rate, secretSource, secureUrl } from '../../../sinks/settings-parts.js'
import { zeroWhenAbsent } from '../map/subscription-state.js'
import { sourceKind } from '../source-kind.js'

export const chargebeeKind = sourceKind<undefined>({
  kind: 'chargebee',
  system: 'billing',
  proof: 'basic',
  version: 2,
  mapping: 'none',
  settings: z => ({
    /** `acme` of `acme.chargebee.com`: for whatever is read. */
    site: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'the name of a site, such as acme-test')
      .optional(),
    api_url: secureUrl(z).optional(),
    api_key: secretSource(z).optional(),
    rate: rate(z),
    /** Chargebee signs nothing: each event is read from it before it counts. */
    confirm_origin: z.boolean().default(false),
    /** Whether the quantity of the plan itself is one of a price of ours, or those of addons alone. */
    quantities: z.enum(['plan_and_addons', 'addons']).default('plan_and_addons'),
    zero_when_absent: zeroWhenAbsent(z),
    entity_from: z.enum(['none', 'business_entity']).default('none'),
  }),
  faults({ confirm_origin: confirms, api_key: key, site, api_url: url }) {
    const keyless = confirms === true && key === undefined
    const nowhere = key !== undefined && site === undefined && url === undefined
    return [
      ...(keyless ? [{ key: 'api_key', message: 'is needed for confirm_origin' }] : []),
      ...(nowhere ? [{ key: 'site', message: 'or api_url is needed beside api_key' }] : []),
    ]
  },
  load: async () => (await import('./loaded.js')).loadedChargebee,
  reach: async parts => (await import('./reach.js')).chargebeeReach(parts),
})
