// A plan in the currency of a customer. docs/pricing.md, "Currencies".
// Invariants: the same object each time, so that what is compiled for a price is compiled once; a plan that is not in the currency
// stays in its own (lifecycle changes to such a plan are refused where it is in several).

import type { Plan, Price } from '../../schemas/catalog/catalog.js'
import { currenciesOfPlan } from '../../schemas/catalog/plan-currencies.js'

const plans = new WeakMap<Plan, Map<string, Plan>>()

/** `currency`: '' where none was told. */
export function planIn(plan: Plan, currency: string): Plan {
  if (currency === '' || currency === plan.currency) return plan
  let known = plans.get(plan)
  if (known === undefined) {
    known = new Map()
    plans.set(plan, known)
  }
  let found = known.get(currency)
  if (found === undefined) {
    found = currenciesOfPlan(plan).includes(currency) ? inCurrency(plan, currency) : plan
    known.set(currency, found)
  }
  return found
}

/** Whether the plan is in several currencies, and this is none of them. */
export function lacksCurrency(plan: Plan, currency: string): boolean {
  if (currency === '' || currency === plan.currency) return false
  const all = currenciesOfPlan(plan)
  return all.length > 1 && !all.includes(currency)
}

function inCurrency(plan: Plan, currency: string): Plan {
  const priceIn = (price: Price): Price => price.currencies?.get(currency) ?? price
  const { phases } = plan
  return {
    ...plan,
    currency,
    prices: plan.prices.map(priceIn),
    ...(phases === undefined
      ? {}
      : { phases: phases.map(phase => ({ ...phase, prices: phase.prices.map(priceIn) })) }),
  }
}
