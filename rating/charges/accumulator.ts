// The accumulator: the state that the usage of one charge is added to, so that its amount can be computed at any moment
// without the events. It owns no price arithmetic (rate.ts) and no single aggregation (aggregations/).
// Invariants: plain data that survives structured clone; changed in place; the same set of samples gives the same
// charge whatever the order; it depends on the price, the meter and the segment's start alone, so it stays valid when
// the segment's end, its fraction, the trial or the level at its start change.
// Nothing is ever removed: a correction builds a new accumulator.

import { msOf } from '../../schemas/time.js'
import type { Level } from '../aggregations/level.js'
import type { AggregationState } from '../aggregations/registry.js'
import type { UsageSample } from '../aggregations/sample.js'
import type { ModelUsage } from '../models/registry.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { type Rater, raterOf } from './rater.js'

export type { UsageSample } from '../aggregations/sample.js'
export type { ChargeBasis } from '../periods/charge-basis.js'

export interface Accumulator {
  events: number
  /** The milliseconds in which the first and the last event lie: bounds. Infinity and -Infinity until there is one. */
  firstMs: number
  lastMs: number
  /**
   * The level in force when the segment begins, by matrix cell (cell 0 for any other model): as levels.ts tells it.
   * Set it whenever that changes; only the aggregations of a level look at it.
   */
  levelsAtStart: ReadonlyMap<number, Level> | undefined
  readonly state: AccumulatorState
}

/** The state of one aggregation, or a model's own state where it needs more than one quantity. */
export type AccumulatorState = AggregationState | ModelUsage

export function newAccumulator(basis: ChargeBasis): Accumulator {
  const { usage, aggregation } = raterOf(basis)
  return {
    events: 0,
    firstMs: Number.POSITIVE_INFINITY,
    lastMs: Number.NEGATIVE_INFINITY,
    levelsAtStart: undefined,
    state: usage === undefined ? aggregation.start() : (usage.start() as ModelUsage),
  }
}

/** A caller that adds and charges per event looks the rater up once and passes it to both. */
export function addSample(
  basis: ChargeBasis,
  accumulator: Accumulator,
  sample: UsageSample,
  rater: Rater = raterOf(basis),
): void {
  accumulator.events += 1
  const timeMs = msOf(sample.timeNs)
  if (timeMs < accumulator.firstMs) accumulator.firstMs = timeMs
  if (timeMs > accumulator.lastMs) accumulator.lastMs = timeMs
  const { usage, aggregation, windowOf } = rater
  const placed = windowOf === undefined ? sample : { ...sample, window: windowOf(sample.timeNs) }
  if (usage !== undefined) usage.add(basis, rater, accumulator.state, placed)
  else aggregation.add(soleAggregation(accumulator.state), placed, basis.fromNs)
}

/** The aggregation's state of a charge whose model has no state of its own. */
export function soleAggregation(state: AccumulatorState): AggregationState {
  return state as AggregationState
}
