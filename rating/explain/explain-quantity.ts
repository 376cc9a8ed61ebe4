// From the events of a segment to one quantity, line by line. The quantity itself is the aggregation's own; where the
// aggregation remembers how it came about (levels by time, ranks), the lines show it.

import { formatScaled, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { later } from '../../schemas/time.js'
import { type AggregationState, aggregated, aggregationDenominator } from '../aggregations/aggregation.js'
import type { PercentileState } from '../aggregations/percentile.js'
import type { TimeAverageState } from '../aggregations/time-average.js'
import type { WeightedSumState } from '../aggregations/weighted-sum.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { ceilingOf, ofScaled, over, type Ratio, ratio, times } from './ratio.js'
import {
  count,
  exactOf,
  partOfTime,
  quantity,
  type Step,
  type StepValues,
  scaledQuantity,
  sumStep,
  text,
} from './step.js'

export interface Aggregated {
  readonly state: AggregationState
  readonly level: Scaled
  /** Of a cell it is not known. */
  readonly events: number | undefined
  /** The matrix cell; empty for the whole charge. */
  readonly cell: string
}

/** More levels than these are given as one sum. */
const listedLevels = 50

export function explainQuantity(steps: Step[], basis: ChargeBasis, usage: Aggregated): Ratio {
  const { state, level } = usage
  const result = over(
    ratio(aggregated(basis, state, level)),
    ratio(aggregationDenominator(basis) * scaledOne),
  )
  switch (state.kind) {
    case 'time_average':
      if (levelCount(state) <= listedLevels) return explainLevels(steps, basis, usage, state)
      break
    case 'weighted_sum':
      return explainChanges(steps, basis, usage, state)
    case 'percentile':
      explainRank(steps, basis, usage, state)
      break
    default:
  }
  const name = state.kind === 'percentile' ? 'value_at_rank' : state.kind
  steps.push({
    ...headOf(basis, usage),
    formula: name,
    values: { ...aboutOf(basis, usage), [name]: quantity(result) },
    result: quantity(result),
  })
  return result
}

function headOf(basis: ChargeBasis, { cell, events }: Aggregated) {
  const { aggregation } = basis.meter
  const of = events === undefined ? '' : ` of ${events} ${events === 1 ? 'event' : 'events'}`
  return {
    what: cell === '' ? ('quantity' as const) : ('cell_quantity' as const),
    label: `${cell === '' ? 'quantity' : `quantity in ${cell}`}, ${aggregation}${of}`,
  }
}

function aboutOf(basis: ChargeBasis, { cell, events }: Aggregated): StepValues {
  return {
    aggregation: text(basis.meter.aggregation),
    ...(cell === '' ? {} : { cell: text(cell) }),
    ...(events === undefined ? {} : { events: count(events) }),
  }
}

function levelCount(state: TimeAverageState): number {
  return state.runs.reduce((sum, run) => sum + run.times.length, 0)
}

/** Each level for its part of the period. */
function explainLevels(steps: Step[], basis: ChargeBasis, usage: Aggregated, state: TimeAverageState): Ratio {
  const { period, fromNs, untilNs } = basis
  const parts: Ratio[] = []
  const cuts = [fromNs, ...state.runs.flatMap(run => run.times).map(timeNs => later(timeNs, fromNs)), untilNs]
  const levels = [usage.level, ...state.runs.flatMap(run => run.values)]
  for (const [index, level] of levels.entries()) {
    const lengthNs = cuts[index + 1]! - cuts[index]!
    if (lengthNs === 0n && levels.length > 1) continue
    const part = partOfTime(lengthNs, period.untilNs - period.fromNs)
    const result = times(ofScaled(level), exactOf(part))
    parts.push(result)
    steps.push({
      what: 'level',
      label: index === 0 ? 'level carried over' : `level from value ${index} on`,
      formula: 'level * part',
      values: { level: scaledQuantity(level), part },
      result: quantity(result),
    })
  }
  return sumStep(
    steps,
    headOf(basis, usage).what,
    headOf(basis, usage).label,
    'level',
    parts,
    quantity,
    aboutOf(basis, usage),
  )
}

/** The level carried over for the segment, and every change for what was left of it. */
function explainChanges(
  steps: Step[],
  basis: ChargeBasis,
  usage: Aggregated,
  state: WeightedSumState,
): Ratio {
  const { period, fromNs, untilNs } = basis
  const periodNs = ratio(period.untilNs - period.fromNs)
  const part = partOfTime(untilNs - fromNs, period.untilNs - period.fromNs)
  const changes = over(ratio(state.changes * (untilNs - fromNs) - state.moment, scaledOne), periodNs)
  const carried = times(ofScaled(usage.level), exactOf(part))
  steps.push({
    what: 'level',
    label: 'level carried over',
    formula: 'level * part',
    values: { level: scaledQuantity(usage.level), part },
    result: quantity(carried),
  })
  steps.push({
    what: 'level',
    label: `changes of ${formatScaled(state.changes)} in all, each for the part of the period left`,
    formula: 'changes',
    values: { changes: quantity(changes) },
    result: quantity(changes),
  })
  const { what, label } = headOf(basis, usage)
  return sumStep(steps, what, label, 'level', [carried, changes], quantity, aboutOf(basis, usage))
}

function explainRank(steps: Step[], basis: ChargeBasis, usage: Aggregated, state: PercentileState): void {
  const percentile = basis.meter.percentile ?? 0n
  const events = ratio(BigInt(state.count))
  steps.push({
    what: 'rank',
    label: 'rank among the values in ascending order',
    formula: 'ceil(percentile / 100 * events)',
    values: {
      percentile: scaledQuantity(percentile),
      events: quantity(events),
      ...(usage.cell === '' ? {} : { cell: text(usage.cell) }),
    },
    result: quantity(ceilingOf(times(over(ofScaled(percentile), ratio(100n)), events))),
  })
}
