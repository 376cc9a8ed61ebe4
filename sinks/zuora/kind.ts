// The kind `zuora`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource, secureUrl } from '../settings-parts.js'
import type { ZuoraSettings } from './config.js'

/** What may stand between the quotes of a query. */
const numberOfTheirs = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$/

export const zuoraKind: ConnectorKind<ZuoraSettings> = {
  kind: 'zuora',
  records: ['batch_lines'],
  // A tenant has 40 requests at the same time by default, for all its integrations.
  defaultRate: { per_second: 50, concurrent: 8 },
  fields: {
    uom: {
      description: 'our meter to the unit of measure of theirs',
      required: true,
      keyedBy: 'meter',
      pattern: /^\S.{0,254}$/,
    },
    customers: {
      description: 'our customer to the number of their account',
      keyedBy: 'customer',
      pattern: numberOfTheirs,
    },
    subscription: {
      description: 'the number of the subscription (else all of the account with this unit)',
      pattern: numberOfTheirs,
    },
    charge: {
      description: 'the number of the charge (else all with this unit)',
      pattern: numberOfTheirs,
    },
  },
  customersAre: 'billing',
  settings: z => ({
    url: baseUrl(z),
    auth: z.strictObject({
      client_id: z.string().min(1),
      client_secret: secretSource(z),
      token_url: secureUrl(z).optional(),
    }),
    key_field: z
      .string()
      .regex(
        /^(Description|UniqueKey|[A-Za-z]\w{0,60}__c)$/,
        'is Description, UniqueKey or a custom field (…__c)',
      )
      .default('Description'),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,20}$/, '1 to 20 letters, digits, _ and -')
      .default('weir_'),
    time_zone: z.string().refine(isTimeZone, 'is an IANA time zone, such as America/New_York').default('UTC'),
    zuora_entity: z.string().min(1).max(100).optional(),
  }),
  async open(settings, parts) {
    const { ZuoraConnector } = await import('./sink.js')
    return new ZuoraConnector(settings, parts)
  },
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).format(0) !== ''
  } catch {
    return false
  }
}
