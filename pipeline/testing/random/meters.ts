// Random meters as they are sent: every aggregation, filters, and what else a meter can say.

import fc from 'fast-check'
import { type Aggregation, aggregationFacts, aggregations } from '../../../schemas/catalog/aggregations.js'
import { overWindows } from '../../../schemas/catalog/meter-window.js'
import { ExactNumber } from '../../../schemas/money/exact-number.js'
import { at, defined, mostly, often, type Wire } from './picks.js'

const meterFilters = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Wire>(
      ...[{ region: ['eu', 7, new ExactNumber('9007199254740993.0')] }, { region: 'us', 'more.tag': [true] }],
      ...[{ region: { not: ['eu', 7] } }, { n: { gte: '1' } }, { n: { gt: 0, lt: '7', not: 3 } }],
      ...[
        { n: { lte: '5' }, model: { not: 'large' } },
        { region: { gt: '7' } },
        { 'more.tag': { not: true } },
      ],
    ),
  },
)

export const meter = fc.record({
  // A level carries over from one segment to the next, which is the hard part.
  aggregation: fc.constantFrom(
    ...aggregations,
    'weighted_sum' as const,
    'time_average' as const,
    'persistent_unique_count' as const,
  ),
  eventTypes: mostly<Wire>({ event_type: 'use' }, { event_type: 'other' }, { event_types: ['other', 'use'] }),
  filters: meterFilters,
  percentile: fc.constantFrom('50', '95', '99.9', '100', '0.5'),
  allowNegative: often(undefined, true),
  convert: often<Wire | undefined>(
    undefined,
    ...[{ divide_by: '3' }, { divide_by: '1024' }, { divide_by: '2', round: 'up' }],
    ...[
      { divide_by: '7', round: 'down', places: 2 },
      { divide_by: '1', round: 'half_even' },
      { divide_by: '3', round: 'half_up', places: 12 },
    ],
  ),
  expression: often<string | undefined>(
    undefined,
    ...['n * 2 + 1', '-n / 3', 'round(n / 7, 2) + abs(n)', 'max(n, 4) - min(n, 2) / 9'],
    ...['ceil(n / 3) * floor(`n` * 1.5)', '6 / (n - 4)'],
  ),
  window: often<Wire | undefined>(
    undefined,
    ...['max', 'sum', 'latest'].map(each => ({ window: 'day', window_aggregation: each })),
    ...['max', 'min', 'first', 'count', 'unique_count'].map(each => ({
      window: 'hour',
      window_aggregation: each,
    })),
  ),
  fields: often<readonly string[] | undefined>(undefined, ['user', 'region'], ['n', 'model', 'user']),
  late: mostly(false, true),
})

type MeterChoice = typeof meter extends fc.Arbitrary<infer T> ? T : never

const levels: ReadonlySet<string> = new Set(['weighted_sum', 'time_average', 'persistent_unique_count'])

/** `isOfTotals`: no price prices it by events or cells. */
export function meterWire(
  one: MeterChoice,
  n: number,
  focus: 'any' | 'totals' | 'levels',
  isOfTotals: boolean,
): Wire {
  const chosen =
    focus === 'totals'
      ? at(['sum', 'count'], n)
      : focus === 'levels' && !levels.has(one.aggregation)
        ? at(['weighted_sum', 'time_average', 'weighted_sum', 'persistent_unique_count'], n)
        : one.aggregation
  // A price by events or cells takes no quotient.
  const isPersistent = chosen === 'persistent_unique_count'
  const isRefused = (isPersistent || aggregationFacts[chosen as Aggregation].quotient) && !isOfTotals
  const aggregation = isRefused ? (focus === 'levels' ? 'weighted_sum' : 'first') : chosen
  // A price by events takes no windows.
  const hasWindow = isOfTotals && focus === 'any' && overWindows.includes(aggregation as Aggregation)
  const window = hasWindow ? one.window : undefined
  const each = window?.['window_aggregation'] ?? aggregation
  const isOfTexts = each === 'unique_count' || each === 'persistent_unique_count'
  const isRead = each !== 'count' && !isOfTexts
  const expression = isRead ? one.expression : undefined
  const value = isOfTexts ? (one.fields ?? 'user') : 'n'
  // A price by events takes no conversion of a sum.
  const convert = isOfTotals || one.convert?.['round'] !== undefined ? one.convert : undefined
  return defined({
    meter: `m${n}`,
    ...one.eventTypes,
    aggregation: each === 'persistent_unique_count' ? 'unique_count' : aggregation,
    operation: each === 'persistent_unique_count' ? 'action' : undefined,
    ...window,
    value: each === 'count' || expression !== undefined ? undefined : value,
    expression,
    convert: isRead ? convert : undefined,
    percentile: aggregation === 'percentile' ? one.percentile : undefined,
    filters: one.filters,
    dimensions: ['model', 'region'],
    allow_negative: one.allowNegative,
  })
}
