// The terms of a price line: by what two lines are the same terms. Contract section 3, "What restarts when a subscription changes".

import { compositeKey } from '../../schemas/identifiers.js'
import { instantKey } from '../../schemas/time.js'
import { isSamePrice, priceContentId } from './price-content.js'
import type { PriceLine } from './segment.js'

/** Equal keys, equal terms. */
export function lineKeyOf(line: PriceLine): string {
  return compositeKey(
    priceContentId(line.price),
    line.currency,
    line.rounding,
    line.minimumWhenSuspended ? 'minimum' : '',
    line.billingPeriod,
    line.proration,
    instantKey(line.billingAnchorNs),
    line.timezone,
    line.trial ? 'trial' : '',
    line.quantity.toString(),
  )
}

/** The terms of a line beside its price. */
const ownTerms = [
  ...(['trial', 'quantity', 'currency', 'rounding', 'minimumWhenSuspended', 'billingPeriod'] as const),
  ...(['proration', 'billingAnchorNs', 'timezone'] as const),
]

export function isSameLine(a: PriceLine, b: PriceLine): boolean {
  return ownTerms.every(name => a[name] === b[name]) && isSamePrice(a.price, b.price)
}
