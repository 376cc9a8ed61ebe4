// The kind `sap_s4`: its settings, the fields of its mapping, and how its connector is made.

import type { ConnectorKind } from '../connector-kind.js'
import { baseUrl, secretSource, secureUrl } from '../settings-parts.js'
import type { SapS4Settings } from './config.js'

export const sapS4Kind: ConnectorKind<SapS4Settings> = {
  kind: 'sap_s4',
  records: ['journals', 'summaries'],
  defaultRate: { concurrent: 4 },
  fields: {
    accounts: {
      description: 'our account to their G/L account',
      required: true,
      keyedBy: 'account',
      pattern: /^[A-Za-z0-9]{1,10}$/,
    },
    company_code: {
      description: 'the company code',
      required: true,
      keyedBy: 'entity',
      pattern: /^[A-Za-z0-9]{1,4}$/,
    },
    document_type: {
      description: 'the document type, such as SA or DR',
      required: true,
      keyedBy: 'kind',
      pattern: /^[A-Za-z0-9]{1,2}$/,
    },
    currency: { description: 'the currency to their key', keyedBy: 'currency', pattern: /^[A-Z0-9]{3}$/ },
    customers: {
      description: 'our customer to the number of theirs',
      keyedBy: 'customer',
      pattern: /^[A-Za-z0-9]{1,10}$/,
    },
    cost_center: { description: 'the cost centre of a line' },
    profit_center: { description: 'the profit centre of a line' },
    wbs_element: { description: 'the WBS element of a line' },
    functional_area: { description: 'the functional area of a line' },
    segment: { description: 'the segment of a line' },
    tax_code: { description: 'the tax code of a line', pattern: /^[A-Za-z0-9]{1,2}$/ },
  },
  customersAre: 'erp',
  settings: z => {
    const path = z.string().regex(/^\/[^\s?#]+$/, 'begins with / and has no query')
    return {
      url: baseUrl(z),
      auth: z.union(
        [
          z.strictObject({ user: z.string().min(1), password: secretSource(z) }),
          z.strictObject({
            token_url: secureUrl(z),
            client_id: z.string().min(1),
            client_secret: secretSource(z),
            scope: z.string().min(1).optional(),
          }),
        ],
        'is { user, password } or { token_url, client_id, client_secret }',
      ),
      post_path: path.default('/sap/bc/srt/scs_ext/sap/journalentrycreaterequestconfi'),
      read_path: path.default('/sap/opu/odata/sap/API_OPLACCTGDOCITEMCUBE_SRV/A_OperationalAcctgDocItemCube'),
      client: z
        .string()
        .regex(/^\d{3}$/, 'three digits')
        .optional(),
      created_by: z.string().min(1).max(12).default('WEIR'),
      business_transaction_type: z.string().min(1).max(4).default('RFBU'),
      reference_document_type: z.string().min(1).max(5).default('BKPFF'),
      receivable: z.enum(['debtor', 'account']).default('debtor'),
      settles_minutes: z.int().min(1).max(1_440).default(15),
      prefix: z
        .string()
        .regex(/^[A-Z0-9]{0,3}$/, 'up to 3 capital letters and digits')
        .default('WR'),
    }
  },
  async open(settings, parts) {
    const { SapS4Connector } = await import('./sink.js')
    return new SapS4Connector(settings, parts)
  },
}
