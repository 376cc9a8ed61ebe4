// Explains the amount of a recurring charge: amount x quantity, or the model's amount for the quantity, x part of the period,
// less the discount.
// Invariant: computed independently of ../charges/recurring.ts, in plain fractions; asserts that both are equal.

import type { RecurringPrice } from '../../schemas/catalog/catalog.js'
import { formatScaled, scaledOne } from '../../schemas/money/decimal.js'
import { recurringCharge } from '../charges/recurring.js'
import { modelPart } from '../models/registry.js'
import { explainIncluded, explainProration, type Part, partOfPeriod } from '../steps/part-of-period.js'
import { ofScaled, type Ratio, times } from '../steps/ratio.js'
import {
  exactOf,
  money,
  quantity as quantityValue,
  type Step,
  type StepValue,
  scaledMoney,
  scaledQuantity,
} from '../steps/step.js'
import type { PriceLine, Segment } from '../timeline/price-lines.js'
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

function explainTerms(steps: Step[], segment: Segment<RecurringPrice>): Ratio {
  const { line, fraction, period } = segment
  const part = partOfPeriod(fraction, period)
  if (!isCounted(segment)) explainWhole(steps, part)
  explainProration(steps, part)
  const owed =
    line.price.model === undefined ? explainAmount(steps, line, part) : explainModel(steps, line, part)
  return explainDiscount(steps, line.price.discountPercent, owed)
}

/** Whether the part that is owed is that of the segment itself. */
function isCounted({ line, fromNs, untilNs, period }: Segment<RecurringPrice>): boolean {
  const startsWithin = fromNs !== period.fromNs && fromNs === line.fromNs
  const endsWithin = untilNs !== period.untilNs && untilNs === line.untilNs
  return !(startsWithin && line.isStartWhole) && !(endsWithin && line.isEndWhole)
}

function explainWhole(steps: Step[], part: Part): void {
  steps.push({
    what: 'proration',
    label:
      part === undefined ? 'not prorated: the period is owed whole' : 'owed from the start of the period on',
    formula: '1',
    values: {},
    result: scaledQuantity(scaledOne),
  })
}

function explainAmount(steps: Step[], { price, quantity }: PriceLine<RecurringPrice>, part: Part): Ratio {
  const isPerUnit = price.per === 'unit'
  const { amount = 0n, included = 0n } = price
  const units = explainIncluded(steps, included, undefined, ofScaled(quantity))
  const whole = times(ofScaled(amount), units)
  const values: Record<string, StepValue> = { amount: scaledMoney(amount) }
  const named = included === 0n ? 'quantity' : 'units'
  if (isPerUnit) values[named] = quantityValue(units)
  if (part !== undefined) values['fraction'] = part
  const result = part === undefined ? whole : times(whole, exactOf(part))
  steps.push({
    what: 'model',
    label: isPerUnit ? 'recurring, per unit' : 'recurring, per subscription',
    formula: `amount${isPerUnit ? ` * ${named}` : ''}${part === undefined ? '' : ' * fraction'}`,
    values,
    result: money(result),
  })
  return result
}

/** The model prices the quantity over a whole period; of that amount the part of the period is owed. */
function explainModel(steps: Step[], { price, quantity }: PriceLine<RecurringPrice>, part: Part): Ratio {
  const { model, included = 0n } = price
  const priced = model && modelPart(model)
  if (priced?.kind !== 'total') throw new Error(`The price ${price.price} has no model of a quantity.`)
  steps.push({
    what: 'quantity',
    label: 'quantity in force',
    formula: 'quantity',
    values: { quantity: scaledQuantity(quantity) },
    result: scaledQuantity(quantity),
  })
  const units = explainIncluded(steps, included, undefined, ofScaled(quantity))
  const whole = priced.explain(steps, model!, units, undefined)
  if (part === undefined) return whole
  const result = times(whole, exactOf(part))
  steps.push({
    what: 'part',
    label: 'for the part of the period',
    formula: 'amount * fraction',
    values: { amount: money(whole), fraction: part },
    result: money(result),
  })
  return result
}
