// The settings of a connection of kind `zuora`.

import type { SecretSource } from '../connector-kind.js'

export interface ZuoraSettings {
  /** The REST endpoint of the tenant's data centre, such as `https://rest.eu.zuora.com`. */
  readonly url: string
  readonly auth: {
    readonly client_id: string
    readonly client_secret: SecretSource
    /** Default: `<url>/oauth/token`. */
    readonly token_url?: string | undefined
  }
  /** The field of a usage record that holds our key: `Description`, `UniqueKey`, or a custom field. */
  readonly key_field: string
  /** Before our key in that field. */
  readonly prefix: string
  /** The tenant's time zone: a usage record is of noon there, so that it falls on its day. */
  readonly time_zone: string
  /** With Multi-entity, the entity that the usage is for: the header Zuora-Entity-Ids. */
  readonly zuora_entity?: string | undefined
}
