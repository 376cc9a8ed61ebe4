// The oracle's one-off prices. Contract section 9: each price id is owed once in the life of a subscription, on the first
// instant at which the terms in force have it as a one-off price, in full: no part of a period, no trial, no suspension.

import type { Exact } from '../../../rating/testing/exact.js'
import { exactly } from '../../../rating/testing/slow-oracle.js'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { type OneOff, planOf, pricesInForce, quantityOf } from './prices.js'
import { allInstantsOf, pricesAt } from './stages.js'
import { termsAt } from './terms.js'

export function oneOffsOf(changes: readonly SubscriptionChange[], catalog: Catalog): OneOff[] {
  const all = allInstantsOf(changes, catalog).flatMap(atNs => {
    const terms = termsAt(changes, atNs)
    if (terms === undefined) return []
    const plan = planOf(catalog, terms.plan, terms.planVersion)!
    const prices = pricesInForce(pricesAt(changes, catalog, atNs), terms).filter(
      price => price.kind === 'one_off',
    )
    return prices.map(price => ({ price, plan, terms, quantity: quantityOf(price, terms)!, atNs }))
  })
  return all.filter(one => one === all.find(other => other.price.price === one.price.price))
}

export function owedOnce({ price, quantity }: OneOff): Exact {
  return exactly(price.amount)
    .times(exactly(quantity))
    .times(exactly(price.discountPercent).div(-100).plus(1))
}
