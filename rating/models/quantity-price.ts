// What a whole period of a recurring price costs, before its discount: from the quantity, with the same models as usage has.
// Formula: `amount` x quantity, or the model's amount for the quantity; units that are `included` are free.
// Worked example: 5 included, graduated up to 10 at 8, then 6. 18 seats: 13 of them are priced, 10 x 8 + 3 x 6 = 98.

import type { RecurringPrice } from '../../schemas/catalog/catalog.js'
import type { QuantityModel } from '../../schemas/catalog/models/quantity-models.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import { beyondIncluded } from './included.js'
import { oncePer } from './once-per.js'
import { modelPart } from './registry.js'

/** As an integer of 10^-24 of the currency: exact. */
export function wholePeriodAmount(price: RecurringPrice, quantity: Scaled): bigint {
  const { amount, model, included = 0n } = price
  const units = beyondIncluded(quantity, included)
  return model === undefined ? (amount ?? 0n) * units : amountOf(model)(units)
}

const amountOf = oncePer((model: QuantityModel) => {
  const part = modelPart(model)
  if (part.kind !== 'total') throw new Error(`The model ${model.model} prices no quantity by itself.`)
  const terms = part.compile(model, { denominator: 1n, prorated: 1n })
  return (units: bigint) => part.amountOf(units, terms)
})
