// What meters read from usage, for the oracle. Contract section 3: an event must match all filters of a meter; a value
// is a decimal, for unique_count any scalar; negative values need `allow_negative`.

import type { Meter } from '../../../schemas/catalog/catalog.js'
import { type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { derivedIn, isDerived } from './derived.js'
import { filtered } from './filters.js'
import { comparedText, quantityOf } from './numbers.js'

export interface Reading {
  readonly meter: Meter
  readonly quantity: Scaled
  /** The distinct value of `unique_count`. */
  readonly text: string
  readonly dimensions: ReadonlyMap<string, string>
}

/** One reading for each meter that the event matches, or the code of the first meter that cannot read it. */
export function readingsOf(data: unknown, meters: readonly Meter[]): Reading[] | string {
  const readings: Reading[] = []
  for (const meter of meters) {
    // The first filter that does not let the event through decides.
    const stopped = [...meter.filters]
      .map(([path, filter]) => filtered(at(data, path.split('.')), filter))
      .find(outcome => outcome !== 'passes')
    if (stopped === 'value_out_of_range') return stopped
    if (stopped !== undefined) continue
    const dimensions = meter.dimensions
      .map(name => [name, comparedText(at(data, name.split('.')))] as const)
      .filter((entry): entry is readonly [string, string] => entry[1] !== undefined)
    if (dimensions.some(([, text]) => text === 'value_out_of_range')) return 'value_out_of_range'
    const value = valueIn(meter, data)
    if (typeof value === 'string') return value
    readings.push({ meter, ...value, dimensions: new Map(dimensions) })
  }
  return readings
}

function valueIn(meter: Meter, data: unknown): { quantity: Scaled; text: string } | string {
  if ((meter.window?.aggregation ?? meter.aggregation) === 'count') return { quantity: scaledOne, text: '' }
  if (isDerived(meter) && meter.operation === undefined) return derivedIn(meter, path => at(data, path))
  const value = at(data, meter.value ?? [])
  if (meter.aggregation === 'persistent_unique_count') return operationIn(meter, data)
  if ((meter.window?.aggregation ?? meter.aggregation) === 'unique_count') {
    const text = comparedText(value)
    if (text === undefined) return 'invalid_value'
    return text === 'value_out_of_range' ? text : { quantity: scaledOne, text }
  }
  const quantity = quantityOf(value)
  if (typeof quantity === 'string') return quantity
  if (quantity < 0n && !meter.allowNegative) return 'negative_value'
  return { quantity, text: '' }
}

/** One for what is added, minus one for what is removed. */
function operationIn(meter: Meter, data: unknown): { quantity: Scaled; text: string } | string {
  const texts = (meter.values ?? [meter.value!]).map(path => comparedText(at(data, path)))
  for (const text of texts) {
    if (text === undefined) return 'invalid_value'
    if (text === 'value_out_of_range') return text
  }
  const text = meter.values === undefined ? texts[0]! : JSON.stringify(texts)
  const operation = at(data, meter.operation!)
  if (operation === 'add') return { quantity: scaledOne, text }
  return operation === 'remove' ? { quantity: -scaledOne, text } : 'invalid_value'
}

function at(data: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    data,
  )
}
