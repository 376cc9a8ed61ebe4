// A line of an explanation: a formula, the values that it names, and the result.
// Invariant: the result is exactly the value of the formula for these values; a step's numbers are constants of the price,
// totals of the usage, or results of the steps before it.
//
// Formulas are made of names, whole numbers, + - * / ( ), min, max, ceil, round(x, places) and
// round_half_even(x, places); `round` goes half away from zero.

import type { Scaled } from '../../schemas/money/decimal.js'
import { ofScaled, over, type Ratio, ratio, sumOf } from './ratio.js'

export type StepKind =
  | 'proration'
  | 'level'
  | 'rank'
  | 'as_read'
  | 'window'
  | 'cell_quantity'
  | 'quantity'
  | 'beyond_included'
  | 'packages'
  | 'tier'
  | 'cell'
  | 'group'
  | 'free_units'
  | 'chargeable_units'
  | 'chargeable_events'
  | 'rate'
  | 'fixed'
  | 'event_fee'
  | 'event_fees'
  | 'model'
  | 'part'
  | 'discount'
  | 'minimum'
  | 'maximum'
  | 'coupon'
  | 'committed'
  | 'counted'
  | 'made_up'
  | 'trial'
  | 'suspension'
  | 'amount'
  | 'amount_rounded'

export type StepValue =
  | { readonly kind: 'money'; readonly exact: Ratio }
  | { readonly kind: 'quantity'; readonly exact: Ratio }
  /** So many of so many: `21/30 days`, kept as it was counted. */
  | { readonly kind: 'part'; readonly part: bigint; readonly whole: bigint; readonly unit: string }
  /** No formula names it: it tells which tier, cell or event. */
  | { readonly kind: 'text'; readonly text: string }

export interface Step {
  readonly what: StepKind
  /** For people; says what the formula does not. */
  readonly label: string
  readonly formula: string
  readonly values: Readonly<Record<string, StepValue>>
  readonly result: StepValue
}

export type StepValues = Readonly<Record<string, StepValue>>

export function money(exact: Ratio): StepValue {
  return { kind: 'money', exact }
}

export function quantity(exact: Ratio): StepValue {
  return { kind: 'quantity', exact }
}

export function text(content: string): StepValue {
  return { kind: 'text', text: content }
}

export const scaledMoney = (value: Scaled): StepValue => money(ofScaled(value))
export const scaledQuantity = (value: Scaled): StepValue => quantity(ofScaled(value))
export const count = (value: number): StepValue => quantity(ratio(BigInt(value)))

const units: readonly (readonly [string, bigint])[] = [
  ['days', 86_400_000_000_000n],
  ['hours', 3_600_000_000_000n],
  ['minutes', 60_000_000_000n],
  ['seconds', 1_000_000_000n],
  ['ms', 1_000_000n],
]

/** Of two lengths of time: in the longest unit in which both are whole. */
export function partOfTime(partNs: bigint, wholeNs: bigint): StepValue {
  for (const [unit, unitNs] of units) {
    if (partNs % unitNs === 0n && wholeNs % unitNs === 0n) {
      return { kind: 'part', part: partNs / unitNs, whole: wholeNs / unitNs, unit }
    }
  }
  return { kind: 'part', part: partNs, whole: wholeNs, unit: 'ns' }
}

/** The number that a value stands for. */
export function exactOf(value: StepValue): Ratio {
  if (value.kind === 'text') throw new Error(`"${value.text}" is no number`)
  return value.kind === 'part' ? over(ratio(value.part), ratio(value.whole)) : value.exact
}

/** Writes the sum of several steps: `name_1 + name_2`; 0 without any. */
export function sumStep(
  steps: Step[],
  what: StepKind,
  label: string,
  name: string,
  parts: readonly Ratio[],
  as: (exact: Ratio) => StepValue,
  about: StepValues = {},
): Ratio {
  const names = parts.map((_, index) => `${name}_${index + 1}`)
  const result = sumOf(parts)
  steps.push({
    what,
    label,
    formula: names.length === 0 ? '0' : names.join(' + '),
    values: { ...about, ...Object.fromEntries(names.map((each, index) => [each, as(parts[index]!)])) },
    result: as(result),
  })
  return result
}
