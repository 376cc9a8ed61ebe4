// `percentage`: a rate per cent on the units, and a fixed amount with each event, beyond what is free. The rules, with a
// worked example, are in walk.ts; the state that is kept of the events is usage.ts.

import type { Percentage } from '../../../schemas/catalog/models/percentage.js'
import { magnitude } from '../../../schemas/money/decimal.js'
import type { UsageModel } from '../model.js'
import { explainEvents, explainPercentage } from './explain.js'
import { addToPercentageUsage, newPercentageUsage, type PercentageUsage, percentageOwed } from './usage.js'
import { compilePercentage, type PercentageTerms, percentageScale } from './walk.js'

export const percentage: UsageModel<Percentage, PercentageTerms, PercentageUsage> = {
  kind: 'usage',
  amountScale: percentageScale,
  keeps: 'the events until what is free is used up, and what each of them costs',
  start: newPercentageUsage,
  add: addToPercentageUsage,
  compile: compilePercentage,
  owed: percentageOwed,
  held: ({ headTotal, tailTotal }) => magnitude(headTotal) + magnitude(tailTotal),
  bound({ rate, fixedAmount = 0n, perEventMinimum = 0n }) {
    const perEvent = magnitude(fixedAmount) + magnitude(perEventMinimum)
    return { unit: magnitude(rate) / 100n + 1n, perEvent }
  },
  explainQuantity: explainEvents,
  explain: explainPercentage,
}
