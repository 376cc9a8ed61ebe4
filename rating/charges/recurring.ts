// What a recurring price owes for a segment: a whole period's amount x part of the period, less the discount.
// Invariant: an exact rational of integers, rounded once to 12 places, half away from zero; nothing in a trial.
// Worked example: 20 per seat, 5 seats, 10 % off, 12 of 30 days: 20 x 5 x 12/30 x 90/100 = 36. A change of the quantity is a
// segment of its own, priced at the tier that holds then.

import type { RecurringPrice } from '../../schemas/catalog/catalog.js'
import { divideRounded, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { keptPercent, wholePercent } from '../models/kept-percent.js'
import { wholePeriodAmount } from '../models/quantity-price.js'
import type { Segment } from '../timeline/price-lines.js'

export function recurringCharge(segment: Pick<Segment<RecurringPrice>, 'line' | 'fraction'>): {
  readonly quantity: Scaled
  readonly amount: Scaled
} {
  const { line, fraction } = segment
  const { quantity, price } = line
  if (line.trial) return { quantity, amount: 0n }
  const numerator = wholePeriodAmount(price, quantity) * fraction.numerator * keptPercent(price)
  return { quantity, amount: divideRounded(numerator, scaledOne * fraction.denominator * wholePercent) }
}
