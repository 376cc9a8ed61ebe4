// Makes the JSON of an event whose bytes are gone: each reading is put back at the path of its meter, so that its dead letter can
// be redriven. Invariant: what is put back reads as it did, or is left out; so the result of an expression and of a rounded
// conversion, which cannot be turned back, is left out, and such an event sent again is refused, not rated otherwise.

import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import type { Meter } from '../../../schemas/catalog/catalog.js'
import { passingText } from '../../../schemas/catalog/meter-filter.js'
import type { MeteredEvent, MeterReading } from '../../../schemas/event/metered-event.js'
import { formatInstant } from '../../../schemas/time.js'

type Tree = { [key: string]: Tree | string }

export function payloadFromReadings(event: MeteredEvent, catalog: CatalogIndex): string {
  const data: Tree = {}
  for (const reading of event.readings) {
    const meter = catalog.meter(reading.meter)
    if (meter === undefined) continue
    putFilters(data, meter)
    for (const [name, value] of reading.dimensions) put(data, name.split('.'), value)
    putValue(data, meter, reading)
  }
  return JSON.stringify({ ...envelopeMembers(event), data })
}

function putValue(data: Tree, { value, values, convert, operation }: Meter, reading: MeterReading): void {
  if (operation !== undefined) put(data, operation, reading.quantity < 0n ? 'remove' : 'add')
  if (values !== undefined) {
    const texts = JSON.parse(reading.text) as string[]
    for (const [n, path] of values.entries()) put(data, path, texts[n] ?? '')
  } else if (value !== undefined && convert?.round === undefined) put(data, value, reading.text)
}

/** The members of the event's JSON beside `data`. */
export function envelopeMembers(event: MeteredEvent): Readonly<Record<string, string>> {
  return {
    specversion: '1.0',
    id: event.id,
    source: event.source,
    type: event.type,
    subject: event.customerId,
    time: formatInstant(event.timeNs),
    ...(event.pinnedSubscriptionId === '' ? {} : { subscriptionid: event.pinnedSubscriptionId }),
    ...(event.correlationId === '' ? {} : { correlationid: event.correlationId }),
    ...(event.traceparent === '' ? {} : { traceparent: event.traceparent }),
  }
}

/** The state does not keep which value the event had; any that passes will do. */
function putFilters(data: Tree, meter: Meter): void {
  for (const [path, filter] of meter.filters) {
    const text = passingText(filter)
    if (text !== undefined) put(data, path.replace(/^\$\./, '').split('.'), text)
  }
}

function put(tree: Tree, path: readonly string[], value: string): void {
  const [key, ...rest] = path
  if (key === undefined) return
  if (rest.length === 0) {
    tree[key] = value
    return
  }
  const known = tree[key]
  const below: Tree = typeof known === 'object' ? known : {}
  tree[key] = below
  put(below, rest, value)
}
