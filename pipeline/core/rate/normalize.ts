// normalize: what every matching meter reads from a usage event. Contract section 3.
// Invariants: a value is read or the event is refused, never guessed; the readings are in the order of the catalog's
// meters, so the same event always gives the same readings.

import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import type { Meter } from '../../../schemas/catalog/catalog.js'
import type { MeterReading } from '../../../schemas/event/metered-event.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import { isRecord } from '../../../schemas/json/json-text.js'
import { scalarText, tooManyDigits } from '../../../schemas/json/scalar-text.js'
import { formatScaled, parseDecimal, scaledOne } from '../../../schemas/money/decimal.js'
import { pointerTo, type Rejection } from '../../../schemas/rejection.js'
import type { ReceivedEvent } from '../decode/decode.js'
import type { KeyedEvent } from '../state/metered-event.js'

export type Normalized =
  | { readonly kind: 'metered'; readonly event: KeyedEvent }
  | { readonly kind: 'unmetered' }
  | { readonly kind: 'refused'; readonly rejection: Rejection }

type Data = Readonly<Record<string, unknown>>

const unmetered: Normalized = { kind: 'unmetered' }

/** Reads a whole batch; the outcomes line up with it. */
export function normalizeEvents(batch: readonly ReceivedEvent[], catalog: CatalogIndex): Normalized[] {
  return batch.map(received => normalizeEvent(received, catalog))
}

export function normalizeEvent(received: ReceivedEvent, catalog: CatalogIndex): Normalized {
  const { event } = received
  const readings: MeterReading[] = []
  let dimensions = noDimensions
  let dimensionsKey = ''
  for (const meter of catalog.metersOfType(event.type)) {
    const paths = pathsOf(meter)
    const matches = matchesFilters(meter, paths, event.data)
    if (typeof matches === 'object') return { kind: 'refused', rejection: matches }
    if (!matches) continue
    // Meters of one event mostly have the same dimensions: they share one map.
    if (paths.dimensionsKey !== dimensionsKey) {
      const read = readDimensions(meter, paths, event.data)
      if ('code' in read) return { kind: 'refused', rejection: read }
      dimensions = read
      dimensionsKey = paths.dimensionsKey
    }
    const reading = readMeter(meter, event.data, dimensions)
    if ('code' in reading) return { kind: 'refused', rejection: reading }
    readings.push(reading)
  }
  if (readings.length === 0) return unmetered
  return {
    kind: 'metered',
    event: {
      key: compositeKey(event.source, event.id),
      source: event.source,
      id: event.id,
      type: event.type,
      customerId: event.subject,
      timeNs: event.timeNs,
      ingestedAtMs: received.arrivedAtMs,
      pinnedSubscriptionId: event.subscriptionId ?? '',
      correlationId: event.correlationId,
      traceparent: event.traceparent,
      readings,
    },
  }
}

interface MeterPaths {
  readonly filters: readonly { readonly path: readonly string[]; readonly accepted: ReadonlySet<string> }[]
  readonly dimensions: readonly { readonly name: string; readonly path: readonly string[] }[]
  /** Equal keys, equal dimensions; '' without any. */
  readonly dimensionsKey: string
}

const pathsByMeter = new WeakMap<Meter, MeterPaths>()

function pathsOf(meter: Meter): MeterPaths {
  const known = pathsByMeter.get(meter)
  if (known !== undefined) return known
  const paths = {
    filters: [...meter.filters].map(([path, accepted]) => ({
      path: path.replace(/^\$\./, '').split('.'),
      accepted: new Set(accepted),
    })),
    dimensions: meter.dimensions.map(name => ({ name, path: name.split('.') })),
    dimensionsKey: compositeKey(...meter.dimensions),
  }
  pathsByMeter.set(meter, paths)
  return paths
}

function matchesFilters(meter: Meter, paths: MeterPaths, data: Data): boolean | Rejection {
  for (const filter of paths.filters) {
    const text = scalarText(valueAt(data, filter.path))
    if (text === tooManyDigits) return tooLong(meter, filter.path)
    if (text === undefined || !filter.accepted.has(text)) return false
  }
  return true
}

const noDimensions: ReadonlyMap<string, string> = new Map()

function readMeter(
  meter: Meter,
  data: Data,
  dimensions: ReadonlyMap<string, string>,
): MeterReading | Rejection {
  if (meter.aggregation === 'count') {
    return { meter: meter.meter, text: '1', quantity: scaledOne, dimensions }
  }
  const path = meter.value ?? []
  const value = valueAt(data, path)
  if (meter.aggregation === 'unique_count') {
    const text = scalarText(value)
    if (text === undefined) return refusal('invalid_value', meter, path, 'is not a text, number or boolean')
    if (text === tooManyDigits) return tooLong(meter, path)
    return { meter: meter.meter, text, quantity: scaledOne, dimensions }
  }
  const parsed = parseDecimal(value)
  if (parsed.kind === 'invalid_value') {
    return refusal('invalid_value', meter, path, value === undefined ? 'is missing' : 'is not a number')
  }
  if (parsed.kind === 'value_out_of_range') {
    return refusal('value_out_of_range', meter, path, 'has more than 26 digits before or 12 after the point')
  }
  if (parsed.value < 0n && !meter.allowNegative) {
    return refusal('negative_value', meter, path, 'is negative')
  }
  // A whole number that JavaScript prints without an exponent is its own shortest decimal.
  const text = Number.isSafeInteger(value) ? String(value) : formatScaled(parsed.value)
  return { meter: meter.meter, text, quantity: parsed.value, dimensions }
}

function readDimensions(
  meter: Meter,
  paths: MeterPaths,
  data: Data,
): ReadonlyMap<string, string> | Rejection {
  const dimensions = new Map<string, string>()
  for (const { name, path } of paths.dimensions) {
    const text = scalarText(valueAt(data, path))
    if (text === tooManyDigits) return tooLong(meter, path)
    if (text !== undefined) dimensions.set(name, text)
  }
  return dimensions
}

function tooLong(meter: Meter, path: readonly string[]): Rejection {
  return refusal('value_out_of_range', meter, path, 'has more than 38 digits, or 12 after the point')
}

function refusal(
  code: 'invalid_value' | 'value_out_of_range' | 'negative_value',
  meter: Meter,
  path: readonly string[],
  problem: string,
): Rejection {
  return {
    code,
    detail: `The value of meter ${meter.meter} at data.${path.join('.')} ${problem}.`,
    pointer: path.reduce<string>(pointerTo, '/data'),
  }
}

function valueAt(data: Data, path: readonly string[]): unknown {
  let value: unknown = data
  for (const key of path) {
    if (!isRecord(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return value
}
