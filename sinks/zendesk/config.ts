// The settings of a connection of kind `zendesk`.

import type { RecordsChoice, SecretSource } from '../connector-kind.js'

export interface ZendeskSettings {
  readonly records: RecordsChoice
  /** `https://acme.zendesk.com` */
  readonly url: string
  /** An API token with its agent, or a token of OAuth. */
  readonly auth:
    | { readonly user: string; readonly api_token: SecretSource }
    | { readonly access_token: SecretSource }
  readonly ticket: {
    /** Also the status of one that failed again. */
    readonly opened: 'new' | 'open'
    readonly settled: 'solved' | 'pending' | 'open'
    /** `low`, `normal`, `high`, `urgent`; left out: none. */
    readonly priority?: string | undefined
    readonly tags: readonly string[]
    /** Further custom fields of a new ticket, by their ids. */
    readonly fields: Readonly<Record<string, string>>
  }
}

/** As `allow.fields` names them. */
export function writtenFields({ ticket }: ZendeskSettings): readonly string[] {
  return [
    ...['external_id', 'subject', 'comment', 'status'].map(field => `ticket.${field}`),
    ...(ticket.priority === undefined ? [] : ['ticket.priority']),
    ...(ticket.tags.length === 0 ? [] : ['ticket.tags']),
    ...Object.keys(ticket.fields).map(field => `ticket.${field}`),
  ]
}
