// Stripe: subscriptions and their schedules, invoices, payments, refunds and disputes, by snapshot and by thin events.

import { rate, secretSource } from '../../../sinks/settings-parts.js'
import { zeroWhenAbsent } from '../map/subscription-state.js'
import { sourceKind } from '../source-kind.js'

export const stripeKind = sourceKind<undefined>({
  kind: 'stripe',
  system: 'billing',
  proof: 'signature',
  version: 4,
  mapping: 'none',
  settings: z => ({
    /** For reading an object that an event only names. */
    api_key: secretSource(z).optional(),
    api_url: z.url({ protocol: /^https?$/ }).default('https://api.stripe.com'),
    /** What of an item names our plan. */
    plan_from: z.enum(['product', 'price']).default('product'),
    /** `refund`: by each refund, `charge`: by the sum that `charge.refunded` has so far. */
    refunds_from: z.enum(['refund', 'charge']).default('refund'),
    rate: rate(z),
    zero_when_absent: zeroWhenAbsent(z),
  }),
  load: async () => (await import('./loaded.js')).loadedStripe,
  reach: async parts => (await import('./reach.js')).stripeReach(parts),
})
