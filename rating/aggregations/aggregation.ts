// The interface of an aggregation: it adds events to a state and computes a quantity from the state. Each aggregation is
// one file; registry.ts lists them. Contract section 3.
// Invariants: a state is plain data that survives structured clone, is changed in place, and depends on the set of
// samples alone, never on the order in which they were added.

import type { Scaled } from '../../schemas/money/decimal.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { Ratio } from '../steps/ratio.js'
import type { Step, StepValues } from '../steps/step.js'
import type { Level } from './level.js'
import type { UsageSample } from './sample.js'

/** A scaled quantity as a fraction; `under` is above 0. */
export interface Quotient {
  readonly over: bigint
  readonly under: bigint
}

/** Methods, not properties, so that an aggregation of one state is assignable to one of any state. */
export interface AggregationPart<S> {
  start(): S
  /** `fromNs`: the segment's start. */
  add(state: S, sample: UsageSample, fromNs: bigint): void
  /** The aggregated quantity x `aggregationDenominator`: exact. */
  total(state: S, basis: ChargeBasis, levelAtStart: Level): bigint
  /**
   * Set where the quantity is divided by what the usage itself tells, such as the number of events: the exact quantity,
   * of which `total` is the one rounded to 12 places.
   */
  quotient?(state: S, basis: ChargeBasis): Quotient
  /** Set for a level, which carries over to the next period: whether an event's value changes the
   * level, replaces it, or is put in or out. */
  readonly level?: 'changes' | 'value' | 'members'
  /** The sum that the next value is added to. Absent: values are not added up, so no sum can overflow 38 digits. */
  held?(state: S): Scaled
  /**
   * Writes the lines that derive the quantity. Returns the quantities whose sum it is, or, where it is no sum, the name
   * that the formula gives it. `about`: values that every line of a matrix cell repeats.
   */
  explain?(
    steps: Step[],
    basis: ChargeBasis,
    state: S,
    levelAtStart: Level,
    about: StepValues,
  ): readonly Ratio[] | string
}
