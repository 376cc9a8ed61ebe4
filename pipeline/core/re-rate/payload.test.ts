// What is put back of an event reads as it did, or is left out, for every way in which a meter reads.

import { expect, test } from 'vitest'
import { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { parseCatalogValue } from '../../../schemas/catalog/catalog-parser.js'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import { UsageReader } from '../rate/usage-reader.js'
import { payloadFromReadings } from './payload.js'

const data = { a: '7', b: 'x', done: 'remove', model: 'small' }

function catalogWith(meter: object): CatalogIndex {
  const parsed = parseCatalogValue({
    meters: [{ meter: 'm', event_type: 't', dimensions: ['model'], ...meter }],
  })
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return new CatalogIndex(parsed.catalog)
}

/** What the meter reads of the data, and of what is put back. */
function readTwice(meter: object) {
  const catalog = catalogWith(meter)
  const reader = new UsageReader()
  const first = reader.read(catalog, 't', stringifyJson(data))
  if (first.kind === 'refused' || first.readings.length === 0) throw new Error('nothing was read')
  const event = {
    ...{ source: '/app', id: 'e', type: 't', timeNs: 0n, ingestedAtMs: 0, customerId: 'c' },
    ...{ pinnedSubscriptionId: '', correlationId: '', traceparent: '' },
    input: { stream: 'METERING' as const, sequence: 1 },
    readings: first.readings,
  }
  const back = JSON.parse(payloadFromReadings(event, catalog)) as { data: object }
  return [first, reader.read(catalog, 't', stringifyJson(back.data))] as const
}

test.each([
  { aggregation: 'count' },
  { aggregation: 'sum', value: 'a' },
  { aggregation: 'sum', value: 'a', convert: { divide_by: '3' } },
  { aggregation: 'sum', value: 'a', filters: { b: { not: ['y'] }, a: { gt: 6, lt: 8 } } },
  { aggregation: 'unique_count', value: 'b' },
  { aggregation: 'unique_count', value: ['b', 'a'] },
  { aggregation: 'unique_count', value: 'b', operation: 'done' },
  { aggregation: 'unique_count', value: ['b', 'a'], operation: 'done' },
  { aggregation: 'sum', value: 'a', window: 'day', window_aggregation: 'max' },
])('%o reads the same again', meter => {
  const [first, again] = readTwice(meter)
  expect(again).toEqual(first)
})

test.each([
  { aggregation: 'sum', expression: 'a * 2' },
  { aggregation: 'sum', value: 'a', convert: { divide_by: '3', round: 'up' } },
])('%o cannot be turned back, so it is refused and not rated otherwise', meter => {
  const [, again] = readTwice(meter)
  expect(again).toMatchObject({ kind: 'refused', rejection: { code: 'invalid_value' } })
})
