// What a source of kind `salesforce` maps with. Nothing of it comes by the door: it is listened to.

import { readQuoteMapping } from '../quotes/quote-mapping.js'
import type { QuoteRules } from '../quotes/quote-rules.js'
import { quoteTests } from '../quotes/quote-tests.js'
import type { Loaded } from '../source-kind.js'
import { mapSalesforce } from './map-salesforce.js'

export const loadedSalesforce: Loaded<QuoteRules> = {
  verify: () => ({ kind: 'refused', code: 'signature_missing' }),
  map: mapSalesforce,
  readMapping: readQuoteMapping,
  tests: quoteTests,
}
