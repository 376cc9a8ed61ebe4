// Sources that sign by Standard Webhooks, with a mapping that is written down as data: BillingPlatform and any other system.

import { sourceKind } from '../source-kind.js'
import type { StandardRules } from './rules.js'

export const standardKind = sourceKind<StandardRules>({
  kind: 'standard',
  system: 'billing',
  proof: 'signature',
  version: 1,
  mapping: 'required',
  settings: () => ({}),
  load: async () => (await import('./loaded.js')).loadedStandard,
})
