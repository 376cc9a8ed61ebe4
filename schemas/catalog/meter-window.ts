// Windows of a meter: `window: day` with `window_aggregation: max` and `aggregation: sum` is the sum of daily peaks. How the two
// fields are read, written and described; rating/aggregations/windows.ts has the arithmetic.
// Invariant: what is written is read back equal.

import { z } from 'zod'
import type { Aggregation } from './aggregations.js'
import type { FieldReader } from './catalog-reader.js'
import type { Wire } from './models/model-shape.js'

export const windowUnits = ['hour', 'day'] as const
export type WindowUnit = (typeof windowUnits)[number]

/** What a window can be aggregated by. A mean of means is none of all events, and a level knows no windows. */
export const windowAggregations = ['count', 'sum', 'max', 'min', 'latest', 'first', 'unique_count'] as const
export type WindowAggregation = (typeof windowAggregations)[number]

/** What the quantities of the windows can be aggregated by. */
export const overWindows: readonly Aggregation[] = ['sum', 'max', 'min', 'average', 'percentile']

export interface MeterWindow {
  readonly unit: WindowUnit
  readonly aggregation: WindowAggregation
}

export function readWindow(
  reader: FieldReader,
  aggregation: Aggregation | undefined,
): MeterWindow | undefined {
  const unit = reader.choice('window', windowUnits)
  const each = reader.choice('window_aggregation', windowAggregations)
  const hasWindow = reader.has('window')
  if (hasWindow && !reader.has('window_aggregation')) reader.requiredField('window_aggregation')
  if (!hasWindow && reader.has('window_aggregation')) reader.requiredField('window')
  if (hasWindow && aggregation !== undefined && !overWindows.includes(aggregation)) {
    const message = `The aggregation over windows is one of ${overWindows.join(', ')}.`
    reader.fault('aggregation', 'invalid_value', message)
  }
  return unit === undefined || each === undefined ? undefined : { unit, aggregation: each }
}

export function windowToWire(window: MeterWindow | undefined): Wire {
  return window === undefined ? {} : { window: window.unit, window_aggregation: window.aggregation }
}

/** What is made of the values of events: within a window, where there are windows. */
export function eventAggregation(meter: {
  readonly aggregation: Aggregation
  readonly window?: MeterWindow
}): Aggregation {
  return meter.window?.aggregation ?? meter.aggregation
}

/** For people and tables: a sum of maxima is no sum of values. */
export function aggregationName({
  aggregation,
  window,
}: {
  readonly aggregation: Aggregation
  readonly window?: MeterWindow
}): string {
  return window === undefined ? aggregation : `${aggregation} of ${window.aggregation} by ${window.unit}`
}

export const windowFieldsFor = (names: readonly WindowAggregation[]): z.ZodRawShape => ({
  window: z.enum(windowUnits),
  window_aggregation: z.enum(names as [WindowAggregation, ...WindowAggregation[]]),
})
