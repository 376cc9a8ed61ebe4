// The settings of a connection of kind `stripe`.

import type { SecretSource } from '../connector-kind.js'

export interface StripeSettings {
  readonly url: string
  /** A secret or restricted key. */
  readonly auth: { readonly secret_key: SecretSource }
  /** A connected account on whose behalf we write: the header Stripe-Account. */
  readonly account?: string | undefined
  /** `invoice_items`: the amounts that Weir worked out. `meter_events`: the quantities, which Stripe prices. */
  readonly send: 'invoice_items' | 'meter_events'
  /** Whether discounts of the customer in Stripe apply to our invoice items. */
  readonly discountable: boolean
  /** The names that the meters in Stripe have for the two values of an event. */
  readonly payload: { readonly customer: string; readonly value: string }
}
