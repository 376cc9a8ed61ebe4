// The settings of a connection of kind `chargebee`.

import type { SecretSource } from '../connector-kind.js'

export interface ChargebeeSettings {
  /** The name of the site: `acme` of `acme.chargebee.com`. */
  readonly site: string
  /** Default: that of the site. */
  readonly url?: string | undefined
  readonly auth: { readonly api_key: SecretSource }
  /** `usage`: what was used, which Chargebee prices. `amount`: what Weir worked out, in minor units, at an item price of one minor unit. */
  readonly quantity: 'usage' | 'amount'
}
