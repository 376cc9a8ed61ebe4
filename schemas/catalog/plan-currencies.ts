// In which currencies a plan is. currencies.ts reads them, price by price.

import type { Plan } from './catalog.js'
import { pricesOfPlan } from './phases.js'

/** The plan's own first. */
export function currenciesOfPlan(plan: Plan): readonly string[] {
  const further = pricesOfPlan(plan).flatMap(({ currencies }) => [...(currencies?.keys() ?? [])])
  return [...new Set([plan.currency, ...further])]
}
