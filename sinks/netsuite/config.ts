// The settings of a NetSuite connection, as its connector takes them.

import type { SecretSource } from '../connector-kind.js'

export interface ClientCredentialsAuth {
  readonly client_id: string
  /** The id of the certificate in NetSuite. */
  readonly certificate_id: string
  /** The private key in PKCS 8. */
  readonly private_key: SecretSource
  readonly algorithm: 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512'
  /** Default: that of the account's URL. */
  readonly token_url?: string | undefined
}

export interface TokenBasedAuth {
  readonly consumer_key: SecretSource
  readonly consumer_secret: SecretSource
  readonly token_id: SecretSource
  readonly token_secret: SecretSource
}

export interface NetsuiteSettings {
  /** `https://<account>.suitetalk.api.netsuite.com`. */
  readonly url: string
  /** As NetSuite shows it: `1234567` or `1234567_SB1`. */
  readonly account: string
  readonly auth: ClientCredentialsAuth | TokenBasedAuth
  /** `approved`: we ask for an entry in effect; `by_account`: the account's own rule decides, and each entry is looked at. */
  readonly approval: 'approved' | 'by_account'
  /** Before our key in the external id, so that our entries are found among all. */
  readonly prefix: string
}
