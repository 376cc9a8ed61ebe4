// Windows: each hour or day is aggregated by itself, and what the windows come to is aggregated again. The sum of daily
// peaks: `aggregation: sum`, `window: day`, `window_aggregation: max`. A window without events is none: it adds nothing,
// is no least value, and does not count in a mean. No events: 0.
// Formula: aggregation over windows w of (window_aggregation over the events of w).
// Worked example: 3 and 9 on Monday, 4 on Tuesday. Peaks 9 and 4: summed 13, averaged 6.5.
// Source: worked out by hand, as the vectors of rating/golden/windows.json are.
//
// The state of every window is kept, so late events and any order come to the same. A window that a segment's border cuts
// is aggregated in each segment by itself.

import { type Aggregation, aggregationFacts } from '../../schemas/catalog/aggregations.js'
import type { WindowAggregation } from '../../schemas/catalog/meter-window.js'
import { magnitude, type Scaled } from '../../schemas/money/decimal.js'
import { formatInstant } from '../../schemas/time.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { windowStart } from '../periods/windows.js'
import { type Step, scaledQuantity, text } from '../steps/step.js'
import type { AggregationPart, Quotient } from './aggregation.js'
import { roundedQuotient } from './average.js'
import { type CountState, count } from './count.js'
import { type FirstState, first } from './first.js'
import { type LatestState, latest } from './latest.js'
import { type MaxState, max } from './max.js'
import { type MinState, min } from './min.js'
import { percentile, percentileOf } from './percentile.js'
import type { UsageSample } from './sample.js'
import { type SumState, sum } from './sum.js'
import { type UniqueCountState, uniqueCount } from './unique-count.js'

type InnerState = CountState | SumState | MaxState | MinState | LatestState | FirstState | UniqueCountState

export interface WindowsState {
  readonly kind: 'windows'
  /** By the number of the window. */
  readonly windows: Map<number, InnerState>
  /** The magnitudes of all values: no window, and no sum of them, is beyond it. */
  reach: Scaled
}

const inner: Readonly<Record<WindowAggregation, AggregationPart<InnerState>>> = {
  count,
  sum,
  max,
  min,
  latest,
  first,
  unique_count: uniqueCount,
}

/** More windows than these are given as one figure. */
const listedWindows = 50

export function windowsPart(
  aggregation: Aggregation,
  each: WindowAggregation,
): AggregationPart<WindowsState> & { readonly readsText: boolean } {
  const part = inner[each]
  const totals = ({ windows }: WindowsState, basis: ChargeBasis): Scaled[] =>
    [...windows.values()].map(state => part.total(state, basis, 0n))
  const mean = (state: WindowsState, basis: ChargeBasis): Quotient => {
    const each = totals(state, basis)
    return { over: each.reduce(added, 0n), under: BigInt(Math.max(each.length, 1)) }
  }
  return {
    start: () => ({ kind: 'windows', windows: new Map(), reach: 0n }),
    add(state, sample, fromNs) {
      const window = sample.window ?? 0
      let own = state.windows.get(window)
      if (own === undefined) {
        own = part.start()
        state.windows.set(window, own)
      }
      part.add(own, sample, fromNs)
      state.reach += magnitude(sample.quantity)
    },
    total: (state, basis) =>
      aggregation === 'average'
        ? roundedQuotient(mean(state, basis))
        : overWindows(aggregation, totals(state, basis), basis),
    ...(aggregation === 'average' ? { quotient: mean } : {}),
    held: state => state.reach,
    explain: (steps, basis, state) => explainWindows(steps, basis, state, each, part),
    readsText: aggregationFacts[each].reads === 'text',
  }
}

const added = (total: Scaled, one: Scaled): Scaled => total + one

function overWindows(aggregation: Aggregation, values: readonly Scaled[], basis: ChargeBasis): Scaled {
  if (values.length === 0) return 0n
  switch (aggregation) {
    case 'sum':
      return values.reduce(added, 0n)
    case 'max':
    case 'min':
      return values.reduce((found, one) => (one > found === (aggregation === 'max') ? one : found))
    case 'percentile': {
      const state = percentile.start()
      for (const value of values) percentile.add(state, { ...nowhere, quantity: value }, basis.fromNs)
      return percentileOf(state, basis.meter.percentile)
    }
    default:
      throw new Error(`Windows are not aggregated by ${aggregation}.`)
  }
}

const nowhere: UsageSample = { timeNs: 0n, quantity: 0n, text: '', key: '', cell: 0, group: '' }

/** What each window comes to; returns the name that the formula gives the whole. */
function explainWindows(
  steps: Step[],
  basis: ChargeBasis,
  { windows }: WindowsState,
  each: WindowAggregation,
  part: AggregationPart<InnerState>,
): string {
  const { meter, timezone = 'UTC' } = basis
  const numbers = [...windows.keys()].sort((a, b) => a - b)
  for (const number of numbers.length > listedWindows ? [] : numbers) {
    const from = formatInstant(windowStart(number, meter.window!.unit, timezone))
    const value = scaledQuantity(part.total(windows.get(number)!, basis, 0n))
    steps.push({
      what: 'window',
      label: `${each} of the ${meter.window!.unit} from ${from}`,
      formula: each,
      values: { [each]: value, from: text(from) },
      result: value,
    })
  }
  return meter.aggregation === 'percentile' ? 'value_at_rank' : meter.aggregation
}
