// The settings of a connection of kind `oracle_fusion`.

import type { SecretSource } from '../connector-kind.js'

export interface OracleClientAuth {
  readonly client_id: string
  readonly client_secret: SecretSource
  /** Of the identity domain: `https://idcs-….identity.oraclecloud.com/oauth2/v1/token`. */
  readonly token_url: string
  readonly scope: string
}

export interface OraclePasswordAuth {
  readonly user: string
  readonly password: SecretSource
}

export interface OracleFusionSettings {
  /** `https://<pod>.fa.<data centre>.oraclecloud.com`. */
  readonly url: string
  readonly auth: OracleClientAuth | OraclePasswordAuth
  readonly ledger_id: string
  /** The ledger's currency; journals in others are refused. */
  readonly currency: string
  /** The id of the data access set of the user. */
  readonly data_access_set: string
  /** The journal source and category as people see them. */
  readonly source: string
  readonly category: string
  /** Before our key in the batch name. */
  readonly prefix: string
  readonly poll_seconds: number
  /** How long we wait for an import before it is unclear. */
  readonly import_minutes: number
  /** How long an import may go on that we no longer see: a journal that is absent before that proves nothing. */
  readonly settles_within_minutes: number
}
