// What an aggregation is to the rest of rating: how it takes in events and what they come to. One file each has all
// that knows it; registry.ts lists them. Contract section 3.
// Invariants: a state is plain data that survives structured clone, is changed in place, and depends on the set of
// samples alone, never on the order in which they were added.

import type { Scaled } from '../../schemas/money/decimal.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { Ratio } from '../steps/ratio.js'
import type { Step, StepValues } from '../steps/step.js'
import type { UsageSample } from './sample.js'

/** Its parts are methods on purpose: one aggregation then passes for any. */
export interface AggregationPart<S> {
  start(): S
  /** `fromNs`: the segment's start. */
  add(state: S, sample: UsageSample, fromNs: bigint): void
  /** The aggregated quantity x `aggregationDenominator`: exact. */
  total(state: S, basis: ChargeBasis, levelAtStart: Scaled): bigint
  /** Of a level, which carries over from one period to the next: a value changes it, or is it from then on. */
  readonly level?: 'changes' | 'value'
  /** What a further value is added to. Absent: values are not added up, so they cannot run beyond what is kept. */
  held?(state: S): Scaled
  /**
   * The lines of how the quantity came about. They come to the quantities of which it is the sum; or there is a name
   * for it other than the aggregation's. `about`: what every line of a cell says.
   */
  explain?(
    steps: Step[],
    basis: ChargeBasis,
    state: S,
    levelAtStart: Scaled,
    about: StepValues,
  ): readonly Ratio[] | string
}
