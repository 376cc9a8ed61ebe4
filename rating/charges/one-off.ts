// What a one-off price owes: amount x quantity, less the discount, once, on the instant at which it first comes into force.
// Invariants: an exact rational of integers, rounded once to 12 places, half away from zero; neither a part of a period nor
// a trial nor a suspension makes it less.
// Worked example: 49.90 per device, 3 devices, 10 % off: 49.9 x 3 x 90/100 = 134.73.
// Source: contract section 9; as one-off items at Stripe ("one-time prices" on a subscription's first invoice) and the
// one-time fixed price plans of Kill Bill, which are billed once at the start and are not prorated.

import type { OneOffPrice } from '../../schemas/catalog/catalog.js'
import { divideRounded, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { keptPercent, wholePercent } from '../models/kept-percent.js'
import type { PriceLine } from '../timeline/price-lines.js'

export function oneOffCharge({ price, quantity }: Pick<PriceLine<OneOffPrice>, 'price' | 'quantity'>): {
  readonly quantity: Scaled
  readonly amount: Scaled
} {
  const numerator = price.amount * quantity * keptPercent(price)
  return { quantity, amount: divideRounded(numerator, scaledOne * wholePercent) }
}
