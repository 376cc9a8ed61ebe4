// The kind `stripe`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource } from '../settings-parts.js'
import type { StripeSettings } from './config.js'

const payloadName = /^[A-Za-z0-9_-]{1,100}$/

export const stripeKind: ConnectorKind<StripeSettings> = {
  kind: 'stripe',
  records: ['batch_lines'],
  // Stripe's default is 25 a second for each endpoint.
  defaultRate: { per_second: 20, concurrent: 8 },
  fields: {
    customers: { description: 'our customer to theirs', keyedBy: 'customer', pattern: /^cus_\w+$/ },
    subscription: {
      description: 'the subscription whose next invoice takes the item (else the next of the customer)',
      pattern: /^sub_\w+$/,
    },
    tax_code: { description: 'the tax code of an item', pattern: /^txcd_\d+$/ },
    tax_behavior: {
      description: 'whether tax is within the amount',
      pattern: /^(inclusive|exclusive|unspecified)$/,
    },
    description: {
      description: 'the text on the invoice (else plan, price and days)',
      pattern: /^[^\n]{1,500}$/,
    },
    event_name: {
      description: 'our meter to the event name of theirs (meter_events need it)',
      keyedBy: 'meter',
      pattern: /^\S.{0,99}$/,
    },
  },
  customersAre: 'billing',
  settings: z => ({
    url: baseUrl(z).default('https://api.stripe.com'),
    auth: z.strictObject({ secret_key: secretSource(z) }),
    account: z
      .string()
      .regex(/^acct_\w+$/, 'an account id, such as acct_1Ab2Cd')
      .optional(),
    send: z.enum(['invoice_items', 'meter_events']).default('invoice_items'),
    discountable: z.boolean().default(false),
    payload: z
      .strictObject({
        customer: z.string().regex(payloadName).default('stripe_customer_id'),
        value: z.string().regex(payloadName).default('value'),
      })
      .default({ customer: 'stripe_customer_id', value: 'value' }),
  }),
  secretProblem: secret =>
    /^(sk|rk)_\w+$/.test(secret) ? undefined : 'no secret key (sk_…) or restricted key (rk_…) of Stripe',
  async open(settings, parts) {
    if (settings.send === 'meter_events') {
      const { StripeMeterEvents } = await import('./meter-events.js')
      return new StripeMeterEvents(settings, parts)
    }
    const { StripeInvoiceItems } = await import('./sink.js')
    return new StripeInvoiceItems(settings, parts)
  },
}
