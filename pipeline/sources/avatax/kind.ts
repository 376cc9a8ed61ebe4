// Avalara AvaTax: transactions as they stand there, and answers that refuse tax. AvaTax publishes no webhooks: the system that asks for
// tax sends us the answer it got, signed by Standard Webhooks or with a login; what was not sent is read from AvaTax.

import { rate, secretSource, secureUrl } from '../../../sinks/settings-parts.js'
import { sourceKind } from '../source-kind.js'

export const avataxKind = sourceKind<undefined>({
  kind: 'avatax',
  system: 'billing',
  proof: 'signature_or_basic',
  version: 1,
  mapping: 'none',
  settings: z => ({
    /** As AvaTax names the company; documents of others are ignored. */
    company_code: z.string().min(1).max(50),
    /** Which field of a line names our charge; none: its tax is in no books of ours. */
    charge_from: z.enum(['ref1', 'ref2', 'item_code', 'line_number', 'none']).default('ref1'),
    api_url: secureUrl(z).optional(),
    account_id: z.string().min(1).max(50).optional(),
    /** The licence key. */
    api_key: secretSource(z).optional(),
    rate: rate(z),
  }),
  trialSettings: { company_code: 'DEFAULT' },
  faults({ account_id: account, api_key: key }) {
    return (account === undefined) === (key === undefined)
      ? []
      : [{ key: 'account_id', message: 'and api_key are needed together' }]
  },
  load: async () => (await import('./loaded.js')).loadedAvatax,
  reach: async parts => (await import('./reach.js')).avataxReach(parts),
})
