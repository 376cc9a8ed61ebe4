// The kind `intacct`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource } from '../settings-parts.js'
import type { IntacctSettings } from './config.js'

export const intacctKind: ConnectorKind<IntacctSettings> = {
  kind: 'intacct',
  records: ['journals', 'summaries'],
  // The lowest performance tier lets two requests go at the same time, for all integrations of the company.
  defaultRate: { concurrent: 2 },
  fields: {
    accounts: { description: 'our account to the number of theirs', required: true, keyedBy: 'account' },
    journal: { description: 'the symbol of the journal, such as GJ', required: true, keyedBy: 'entity' },
    currency: {
      description: 'the currency to their code',
      required: true,
      keyedBy: 'currency',
      pattern: /^[A-Z]{3}$/,
    },
    exchange_rate_type: {
      description: 'the type of exchange rate of a foreign currency, by its name',
      keyedBy: 'currency',
    },
    base_location: { description: 'the entity whose base currency counts', keyedBy: 'entity' },
    location: { description: 'the location of a line', keyedBy: 'entity' },
    customers: { description: 'our customer to the id of theirs', keyedBy: 'customer' },
    department: { description: 'the department of a line' },
    class: { description: 'the class of a line' },
    project: { description: 'the project of a line' },
    item: { description: 'the item of a line' },
    contract: { description: 'the contract of a line' },
  },
  customersAre: 'erp',
  settings: z => ({
    url: baseUrl(z).default('https://api.intacct.com/ia/xml/xmlgw.phtml'),
    company: z.string().min(1),
    auth: z.strictObject({
      sender_id: z.string().min(1),
      sender_password: secretSource(z),
      user_id: z.string().min(1),
      user_password: secretSource(z),
    }),
    location: z.string().min(1).optional(),
    state: z.enum(['posted', 'submitted', 'draft']).default('posted'),
    unique_id: z.boolean().default(true),
    multi_currency: z.boolean().default(true),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{0,20}$/, 'up to 20 letters, digits, _ and -')
      .default('weir_'),
  }),
  async open(settings, parts) {
    const { IntacctConnector } = await import('./sink.js')
    return new IntacctConnector(settings, parts)
  },
}
