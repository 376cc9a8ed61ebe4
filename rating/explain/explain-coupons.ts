// What coupons took off a charge, as lines of its explanation: between the charge before coupons and the last two lines.
// Invariant: the last line but one is the charge's net amount, the last one that amount rounded; asserts both.

import type { Charge } from '../../schemas/billing/charge.js'
import { formatScaled, type Rounding } from '../../schemas/money/decimal.js'
import { ofScaled } from '../steps/ratio.js'
import { money, type Step, scaledMoney } from '../steps/step.js'
import { type Explanation, explainRounded } from './explanation.js'

type Couponed = Pick<Charge, 'chargeId' | 'amount' | 'amountRounded' | 'discounts'>

/** `gross`: of the charge before coupons. Without discounts it is the explanation. */
export function explainCoupons(gross: Explanation, charge: Couponed, rounding: Rounding): Explanation {
  const { discounts } = charge
  if (discounts === undefined) return gross
  const { currency } = gross
  const steps: Step[] = gross.steps.slice(0, -1)
  let left = gross.amount
  for (const { code, amount } of discounts) {
    steps.push({
      what: 'coupon',
      label: `coupon ${code}`,
      formula: 'amount - discount',
      values: { amount: scaledMoney(left), discount: scaledMoney(amount) },
      result: scaledMoney(left - amount),
    })
    left -= amount
  }
  steps.push({
    what: 'amount',
    label: 'less coupons',
    formula: 'amount',
    values: { amount: money(ofScaled(left)) },
    result: money(ofScaled(left)),
  })
  const amountRounded = explainRounded(steps, left, { currency, rounding })
  if (left !== charge.amount || amountRounded !== charge.amountRounded) {
    throw new Error(
      `The charge ${charge.chargeId} of ${formatScaled(charge.amount)} was explained as ${formatScaled(left)}.`,
    )
  }
  return { currency, steps, amount: left, amountRounded }
}
