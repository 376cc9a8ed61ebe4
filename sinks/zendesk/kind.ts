// The kind `zendesk`: its settings, and how its connector is made. Exceptions go to tickets.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource } from '../settings-parts.js'
import { constants } from '../write-back/settings.js'
import { writtenFields, type ZendeskSettings } from './config.js'

export const zendeskKind: ConnectorKind<ZendeskSettings> = {
  kind: 'zendesk',
  records: ['support_cases'],
  // The smallest plan has 200 a minute, and updates of one ticket 30 in ten minutes.
  defaultRate: { per_minute: 150, concurrent: 4 },
  settings: z => ({
    url: baseUrl(z),
    auth: z.union(
      [
        z.strictObject({ user: z.email(), api_token: secretSource(z) }),
        z.strictObject({ access_token: secretSource(z) }),
      ],
      'has user and api_token, or access_token',
    ),
    ticket: z
      .strictObject({
        opened: z.enum(['new', 'open']).default('new'),
        settled: z.enum(['solved', 'pending', 'open']).default('solved'),
        priority: z.enum(['low', 'normal', 'high', 'urgent']).optional(),
        tags: z
          .array(z.string().regex(/^[\w/-]{1,80}$/, 'is a tag'))
          .max(20)
          .default([]),
        fields: constants(z, /^\d{1,20}$/),
      })
      .prefault({}),
  }),
  writes: writtenFields,
  async open(settings, parts) {
    const { openZendesk } = await import('./sink.js')
    return openZendesk(settings, parts)
  },
}
