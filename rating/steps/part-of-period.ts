// Writes the proration fraction as a line of its own, in its unit: calendar days or elapsed time.

import type { Scaled } from '../../schemas/money/decimal.js'
import type { Fraction } from '../periods/proration.js'
import { greater, isAbove, minus, type Ratio, ratio, times, zero } from './ratio.js'
import {
  exactOf,
  partOfTime,
  quantity,
  type Step,
  type StepValue,
  type StepValues,
  scaledQuantity,
  text,
} from './step.js'

/** The part of the period that a prorated price is owed for. */
export type Part = StepValue | undefined

interface Period {
  readonly fromNs: bigint
  readonly untilNs: bigint
}

/** Undefined for a whole period. A fraction by time has the period's nanoseconds below the line, one by day its dates. */
export function partOfPeriod(fraction: Fraction, period: Period): Part {
  const { numerator, denominator } = fraction
  if (numerator === denominator) return undefined
  if (denominator === period.untilNs - period.fromNs) return partOfTime(numerator, denominator)
  return { kind: 'part', part: numerator, whole: denominator, unit: 'days' }
}

export function explainProration(steps: Step[], part: Part): void {
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

export function prorated(name: string, constant: StepValue, part: Part): Prorated {
  const exact = exactOf(constant)
  if (part === undefined) return { formula: name, values: { [name]: constant }, exact }
  return {
    formula: `${name} * fraction`,
    values: { [name]: constant, fraction: part },
    exact: times(exact, exactOf(part)),
  }
}

/** Units beyond the included ones. */
export function explainIncluded(steps: Step[], included: Scaled, part: Part, units: Ratio): Ratio {
  if (included === 0n) return units
  const free = prorated('included', scaledQuantity(included), part)
  const isPositive = isAbove(units, zero)
  const result = isPositive ? greater(minus(units, free.exact), zero) : units
  steps.push({
    what: 'beyond_included',
    label: 'units beyond the included',
    formula: isPositive ? `max(quantity - ${free.formula}, 0)` : 'quantity',
    values: { quantity: quantity(units), ...free.values },
    result: quantity(result),
  })
  return result
}
