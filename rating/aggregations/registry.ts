// The list of all aggregations, and the only place that looks an aggregation up by its name.

import {
  type AdditiveAggregation,
  type Aggregation,
  aggregationFacts,
} from '../../schemas/catalog/aggregations.js'
import type { Meter } from '../../schemas/catalog/catalog.js'
import { magnitude, type Scaled } from '../../schemas/money/decimal.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { AggregationPart } from './aggregation.js'
import { average } from './average.js'
import { conversionOf } from './convert.js'
import { count } from './count.js'
import { first } from './first.js'
import { latest } from './latest.js'
import { type Level, levelSize } from './level.js'
import { max } from './max.js'
import { min } from './min.js'
import { percentile } from './percentile.js'
import { persistentUniqueCount } from './persistent-unique-count.js'
import { sum } from './sum.js'
import { timeAverage } from './time-average.js'
import { uniqueCount } from './unique-count.js'
import { weightedSum } from './weighted-sum.js'
import { type WindowsState, windowsPart } from './windows.js'

const parts = {
  count,
  sum,
  max,
  min,
  latest,
  first,
  average,
  unique_count: uniqueCount,
  persistent_unique_count: persistentUniqueCount,
  weighted_sum: weightedSum,
  time_average: timeAverage,
  percentile,
} satisfies { readonly [A in Aggregation]: AggregationPart<{ readonly kind: A }> }

export type AggregationState = ReturnType<(typeof parts)[Aggregation]['start']> | WindowsState
export type AdditiveState = Extract<AggregationState, { readonly kind: AdditiveAggregation }>

type AnyPart = AggregationPart<AggregationState>
/** An aggregation's parts and facts. All have the same fields in the same order, so that V8 reads any of them fast. */
export type Aggregator = { readonly [K in keyof Required<AnyPart>]: AnyPart[K] } & {
  /** The quantity is the sum of what each event adds by itself. */
  readonly isAdditive: boolean
  readonly readsText: boolean
}

function aggregatorFrom(part: AnyPart, isAdditive: boolean, readsText: boolean): Aggregator {
  const { start, add, total, quotient, level, held, explain } = part
  return { start, add, total, quotient, level, held, explain, isAdditive, readsText }
}

const aggregators = {} as Record<Aggregation, Aggregator>
for (const name of Object.keys(parts) as Aggregation[]) {
  const { additive, reads } = aggregationFacts[name]
  aggregators[name] = aggregatorFrom(parts[name], additive !== undefined, reads === 'text')
}
const overWindows = new Map<string, Aggregator>()

/** Of the meter, with its windows. */
export function aggregatorOfMeter({
  aggregation,
  window,
}: Pick<Meter, 'aggregation' | 'window'>): Aggregator {
  if (window === undefined) return aggregatorOf(aggregation)
  const name = `${aggregation} of ${window.aggregation}`
  let known = overWindows.get(name)
  if (known === undefined) {
    const part = windowsPart(aggregation, window.aggregation)
    known = aggregatorFrom(part as AnyPart, false, part.readsText)
    overWindows.set(name, known)
  }
  return known
}

/** Find it once for a charge, not for each event. */
export function aggregatorOf(aggregation: Aggregation): Aggregator {
  return aggregators[aggregation]
}

/** A model's own state is not one. */
export function isAdditiveState(state: { readonly kind: string }): state is AdditiveState {
  return Object.hasOwn(parts, state.kind) && aggregatorOf(state.kind as Aggregation).isAdditive
}

/**
 * The divisor of an aggregator's total: the period's nanoseconds for a level over time, else 1; times that of
 * the meter's conversion, whose numerator the total is multiplied by.
 */
export function aggregationDenominator(basis: ChargeBasis): bigint {
  return timeDenominator(basis) * conversionOf(basis.meter).denominator
}

/** Without the conversion. */
export function timeDenominator({ meter, period }: ChargeBasis): bigint {
  return isLevel(meter.aggregation) ? period.untilNs - period.fromNs : 1n
}

/** Whether the aggregation is of a level that carries over from one period to the next. */
export function isLevel(aggregation: Aggregation): boolean {
  return aggregatorOf(aggregation).level !== undefined
}

/** Whether the quantity is a fraction whose denominator depends on the usage. */
export function isQuotient(aggregation: Aggregation): boolean {
  return aggregatorOf(aggregation).quotient !== undefined
}

/** The sum that the next value is added to, with the levels carried over; 0 where values are not added up. */
export function heldIn(state: AggregationState, levels: Iterable<Level>): Scaled {
  if (state.kind === 'windows') return state.reach
  const { held: heldOf, level: kind } = aggregatorOf(state.kind)
  let held = heldOf?.(state) ?? 0n
  if (kind === 'changes' || kind === 'members') {
    for (const level of levels) held = magnitude(held) + levelSize(level)
  }
  return held
}

/** The same, one value at a time. Changes of a level count by magnitude: in another order the level may peak higher. */
export function heldAfter(
  held: Scaled,
  { aggregation, window }: Pick<Meter, 'aggregation' | 'window'>,
  quantity: Scaled,
): Scaled {
  if (window !== undefined) return held + magnitude(quantity)
  const { held: heldOf, level } = aggregatorOf(aggregation)
  if (heldOf === undefined) return 0n
  return level === 'changes' || level === 'members' ? magnitude(held) + magnitude(quantity) : held + quantity
}
