// What meters read from usage, for the oracle. Contract section 3: an event must match all filters of a meter; a value
// is a decimal, for unique_count any scalar; negative values need `allow_negative`.

import type { Meter } from '../../../schemas/catalog.js'
import { parseDecimal, type Scaled, scaledOne } from '../../../schemas/decimal.js'

export interface Reading {
  readonly meter: Meter
  readonly quantity: Scaled
  /** The distinct value of `unique_count`. */
  readonly text: string
  readonly dimensions: ReadonlyMap<string, string>
}

/** One reading for each meter that the event matches, or the code of the first that cannot read it. */
export function readingsOf(data: unknown, meters: readonly Meter[]): Reading[] | string {
  const readings: Reading[] = []
  for (const meter of meters) {
    const matches = [...meter.filters].every(([path, accepted]) =>
      accepted.includes(textOf(at(data, path.split('.'))) ?? ' none'),
    )
    if (!matches) continue
    const value = valueIn(meter, data)
    if (typeof value === 'string') return value
    const dimensions = meter.dimensions
      .map(name => [name, textOf(at(data, name.split('.')))] as const)
      .filter((entry): entry is readonly [string, string] => entry[1] !== undefined)
    readings.push({ meter, ...value, dimensions: new Map(dimensions) })
  }
  return readings
}

function valueIn(meter: Meter, data: unknown): { quantity: Scaled; text: string } | string {
  if (meter.aggregation === 'count') return { quantity: scaledOne, text: '' }
  const value = at(data, meter.value ?? [])
  if (meter.aggregation === 'unique_count') {
    const text = textOf(value)
    return text === undefined ? 'invalid_value' : { quantity: scaledOne, text }
  }
  const parsed = parseDecimal(value)
  if (parsed.kind !== 'ok') return parsed.kind
  if (parsed.value < 0n && !meter.allowNegative) return 'negative_value'
  return { quantity: parsed.value, text: '' }
}

function at(data: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    data,
  )
}

function textOf(value: unknown): string | undefined {
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined
}
