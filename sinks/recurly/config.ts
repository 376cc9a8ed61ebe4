// The settings of a connection of kind `recurly`.

import type { SecretSource } from '../connector-kind.js'

export interface RecurlySettings {
  readonly url: string
  readonly auth: { readonly api_key: SecretSource }
  /** `usage`: what was used, which Recurly prices. `amount`: what Weir worked out, in minor units, for an add-on that is a percentage. */
  readonly quantity: 'usage' | 'amount'
  /** Of quantities, as the site keeps them: more would be cut off without a word. */
  readonly decimals: number
}
