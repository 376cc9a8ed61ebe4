// Explains the amount of a usage charge: quantity, part of the period, included, model, discount, minimum, maximum,
// roundings, one line each. Contract section 3.
// Invariant: computed independently of rate.ts, in plain fractions; `explainUsage` asserts that both are equal.

import { formatScaled } from '../../schemas/money/decimal.js'
import { explainQuantity } from '../aggregations/explain-quantity.js'
import { type Accumulator, soleAggregation } from '../charges/accumulator.js'
import { chargeOf } from '../charges/rate.js'
import { wholePercent } from '../models/kept-percent.js'
import { partOf } from '../models/registry.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import {
  explainIncluded,
  explainProration,
  type Part,
  partOfPeriod,
  prorated,
} from '../steps/part-of-period.js'
import { greater, isAbove, lesser, minus, ofScaled, over, type Ratio, times, zero } from '../steps/ratio.js'
import { money, quantity, type Step, scaledMoney } from '../steps/step.js'
import { type Explanation, finishExplanation, type Payment } from './explanation.js'

export function explainUsage(basis: ChargeBasis, accumulator: Accumulator, payment: Payment): Explanation {
  const steps: Step[] = []
  const explanation = finishExplanation(steps, explainAmount(steps, basis, accumulator), payment)
  const charged = chargeOf(basis, accumulator).amount
  if (charged !== explanation.amount) {
    throw new Error(
      `A ${basis.price.model.model} charge of ${formatScaled(charged)} was explained as ${formatScaled(explanation.amount)}.`,
    )
  }
  return explanation
}

/** Quantity, then the model's amount, then discount, minimum and maximum. */
function explainAmount(steps: Step[], basis: ChargeBasis, accumulator: Accumulator): Ratio {
  const { model, included, prorate } = basis.price
  const { state, levelsAtStart: levels, events } = accumulator
  const one = partOf(basis.price)
  const used = { basis, model, usage: state, levels, events }
  const level = levels?.get(0) ?? 0n
  const units =
    one.kind === 'usage'
      ? one.explainQuantity(steps, used)
      : explainQuantity(steps, basis, {
          state: soleAggregation(state),
          level,
          events,
          cell: '',
          isExact: true,
        })
  if (basis.trial) return explainTrial(steps)
  const part = prorate ? partOfPeriod(basis.fraction, basis.period) : undefined
  if (basis.suspended) explainSuspension(steps)
  explainProration(steps, part)
  const modelled =
    one.kind === 'usage'
      ? one.explain(steps, used, units, part)
      : one.explain(steps, model, explainIncluded(steps, included, part, units), part)
  return explainAround(steps, basis, part, modelled)
}

/** In a trial nothing is owed. */
export function explainTrial(steps: Step[]): Ratio {
  steps.push({ what: 'trial', label: 'trial', formula: '0', values: {}, result: money(zero) })
  return zero
}

/** Says why the price of the basis has no minimum and no flat amounts. */
function explainSuspension(steps: Step[]): void {
  steps.push({
    what: 'suspension',
    label: 'suspended from end to end: no minimum and no flat amount is owed',
    formula: '0',
    values: {},
    result: money(zero),
  })
}

/** Discount, then minimum, then maximum. */
function explainAround(steps: Step[], basis: ChargeBasis, part: Part, modelled: Ratio): Ratio {
  const { discountPercent, minimum, maximum } = basis.price
  let amount = explainDiscount(steps, discountPercent, modelled)
  if (minimum !== undefined) {
    const least = prorated('minimum', scaledMoney(minimum), part)
    const result = greater(amount, least.exact)
    steps.push({
      what: 'minimum',
      label: isAbove(result, amount) ? 'minimum' : 'minimum, reached without it',
      formula: `max(amount, ${least.formula})`,
      values: { amount: money(amount), ...least.values },
      result: money(result),
    })
    amount = result
  }
  if (maximum === undefined) return amount
  const most = prorated('maximum', scaledMoney(maximum), part)
  const result = lesser(amount, most.exact)
  steps.push({
    what: 'maximum',
    label: isAbove(amount, result) ? 'maximum' : 'maximum, not reached',
    formula: `min(amount, ${most.formula})`,
    values: { amount: money(amount), ...most.values },
    result: money(result),
  })
  return result
}

/** A discount over 100 % is one of 100 %. */
export function explainDiscount(steps: Step[], discountPercent: bigint, amount: Ratio): Ratio {
  if (discountPercent === 0n) return amount
  const discount = ofScaled(discountPercent > wholePercent ? wholePercent : discountPercent)
  const hundred = ofScaled(wholePercent)
  const result = over(times(amount, minus(hundred, discount)), hundred)
  steps.push({
    what: 'discount',
    label: 'discount, per cent',
    formula: 'amount * (100 - discount_percent) / 100',
    values: { amount: money(amount), discount_percent: quantity(discount) },
    result: money(result),
  })
  return result
}
