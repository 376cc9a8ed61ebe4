// The proration fraction as a line of its own, counted as it was taken: in calendar days or in elapsed time.

import type { Fraction } from '../periods/proration.js'
import { type Ratio, ratio, times } from './ratio.js'
import { exactOf, partOfTime, quantity, type Step, type StepValue, type StepValues, text } from './step.js'

interface Period {
  readonly fromNs: bigint
  readonly untilNs: bigint
}

/** Undefined for a whole period. A fraction by time has the period's nanoseconds below the line, one by day its dates. */
export function partOfPeriod(fraction: Fraction, period: Period): StepValue | undefined {
  const { numerator, denominator } = fraction
  if (numerator === denominator) return undefined
  if (denominator === period.untilNs - period.fromNs) return partOfTime(numerator, denominator)
  return { kind: 'part', part: numerator, whole: denominator, unit: 'days' }
}

export function explainProration(steps: Step[], part: StepValue | undefined): void {
  if (part?.kind !== 'part') return
  steps.push({
    what: 'proration',
    label: 'part of the service period',
    formula: 'part / whole',
    values: { part: quantity(ratio(part.part)), whole: quantity(ratio(part.whole)), unit: text(part.unit) },
    result: part,
  })
}

/** A piece of a formula: a constant of the price, times the part of the period when the price is prorated. */
export interface Prorated {
  readonly formula: string
  readonly values: StepValues
  readonly exact: Ratio
}

export function prorated(name: string, constant: StepValue, part: StepValue | undefined): Prorated {
  const exact = exactOf(constant)
  if (part === undefined) return { formula: name, values: { [name]: constant }, exact }
  return {
    formula: `${name} * fraction`,
    values: { [name]: constant, fraction: part },
    exact: times(exact, exactOf(part)),
  }
}
