// Explains the amount of a one-off price: amount x quantity, less the discount.
// Invariant: computed independently of ../charges/one-off.ts, in plain fractions; asserts that both are equal.

import type { OneOffPrice } from '../../schemas/catalog/catalog.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { oneOffCharge } from '../charges/one-off.js'
import { ofScaled, times } from '../steps/ratio.js'
import { money, type Step, type StepValue, scaledMoney, scaledQuantity } from '../steps/step.js'
import type { PriceLine } from '../timeline/price-lines.js'
import { explainDiscount } from './explain-usage.js'
import { type Explanation, finishExplanation } from './explanation.js'

export function explainOneOff(line: PriceLine<OneOffPrice>): Explanation {
  const { price, quantity } = line
  const isPerUnit = price.per === 'unit'
  const values: Record<string, StepValue> = { amount: scaledMoney(price.amount) }
  if (isPerUnit) values['quantity'] = scaledQuantity(quantity)
  const whole = times(ofScaled(price.amount), ofScaled(quantity))
  const steps: Step[] = [
    {
      what: 'model',
      label: isPerUnit ? 'one-off, per unit' : 'one-off, per subscription',
      formula: `amount${isPerUnit ? ' * quantity' : ''}`,
      values,
      result: money(whole),
    },
  ]
  const explanation = finishExplanation(steps, explainDiscount(steps, price.discountPercent, whole), line)
  const charged = oneOffCharge(line).amount
  if (charged !== explanation.amount) {
    throw new Error(
      `A one-off charge of ${formatScaled(charged)} was explained as ${formatScaled(explanation.amount)}.`,
    )
  }
  return explanation
}
