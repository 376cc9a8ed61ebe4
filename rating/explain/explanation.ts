// The arithmetic of one charge, line by line, as data. Contract: `weir simulate --json --explain`, key `explanations`.
// Invariant: the result of the last step but one is the charge's amount, that of the last step its rounded amount.

import type { Charge } from '../../schemas/billing/charge.js'
import { minorUnitsOf } from '../../schemas/money/currency.js'
import { decimalScale, formatScaled, type Rounding, type Scaled } from '../../schemas/money/decimal.js'
import { formatInstant } from '../../schemas/time.js'
import { dueAt } from '../charges/close.js'
import { roundToCurrency } from '../charges/rounding.js'
import { exactText, ofScaled, type Ratio, toScaled } from '../steps/ratio.js'
import { count, money, type Step, type StepValue } from '../steps/step.js'

export interface Explanation {
  readonly currency: string
  readonly steps: readonly Step[]
  readonly amount: Scaled
  readonly amountRounded: Scaled
}

export interface Payment {
  /** ISO 4217. */
  readonly currency: string
  readonly rounding: Rounding
}

/** What an explanation says of its charge besides the arithmetic. */
export type ExplainedCharge = Pick<Charge, 'chargeId' | 'timing' | 'fromNs' | 'untilNs'>

/** On the wire a number is an exact decimal, or `n/d` where no decimal ends. */
export interface ExplanationWire {
  readonly charge_id: string
  /** RFC 3339: the first cutoff by which a billing run takes the charge. */
  readonly due_at: string
  readonly currency: string
  readonly steps: readonly {
    readonly what: string
    readonly label: string
    readonly formula: string
    readonly values: Readonly<Record<string, string>>
    readonly result: string
  }[]
  readonly amount: string
  readonly amount_rounded: string
}

/** Adds the two roundings: to 12 places, and from there to the currency's minor unit. */
export function finishExplanation(steps: Step[], exact: Ratio, { currency, rounding }: Payment): Explanation {
  const amount = toScaled(exact)
  steps.push({
    what: 'amount',
    label: `rounded to ${decimalScale} places`,
    formula: 'round(amount, places)',
    values: { amount: money(exact), places: count(decimalScale) },
    result: money(ofScaled(amount)),
  })
  return { currency, steps, amount, amountRounded: explainRounded(steps, amount, { currency, rounding }) }
}

/** Adds the rounding to the currency's minor unit. */
export function explainRounded(steps: Step[], amount: Scaled, { currency, rounding }: Payment): Scaled {
  const amountRounded = roundToCurrency(amount, currency, rounding)
  steps.push({
    what: 'amount_rounded',
    label: `to the minor unit of ${currency}, ${rounding === 'half_even' ? 'half to even' : 'half away from zero'}`,
    formula: rounding === 'half_even' ? 'round_half_even(amount, places)' : 'round(amount, places)',
    values: { amount: money(ofScaled(amount)), places: count(minorUnitsOf(currency)) },
    result: money(ofScaled(amountRounded)),
  })
  return amountRounded
}

export function explanationToWire(charge: ExplainedCharge, explanation: Explanation): ExplanationWire {
  const { currency, steps, amount, amountRounded } = explanation
  return {
    charge_id: charge.chargeId,
    due_at: formatInstant(dueAt(charge)),
    currency,
    steps: steps.map(({ what, label, formula, values, result }) => ({
      what,
      label,
      formula,
      values: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, valueText(value)])),
      result: valueText(result),
    })),
    amount: formatScaled(amount),
    amount_rounded: formatScaled(amountRounded),
  }
}

function valueText(value: StepValue): string {
  if (value.kind === 'text') return value.text
  return value.kind === 'part' ? `${value.part}/${value.whole}` : exactText(value.exact)
}
