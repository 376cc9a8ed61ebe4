// Recurly: signed JSON, which names an object that is read, and the older XML, which holds it.

import { rate, secretSource, secureUrl } from '../../../sinks/settings-parts.js'
import { zeroWhenAbsent } from '../map/subscription-state.js'
import { sourceKind } from '../source-kind.js'

export const recurlyKind = sourceKind<undefined>({
  kind: 'recurly',
  system: 'billing',
  proof: 'signature_or_basic',
  version: 2,
  mapping: 'none',
  settings: z => ({
    /** For reading objects; without it only XML is understood. */
    api_key: secretSource(z).optional(),
    api_url: secureUrl(z).default('https://v3.recurly.com'),
    rate: rate(z),
    /** The currency of payments in XML, which names none. */
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/)
      .optional(),
    /** Whether the quantity of a subscription itself is one of a price of ours, or those of its add-ons alone. */
    quantities: z.enum(['plan_and_add_ons', 'add_ons']).default('plan_and_add_ons'),
    zero_when_absent: zeroWhenAbsent(z),
    entity_from: z.enum(['none', 'business_entity']).default('none'),
  }),
  faults: ({ secrets, api_key: key }) =>
    (secrets as readonly unknown[]).length > 0 && key === undefined
      ? [
          {
            key: 'api_key',
            message: 'is needed beside secrets: signed JSON names an object that must be read',
          },
        ]
      : [],
  load: async () => (await import('./loaded.js')).loadedRecurly,
  reach: async parts => (await import('./reach.js')).recurlyReach(parts),
})
