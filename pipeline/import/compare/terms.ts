// The terms of a price as the catalog has them: what a quantity would come to by them, and which amounts stand in them.

import { amountOfTotal, isRatedByTotal } from '../../../rating/charges/rate.js'
import { raterOf } from '../../../rating/charges/rater.js'
import type { ChargeBasis } from '../../../rating/periods/charge-basis.js'
import { wholeFraction } from '../../../rating/periods/proration.js'
import type { Catalog, Price, PriceModel } from '../../../schemas/catalog/catalog.js'
import { defaultPriceOf } from '../../../schemas/catalog/models/matrix.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import type { OwedTotal } from './our-side.js'

/** The price of the plan version of a charge; else, where nothing is owed, of any plan that has it. */
export function priceIn(catalog: Catalog, name: string, { charges }: OwedTotal): Price | undefined {
  const [charge] = charges
  const plan = catalog.plans.find(one => one.plan === charge?.plan && one.version === charge.planVersion)
  const prices = plan?.prices ?? catalog.plans.flatMap(one => one.prices)
  return prices.find(one => one.price === name)
}

/**
 * What a quantity comes to by the terms, in one whole period. Undefined where it does not follow from a quantity, or where the
 * terms do not give what is owed: an override, a trial, several segments.
 */
export function amountAt(
  catalog: Catalog,
  price: Price,
  owed: OwedTotal,
  quantity: Scaled,
): Scaled | undefined {
  const meter = price.kind === 'usage' ? catalog.meters.find(one => one.meter === price.meter) : undefined
  if (price.kind !== 'usage' || meter === undefined || price.prorate || owed.charges.length > 1)
    return undefined
  const span = { fromNs: 0n, untilNs: 1n }
  const basis: ChargeBasis = { price, meter, fraction: wholeFraction, trial: false, ...span, period: span }
  if (!isRatedByTotal(basis)) return undefined
  const rater = raterOf(basis)
  const isByTerms = owed.charges.length === 0 || amountOfTotal(rater, owed.quantity) === owed.exact
  return isByTerms ? amountOfTotal(rater, quantity) : undefined
}

/** The amounts for one unit that stand in a price. */
export function unitAmounts(price: Price): readonly Scaled[] {
  if (price.kind !== 'usage' && price.amount !== undefined) return [price.amount]
  const model = price.kind === 'one_off' ? undefined : price.model
  return model === undefined ? [] : amountsOf(model)
}

function amountsOf(model: PriceModel): readonly Scaled[] {
  switch (model.model) {
    case 'per_unit':
      return [model.unitAmount]
    case 'graduated':
    case 'volume':
    case 'stairstep':
      return model.tiers.flatMap(({ unitAmount, flatAmount }) => [unitAmount, flatAmount])
    case 'package':
      return [model.packageAmount]
    case 'matrix':
      return [...model.cells, ...presentOf(defaultPriceOf(model))].flatMap(cell =>
        cell.model === undefined ? [cell.unitAmount, ...presentOf(cell.flatAmount)] : amountsOf(cell.model),
      )
    case 'percentage':
      return [model.rate]
    default:
      return model satisfies never
  }
}

function presentOf<T>(one: T | undefined): readonly T[] {
  return one === undefined ? [] : [one]
}
