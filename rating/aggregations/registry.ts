// The aggregations: the one list of them, and the one place that finds an aggregation by its name.

import type { Aggregation } from '../../schemas/catalog/catalog.js'
import { magnitude, type Scaled } from '../../schemas/money/decimal.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { AggregationPart } from './aggregation.js'
import { count } from './count.js'
import { latest } from './latest.js'
import { max } from './max.js'
import { min } from './min.js'
import { percentile } from './percentile.js'
import type { UsageSample } from './sample.js'
import { sum } from './sum.js'
import { timeAverage } from './time-average.js'
import { uniqueCount } from './unique-count.js'
import { weightedSum } from './weighted-sum.js'

const aggregations = {
  count,
  sum,
  max,
  min,
  latest,
  unique_count: uniqueCount,
  weighted_sum: weightedSum,
  time_average: timeAverage,
  percentile,
} satisfies { readonly [A in Aggregation]: AggregationPart<{ readonly kind: A }> }

export type AggregationState = ReturnType<(typeof aggregations)[Aggregation]['start']>

export function aggregationPart(aggregation: Aggregation): AggregationPart<AggregationState> {
  return aggregations[aggregation]
}

export function newAggregation(aggregation: Aggregation): AggregationState {
  return aggregations[aggregation].start()
}

/** Here and below the commonest state is served without a look-up. */
export function addToAggregation(basis: ChargeBasis, state: AggregationState, sample: UsageSample): void {
  if (state.kind === 'sum') state.total += sample.quantity
  else aggregationPart(state.kind).add(state, sample, basis.fromNs)
}

/** The aggregated quantity x `aggregationDenominator`: exact. Only the averages over time look at `levelAtStart`. */
export function aggregated(basis: ChargeBasis, state: AggregationState, levelAtStart: Scaled): bigint {
  if (state.kind === 'sum') return state.total
  return aggregationPart(state.kind).total(state, basis, levelAtStart)
}

/** What `aggregated` is to be divided by: the period's nanoseconds for the two averages over time, else 1. */
export function aggregationDenominator({ meter, period }: ChargeBasis): bigint {
  return isLevel(meter.aggregation) ? period.untilNs - period.fromNs : 1n
}

/** Whether the aggregation is of a level that carries over from one period to the next. */
export function isLevel(aggregation: Aggregation): boolean {
  return aggregationPart(aggregation).level !== undefined
}

export function isAdditive({ meter }: ChargeBasis): boolean {
  return aggregationPart(meter.aggregation).additive === true
}

/** What a further value is added to, the levels carried over included; 0 where values are not added up. */
export function heldIn(state: AggregationState, levels: Iterable<Scaled>): Scaled {
  const part = aggregationPart(state.kind)
  let held = part.held?.(state) ?? 0n
  if (part.level === 'changes') for (const level of levels) held = magnitude(held) + magnitude(level)
  return held
}

/** The same, value by value. Changes of a level count whichever way they go, for it may stand anywhere in between. */
export function heldAfter(held: Scaled, aggregation: Aggregation, quantity: Scaled): Scaled {
  const part = aggregationPart(aggregation)
  if (part.held === undefined) return 0n
  return part.level === 'changes' ? magnitude(held) + magnitude(quantity) : held + quantity
}
