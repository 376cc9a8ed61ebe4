// The settings of a connection of kind `jira`.

import type { RecordsChoice, SecretSource } from '../connector-kind.js'

export interface JiraSettings {
  readonly records: RecordsChoice
  /** `https://acme.atlassian.net` */
  readonly url: string
  readonly auth: { readonly user: string; readonly api_token: SecretSource }
  readonly issue: {
    /** Its key, such as `BILL`. */
    readonly project: string
    readonly type: string
    readonly labels: readonly string[]
    /** Further fields of a new issue that are plain texts, by their ids. */
    readonly fields: Readonly<Record<string, string>>
    /** The status that an issue gets when its exception is settled, and when it failed again; left out: the status stays. */
    readonly settled?: string | undefined
    readonly reopened?: string | undefined
  }
}

/** As `allow.fields` names them. */
export function writtenFields({ issue }: JiraSettings): readonly string[] {
  return [
    ...['project', 'issuetype', 'summary', 'description', 'labels', 'comment'].map(field => `issue.${field}`),
    ...Object.keys(issue.fields).map(field => `issue.${field}`),
    ...(issue.settled === undefined && issue.reopened === undefined ? [] : ['issue.status']),
  ]
}
