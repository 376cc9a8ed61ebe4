// Stripe: subscriptions, invoices, payments and refunds, by snapshot and by thin events.

import { secretSource } from '../../../sinks/settings-parts.js'
import { sourceKind } from '../source-kind.js'

export const stripeKind = sourceKind<undefined>({
  kind: 'stripe',
  system: 'billing',
  proof: 'signature',
  version: 1,
  mapping: 'none',
  settings: z => ({
    /** For reading an object that an event only names. */
    api_key: secretSource(z).optional(),
    api_url: z.url({ protocol: /^https?$/ }).default('https://api.stripe.com'),
    /** What of an item names our plan. */
    plan_from: z.enum(['product', 'price']).default('product'),
  }),
  load: async () => (await import('./loaded.js')).loadedStripe,
  reach: async parts => (await import('./read-object.js')).stripeReach(parts),
})
