// Explains the charge of a fee or a credit that no plan names: its amount is what was told.

import type { Charge } from '../../schemas/billing/charge.js'
import type { Rounding } from '../../schemas/money/decimal.js'
import { ofScaled } from '../steps/ratio.js'
import { money, type Step, scaledMoney } from '../steps/step.js'
import { type Explanation, finishExplanation } from './explanation.js'

export function explainAdded({ kind, amount, currency }: Charge, rounding: Rounding): Explanation {
  const told = ofScaled(amount)
  const steps: Step[] = [
    {
      what: 'model',
      label: kind === 'credit' ? 'credit, as it was told' : 'fee, as it was told',
      formula: 'amount',
      values: { amount: scaledMoney(amount) },
      result: money(told),
    },
  ]
  return finishExplanation(steps, told, { currency, rounding })
}
