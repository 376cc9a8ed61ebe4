// The settings of a connection of kind `salesforce`.

import type { RecordsChoice, SecretSource } from '../connector-kind.js'

export interface SalesforceSettings {
  readonly records: RecordsChoice
  /** Of My Domain. */
  readonly url: string
  readonly auth:
    | {
        readonly client_id: string
        readonly user: string
        readonly private_key: SecretSource
        readonly url: string
      }
    | { readonly client_id: string; readonly client_secret: SecretSource }
  readonly api_version: string
  /** The object that customers are. */
  readonly object: string
  /** Its field that holds our customer id; left out: customers have their Salesforce id in the mapping or in external_ids.crm. */
  readonly found_by?: string | undefined
  /** Their fields by what is written to them. */
  readonly fields: Readonly<Record<string, string>>
  readonly case: {
    /** The unique external id field that holds the id of the exception. */
    readonly external_id: string
    readonly opened: string
    readonly settled: string
    /** Whether a case is of its customer's account, where that is known. */
    readonly of_account: boolean
    /** Further fields of a new case, the same for all. */
    readonly fields: Readonly<Record<string, string>>
  }
}

/** As `allow.fields` names them. */
export function writtenFields({
  records,
  object,
  fields,
  case: ofCase,
}: SalesforceSettings): readonly string[] {
  if (records === 'customer_standings') return Object.keys(fields).map(field => `${object}.${field}`)
  return [
    ...['Subject', 'Description', 'Status', ofCase.external_id].map(field => `Case.${field}`),
    ...(ofCase.of_account ? ['Case.AccountId'] : []),
    ...Object.keys(ofCase.fields).map(field => `Case.${field}`),
    'CaseComment.CommentBody',
  ]
}
