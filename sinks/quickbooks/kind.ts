// The kind `quickbooks`: the fields of its mapping, its limits, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { type QuickbooksSettings, quickbooksSettings } from './config.js'

const id = /^\d{1,25}$/

export const quickbooksKind: ConnectorKind<QuickbooksSettings> = {
  kind: 'quickbooks',
  records: ['journals', 'summaries'],
  // Of one app at one company.
  defaultRate: { per_minute: 500, concurrent: 10 },
  fields: {
    accounts: {
      description: 'our account to the id of theirs',
      required: true,
      keyedBy: 'account',
      pattern: id,
    },
    customers: { description: 'our customer to the id of theirs', keyedBy: 'customer', pattern: id },
    class: { description: 'the class of a line', pattern: id },
    department: { description: 'the department of a line, which QuickBooks shows as location', pattern: id },
  },
  customersAre: 'erp',
  settings: quickbooksSettings,
  async open(settings, parts) {
    const { QuickbooksConnector } = await import('./sink.js')
    return new QuickbooksConnector(settings, parts)
  },
}
