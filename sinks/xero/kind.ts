// The kind `xero`: the fields of its mapping, its limits, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { type XeroSettings, xeroSettings } from './config.js'

export const xeroKind: ConnectorKind<XeroSettings> = {
  kind: 'xero',
  records: ['journals', 'summaries'],
  // Of one app at one organisation; there are 5,000 a day beside it, which Xero tells with 429 and Retry-After.
  defaultRate: { per_minute: 60, concurrent: 5 },
  fields: {
    accounts: {
      description: 'our account to the code of theirs, or to its id',
      required: true,
      keyedBy: 'account',
      pattern: /^(.{1,10}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$/,
    },
    tax_type: {
      description: 'the tax type of a line, one without tax; NONE where the file does not have it',
    },
    tracking_1: { description: 'the option of a line in the first tracking category', pattern: /^.{1,100}$/ },
    tracking_2: {
      description: 'the option of a line in the second tracking category',
      pattern: /^.{1,100}$/,
    },
  },
  settings: xeroSettings,
  async open(settings, parts) {
    const { XeroConnector } = await import('./sink.js')
    return new XeroConnector(settings, parts)
  },
}
