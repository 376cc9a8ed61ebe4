// The kind `oracle_fusion`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import type { MappingField } from '../mapping/mapping-fields.js'
import { baseUrl, secretSource, secureUrl } from '../settings-parts.js'
import type { OracleFusionSettings } from './config.js'
import { overridableSegments, segmentName } from './segments.js'

const segment = '[A-Za-z0-9_-]{1,25}'
const id = /^\d{1,18}$/
/** In names that stand in queries and parameter lists: no quotes and no commas. */
const name = /^[^\n',]{1,25}$/

const segmentFields = Object.fromEntries(
  overridableSegments.map((n): [string, MappingField] => [
    segmentName(n),
    { description: `segment ${n}, instead of that of the account`, pattern: new RegExp(`^${segment}$`) },
  ]),
)

export const oracleFusionKind: ConnectorKind<OracleFusionSettings> = {
  kind: 'oracle_fusion',
  records: ['journals', 'summaries'],
  defaultRate: { concurrent: 2 },
  fields: {
    accounts: {
      description: 'our account to the segments of theirs, joined by points',
      required: true,
      keyedBy: 'account',
      pattern: new RegExp(`^${segment}(\\.${segment}){0,29}$`),
    },
    ...segmentFields,
  },
  settings: z => ({
    url: baseUrl(z),
    auth: z.union(
      [
        z.strictObject({
          client_id: z.string().min(1),
          client_secret: secretSource(z),
          token_url: secureUrl(z),
          scope: z.string().min(1),
        }),
        z.strictObject({ user: z.string().min(1), password: secretSource(z) }),
      ],
      'is { client_id, client_secret, token_url, scope } or { user, password }',
    ),
    ledger_id: z.string().regex(id, 'the id of the ledger, digits between quotes'),
    currency: z.string().regex(/^[A-Z]{3}$/, 'the currency of the ledger, such as USD'),
    data_access_set: z.string().regex(id, 'the id of the data access set, digits between quotes'),
    source: z.string().regex(name, 'the name of the journal source'),
    category: z.string().regex(name, 'the name of the journal category'),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,20}$/, '1 to 20 letters, digits, _ and -')
      .default('weir_'),
    poll_seconds: z.number().min(0.001).max(300).default(10),
    import_minutes: z.number().min(1).max(240).default(15),
    settles_within_minutes: z.number().min(1).max(1_440).default(60),
  }),
  async open(settings, parts) {
    const { OracleFusionConnector } = await import('./sink.js')
    return new OracleFusionConnector(settings, parts)
  },
}
