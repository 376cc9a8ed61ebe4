// The kind `jira`: its settings, and how its connector is made. Exceptions go to issues of Jira Cloud.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource } from '../settings-parts.js'
import { constants } from '../write-back/settings.js'
import { type JiraSettings, writtenFields } from './config.js'

export const jiraKind: ConnectorKind<JiraSettings> = {
  kind: 'jira',
  records: ['support_cases'],
  defaultRate: { per_second: 5, concurrent: 4 },
  settings: z => ({
    url: baseUrl(z),
    auth: z.strictObject({ user: z.email(), api_token: secretSource(z) }),
    issue: z.strictObject({
      project: z.string().regex(/^[A-Z][A-Z0-9_]{1,30}$/, 'is the key of a project, such as BILL'),
      type: z.string().min(1).max(100).default('Task'),
      labels: z
        .array(z.string().regex(/^\S{1,200}$/, 'has no space'))
        .max(20)
        .default([]),
      fields: constants(z, /^[A-Za-z][A-Za-z0-9_]{0,79}$/),
      settled: z.string().min(1).max(100).optional(),
      reopened: z.string().min(1).max(100).optional(),
    }),
  }),
  writes: writtenFields,
  async open(settings, parts) {
    const { openJira } = await import('./sink.js')
    return openJira(settings, parts)
  },
}
