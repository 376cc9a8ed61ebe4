// The settings of a connection of kind `hubspot`.

import type { RecordsChoice, SecretSource } from '../connector-kind.js'

export interface HubspotSettings {
  readonly records: RecordsChoice
  readonly url: string
  /** The access token of a private app that may read and write companies. */
  readonly auth: { readonly access_token: SecretSource }
  /** The property that holds our customer id; left out: customers have their company's id in the mapping or in external_ids.crm. */
  readonly found_by?: string | undefined
  /** Their properties by what is written to them. */
  readonly fields: Readonly<Record<string, string>>
}
