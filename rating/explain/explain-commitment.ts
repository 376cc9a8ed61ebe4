// Explains what makes up for a bound: what the charges had to come to, what they came to by price, and the difference.
// Invariant: computed from the segment and from what the charge says it makes up for, apart from ../charges/commitments.ts; asserts that it
// comes to the charge, unless the 38 digits of an amount end before.

import type { Charge } from '../../schemas/billing/charge.js'
import { countedTotal } from '../../schemas/billing/made-up-for.js'
import { formatScaled, magnitude } from '../../schemas/money/decimal.js'
import { mostSayable } from '../charges/commitments.js'
import { minus, ofScaled, sumOf, times, toScaled } from '../steps/ratio.js'
import { money, quantity, type Step, type StepValue, scaledMoney } from '../steps/step.js'
import type { BoundSegment } from '../timeline/bound-lines.js'
import { type Explanation, finishExplanation } from './explanation.js'

export function explainCommitment(segment: BoundSegment, charge: Charge): Explanation {
  const { line, parts } = segment
  const { madeUpFor } = charge
  if (madeUpFor === undefined) throw new Error(`The charge ${charge.chargeId} says not what it makes up for.`)
  const steps: Step[] = parts.map(({ amount, periods }) => ({
    what: 'committed',
    label: line.kind === 'maximum' ? 'at most, for its part' : 'at least, for its part',
    formula: 'amount * periods',
    values: { amount: scaledMoney(amount), periods: quantity(periods) },
    result: money(times(ofScaled(amount), periods)),
  }))
  const exact = sumOf(parts.map(({ amount, periods }) => times(ofScaled(amount), periods)))
  const bound = ofScaled(toScaled(exact))
  steps.push({
    what: 'committed',
    label: line.kind === 'maximum' ? 'at most' : 'at least',
    formula:
      parts.length === 0 ? '0' : `round(${parts.map((_, index) => `part_${index + 1}`).join(' + ')}, 12)`,
    values: Object.fromEntries(
      parts.map(({ amount, periods }, index) => [
        `part_${index + 1}`,
        money(times(ofScaled(amount), periods)),
      ]),
    ),
    result: money(bound),
  })
  const counted = ofScaled(countedTotal(madeUpFor))
  steps.push({
    what: 'counted',
    label: `what counts: ${madeUpFor.counted.map(({ price }) => price).join(', ') || 'nothing'}`,
    formula: madeUpFor.counted.map((_, index) => `counted_${index + 1}`).join(' + ') || '0',
    values: Object.fromEntries(
      madeUpFor.counted.map(({ amount }, index): [string, StepValue] => [
        `counted_${index + 1}`,
        scaledMoney(amount),
      ]),
    ),
    result: money(counted),
  })
  const isBeyond = [charge, ...madeUpFor.counted].some(({ amount }) => magnitude(amount) === mostSayable)
  const missing = isBeyond ? ofScaled(charge.amount) : minus(bound, counted)
  steps.push({
    what: 'made_up',
    label: line.kind === 'maximum' ? 'given back' : 'made up for',
    formula: 'bound - counted',
    values: { bound: money(bound), counted: money(counted) },
    result: money(missing),
  })
  const explanation = finishExplanation(steps, missing, line)
  if (explanation.amount !== charge.amount) {
    throw new Error(
      `The charge ${charge.chargeId} of ${formatScaled(charge.amount)} was explained as ${formatScaled(explanation.amount)}.`,
    )
  }
  return explanation
}
