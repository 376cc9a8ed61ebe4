// The union of all aggregations: their states and which function serves which. Contract section 3.
// Invariants: a state is plain data that survives structured clone, is changed in place, and depends on the set of
// samples alone, never on the order in which they were added.

import type { Aggregation } from '../../schemas/catalog/catalog.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { addToCount, type CountState, newCount } from './count.js'
import { addToLatest, type LatestState, newLatest } from './latest.js'
import { addToMax, type MaxState, newMax } from './max.js'
import { addToMin, type MinState, newMin } from './min.js'
import { addToPercentile, newPercentile, type PercentileState, percentileOf } from './percentile.js'
import type { UsageSample } from './sample.js'
import { addToSum, newSum, type SumState } from './sum.js'
import {
  addToTimeAverage,
  newTimeAverage,
  type TimeAverageState,
  timeAverageIntegral,
} from './time-average.js'
import { addToUniqueCount, newUniqueCount, type UniqueCountState, uniqueCountOf } from './unique-count.js'
import {
  addToWeightedSum,
  newWeightedSum,
  type WeightedSumState,
  weightedSumIntegral,
} from './weighted-sum.js'

export type AggregationState =
  | CountState
  | SumState
  | MaxState
  | MinState
  | LatestState
  | UniqueCountState
  | WeightedSumState
  | TimeAverageState
  | PercentileState

export function newAggregation(aggregation: Aggregation): AggregationState {
  switch (aggregation) {
    case 'count':
      return newCount()
    case 'sum':
      return newSum()
    case 'max':
      return newMax()
    case 'min':
      return newMin()
    case 'latest':
      return newLatest()
    case 'unique_count':
      return newUniqueCount()
    case 'weighted_sum':
      return newWeightedSum()
    case 'time_average':
      return newTimeAverage()
    case 'percentile':
      return newPercentile()
    default:
      return unknownAggregation(aggregation)
  }
}

export function addToAggregation(basis: ChargeBasis, state: AggregationState, sample: UsageSample): void {
  switch (state.kind) {
    case 'sum':
      addToSum(state, sample.quantity)
      return
    case 'count':
      addToCount(state)
      return
    case 'max':
      addToMax(state, sample.quantity)
      return
    case 'min':
      addToMin(state, sample.quantity)
      return
    case 'latest':
      addToLatest(state, sample)
      return
    case 'unique_count':
      addToUniqueCount(state, sample.text)
      return
    case 'weighted_sum':
      addToWeightedSum(state, sample, basis.fromNs)
      return
    case 'time_average':
      addToTimeAverage(state, sample, basis.fromNs)
      return
    case 'percentile':
      addToPercentile(state, sample.quantity)
      return
    default:
      unknownAggregation(state)
  }
}

/** The aggregated quantity x `aggregationDenominator`: exact. Only the averages over time look at `levelAtStart`. */
export function aggregated(basis: ChargeBasis, state: AggregationState, levelAtStart: Scaled): bigint {
  switch (state.kind) {
    case 'sum':
    case 'count':
      return state.total
    case 'max':
      return state.greatest ?? 0n
    case 'min':
      return state.least ?? 0n
    case 'latest':
      return state.value
    case 'unique_count':
      return uniqueCountOf(state)
    case 'weighted_sum':
      return weightedSumIntegral(state, levelAtStart, basis.fromNs, basis.untilNs)
    case 'time_average':
      return timeAverageIntegral(state, levelAtStart, basis.fromNs, basis.untilNs)
    case 'percentile':
      return percentileOf(state, basis.meter.percentile)
    default:
      return unknownAggregation(state)
  }
}

/** What `aggregated` is to be divided by: the period's nanoseconds for the two averages over time, else 1. */
export function aggregationDenominator(basis: ChargeBasis): bigint {
  if (!isLevel(basis.meter.aggregation)) return 1n
  return basis.period.untilNs - basis.period.fromNs
}

/** Whether the aggregation is of a level that carries over from one period to the next. */
export function isLevel(aggregation: Aggregation): aggregation is 'weighted_sum' | 'time_average' {
  return aggregation === 'weighted_sum' || aggregation === 'time_average'
}

function unknownAggregation(value: never): never {
  throw new Error(`unknown aggregation ${String(value)}`)
}
