// Explains the amount of a recurring charge: amount x quantity x part of the period, less the discount.
// Invariant: computed independently of ../charges/recurring.ts, in plain fractions; asserts that both are equal.

import type { RecurringPrice } from '../../schemas/catalog/catalog.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { recurringCharge } from '../charges/recurring.js'
import { explainProration, partOfPeriod } from '../steps/part-of-period.js'
import { ofScaled, type Ratio, times } from '../steps/ratio.js'
import { exactOf, money, type Step, type StepValue, scaledMoney, scaledQuantity } from '../steps/step.js'
import type { Segment } from '../timeline/price-lines.js'
import { explainDiscount, explainTrial } from './explain-usage.js'
import { type Explanation, finishExplanation } from './explanation.js'

export function explainRecurring(segment: Segment<RecurringPrice>): Explanation {
  const { line } = segment
  const steps: Step[] = []
  const amount = line.trial ? explainTrial(steps) : explainTerms(steps, segment)
  const explanation = finishExplanation(steps, amount, line)
  const charged = recurringCharge(segment).amount
  if (charged !== explanation.amount) {
    throw new Error(
      `A recurring charge of ${formatScaled(charged)} was explained as ${formatScaled(explanation.amount)}.`,
    )
  }
  return explanation
}

function explainTerms(steps: Step[], { line, fraction, period }: Segment<RecurringPrice>): Ratio {
  const { price, quantity } = line
  const part = partOfPeriod(fraction, period)
  explainProration(steps, part)
  const isPerUnit = price.per === 'unit'
  const whole = times(ofScaled(price.amount), ofScaled(quantity))
  const values: Record<string, StepValue> = { amount: scaledMoney(price.amount) }
  if (isPerUnit) values['quantity'] = scaledQuantity(quantity)
  if (part !== undefined) values['fraction'] = part
  const result = part === undefined ? whole : times(whole, exactOf(part))
  steps.push({
    what: 'model',
    label: isPerUnit ? 'recurring, per unit' : 'recurring, per subscription',
    formula: `amount${isPerUnit ? ' * quantity' : ''}${part === undefined ? '' : ' * fraction'}`,
    values,
    result: money(result),
  })
  return explainDiscount(steps, price.discountPercent, result)
}
