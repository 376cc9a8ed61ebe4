// `per_unit`: q x unit amount.
// Worked example: 1234 units at 0.002 = 2.468. A negative quantity or unit amount gives a negative amount: 3 at -0.5 = -1.5.
// Source: Stripe, "Per-unit pricing"; Lago, "Standard charges".

import type { PerUnit } from '../../../schemas/catalog/models/per-unit.js'
import { magnitude, type Scaled } from '../../../schemas/money/decimal.js'
import { ofScaled, times } from '../../steps/ratio.js'
import { money, quantity } from '../../steps/step.js'
import { linearPerUnit } from '../linear.js'
import type { TotalModel } from '../model.js'

export const perUnit: TotalModel<PerUnit, Scaled> = {
  kind: 'total',
  compile: model => model.unitAmount,
  amountOf: (units, unitAmount) => units * unitAmount,
  linear: { of: linearPerUnit },
  bound: model => ({ unit: magnitude(model.unitAmount) }),
  explain(steps, model, units) {
    const unitAmount = ofScaled(model.unitAmount)
    const result = times(units, unitAmount)
    steps.push({
      what: 'model',
      label: 'per_unit',
      formula: 'units * unit_amount',
      values: { units: quantity(units), unit_amount: money(unitAmount) },
      result: money(result),
    })
    return result
  },
}
