// The settings of an SAP S/4HANA connection, as its connector takes them.

import type { SecretSource } from '../connector-kind.js'

export interface BasicAuth {
  /** The communication user. */
  readonly user: string
  readonly password: SecretSource
}

export interface OAuthAuth {
  readonly token_url: string
  readonly client_id: string
  readonly client_secret: SecretSource
  readonly scope?: string | undefined
}

export interface SapS4Settings {
  /** `https://my<number>-api.s4hana.cloud.sap`. */
  readonly url: string
  readonly auth: BasicAuth | OAuthAuth
  /** The synchronous service that posts. */
  readonly post_path: string
  /** The entity set that documents are read from, by items. */
  readonly read_path: string
  /** `sap-client`, for systems that have several. */
  readonly client?: string | undefined
  /** Who is named as the author of a document; at most 12 characters. */
  readonly created_by: string
  readonly business_transaction_type: string
  readonly reference_document_type: string
  /** `debtor`: the receivable is an item of the customer; `account`: of a G/L account. */
  readonly receivable: 'debtor' | 'account'
  /** How long SAP may still work on a request that we gave up. */
  readonly settles_minutes: number
  /** The beginning of our document references, so that our documents are found among all. */
  readonly prefix: string
}
