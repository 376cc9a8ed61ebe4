// The oracle's currencies. docs/pricing.md, "Currencies": the first currency that was told of a customer, by the event's time, then its id,
// holds for good; a plan that is in it is taken in it.

import type { Catalog, Plan, Price } from '../../../schemas/catalog/catalog.js'
import type { ToldCurrency } from './intake.js'

export function currencyOf(
  told: readonly ToldCurrency[],
  customerId: string | undefined,
): string | undefined {
  const own = told.filter(one => one.customerId === customerId)
  return own.sort((a, b) =>
    a.timeNs === b.timeNs ? (a.key < b.key ? -1 : 1) : a.timeNs < b.timeNs ? -1 : 1,
  )[0]?.currency
}

/** Every plan that is in the currency, in it. */
export function catalogIn(catalog: Catalog, currency: string | undefined): Catalog {
  if (currency === undefined) return catalog
  const priceIn = (price: Price): Price => price.currencies?.get(currency) ?? price
  const plans = catalog.plans.map(plan => {
    if (!furtherOf(plan).includes(currency)) return plan
    const phases = plan.phases?.map(phase => ({ ...phase, prices: phase.prices.map(priceIn) }))
    return {
      ...plan,
      currency,
      prices: plan.prices.map(priceIn),
      ...(phases === undefined ? {} : { phases }),
    }
  })
  return { ...catalog, plans }
}

/** Of a published plan: whether it is in several currencies, and this is none of them. */
export function isLacking(plan: Plan, currency: string | undefined): boolean {
  const further = furtherOf(plan)
  return further.length > 0 && currency !== undefined && ![plan.currency, ...further].includes(currency)
}

function furtherOf({ prices, phases = [] }: Plan): string[] {
  const all = [...prices, ...phases.flatMap(phase => phase.prices)]
  return all.flatMap(price => [...(price.currencies?.keys() ?? [])])
}
