// What the meters would read of an event that was refused: the rules of `normalize` with one leniency, that a text with
// white space around a number counts as that number. A value that is missing stays missing.

import { isLevel } from '../../../rating/aggregations/registry.js'
import type { Meter } from '../../../schemas/catalog/catalog.js'
import { passOf } from '../../../schemas/catalog/meter-filter.js'
import { eventAggregation } from '../../../schemas/catalog/meter-window.js'
import type { MeterReading } from '../../../schemas/event/metered-event.js'
import { isRecord } from '../../../schemas/json/json-text.js'
import { scalarText } from '../../../schemas/json/scalar-text.js'
import { formatScaled, parseDecimal, scaledOne } from '../../../schemas/money/decimal.js'

export type Readings =
  | { readonly kind: 'ok'; readonly readings: readonly MeterReading[] }
  | { readonly kind: 'not_known'; readonly why: string }

type Data = Readonly<Record<string, unknown>>

export function lenientReadings(data: Data, meters: readonly Meter[]): Readings {
  const readings: MeterReading[] = []
  for (const meter of meters) {
    if (!passesFilters(data, meter)) continue
    if (isLevel(meter.aggregation))
      return { kind: 'not_known', why: `the meter ${meter.meter} is a level over time` }
    if (meter.values !== undefined || meter.expression !== undefined || meter.convert?.round !== undefined)
      return { kind: 'not_known', why: `the meter ${meter.meter} computes what it counts` }
    const reading = readingOf(data, meter)
    if (typeof reading === 'string') return { kind: 'not_known', why: reading }
    readings.push(reading)
  }
  return { kind: 'ok', readings }
}

/** A text says why there is none. */
function readingOf(data: Data, meter: Meter): MeterReading | string {
  const dimensions = dimensionsOf(data, meter.dimensions)
  if (meter.value === undefined) return { meter: meter.meter, quantity: scaledOne, text: '1', dimensions }
  const value = valueAt(data, meter.value)
  if (value === undefined || value === null) return `the value of the meter ${meter.meter} is missing`
  if (eventAggregation(meter) === 'unique_count') {
    const text = scalarText(value)
    if (typeof text !== 'string') return `the value of the meter ${meter.meter} is not a text or a number`
    return { meter: meter.meter, quantity: scaledOne, text, dimensions }
  }
  const parsed = parseDecimal(typeof value === 'string' ? value.trim() : value)
  if (parsed.kind !== 'ok') return `the value of the meter ${meter.meter} is not a number`
  if (parsed.value < 0n && !meter.allowNegative) return `the value of the meter ${meter.meter} is negative`
  return { meter: meter.meter, quantity: parsed.value, text: formatScaled(parsed.value), dimensions }
}

function passesFilters(data: Data, { filters }: Meter): boolean {
  for (const [path, filter] of filters) {
    const text = scalarText(valueAt(data, pathOf(path)))
    if (typeof text === 'symbol' || !passOf(filter)(text)) return false
  }
  return true
}

function dimensionsOf(data: Data, names: readonly string[]): ReadonlyMap<string, string> {
  const dimensions = new Map<string, string>()
  for (const name of names) {
    const text = scalarText(valueAt(data, pathOf(name)))
    if (typeof text === 'string') dimensions.set(name, text)
  }
  return dimensions
}

function pathOf(dotted: string): readonly string[] {
  return dotted.replace(/^\$\./, '').split('.')
}

function valueAt(data: unknown, path: readonly string[]): unknown {
  let value = data
  for (const step of path) value = isRecord(value) ? value[step] : undefined
  return value
}
