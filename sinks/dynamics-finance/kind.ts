// The kind `dynamics_finance`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { dimensionFields } from '../mapping/dimension-fields.js'
import { entraAuth } from '../oauth/entra-settings.js'
import { baseUrl } from '../settings-parts.js'
import type { DynamicsFinanceSettings } from './config.js'

export const dynamicsFinanceKind: ConnectorKind<DynamicsFinanceSettings> = {
  kind: 'dynamics_finance',
  records: ['journals', 'summaries'],
  defaultRate: { concurrent: 4 },
  fields: {
    accounts: {
      description: 'our account to their main account',
      required: true,
      keyedBy: 'account',
      pattern: /^[^\s'].{0,19}$/,
    },
    company: {
      description: 'the legal entity (dataAreaId)',
      required: true,
      keyedBy: 'entity',
      pattern: /^[A-Za-z0-9]{1,4}$/,
    },
    journal: {
      description: 'the journal name, such as GenJrn',
      required: true,
      keyedBy: 'entity',
      pattern: /^[^'\s]{1,10}$/,
    },
    customers: { description: 'our customer to their customer account', keyedBy: 'customer' },
    ...dimensionFields('the value of the financial dimension'),
  },
  customersAre: 'erp',
  settings: z => ({
    url: baseUrl(z),
    auth: entraAuth(z),
    post_action: z
      .string()
      .regex(
        /^[A-Za-z][\w.]{0,199}$/,
        'the name of an OData action, such as Microsoft.Dynamics.DataEntities.post',
      )
      .optional(),
    voucher: z.enum(['ours', 'by_journal_name']).default('ours'),
    receivables: z.enum(['ledger', 'customers']).default('ledger'),
    dimensions: z.array(z.string().min(1).max(60)).max(8).default([]),
    delimiter: z.enum(['-', '_', '.', '|', '~']).default('-'),
  }),
  async open(settings, parts) {
    const { DynamicsFinanceConnector } = await import('./sink.js')
    return new DynamicsFinanceConnector(settings, parts)
  },
}
