// Golden vectors: their shape, and how one becomes a basis with samples. For tests alone.
// A file names its source and its prices as a catalog writes them; a vector names a price, the usage by time, and the
// amount worked out by hand with its derivation. Events of a vector are one millisecond apart, in the order given.

import type { Meter, UsagePrice } from '../../schemas/catalog/catalog.js'
import { parseCatalogValue, parsePrice } from '../../schemas/catalog/catalog-parser.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { parseDecimal, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { nsOf, nsPerMs } from '../../schemas/time.js'
import type { ChargeBasis, UsageSample } from '../charges/accumulator.js'
import { groupOf } from '../models/grouped/group.js'
import { cellOf } from '../models/registry.js'

export const periodStartNs = nsOf(Date.UTC(2026, 5, 1))
export const periodNs = 30n * 86_400_000n * nsPerMs

export interface VectorFile {
  readonly source: string
  readonly prices: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly vectors: readonly Vector[]
}

export interface Vector {
  readonly name: string
  readonly price: string
  readonly usage: readonly (string | { quantity: string; dimensions: Record<string, string> })[]
  readonly amount: string
  readonly derivation: string
  readonly aggregation?: string
  readonly allow_negative?: boolean
  readonly fraction?: readonly [string, string]
  readonly trial?: boolean
}

export function basisOfVector(file: VectorFile, vector: Vector): ChargeBasis {
  const [numerator, denominator] = vector.fraction ?? ['1', '1']
  const meter = meterOf({
    meter: 'units',
    event_type: 'unit.used',
    aggregation: vector.aggregation ?? 'sum',
    ...(vector.aggregation === 'count' ? {} : { value: 'units' }),
    ...(vector.allow_negative === true ? { allow_negative: true } : {}),
    dimensions: ['region', 'tier'],
  })
  return {
    price: priceOf({ price: 'p', kind: 'usage', meter: 'units', ...file.prices[vector.price] }),
    meter,
    fraction: { numerator: BigInt(numerator), denominator: BigInt(denominator) },
    trial: vector.trial ?? false,
    fromNs: periodStartNs,
    untilNs: periodStartNs + periodNs,
    period: { fromNs: periodStartNs, untilNs: periodStartNs + periodNs },
  }
}

export function samplesOfVector(basis: ChargeBasis, vector: Vector): UsageSample[] {
  return vector.usage.map((event, index) => {
    const { quantity, dimensions } = typeof event === 'string' ? { quantity: event, dimensions: {} } : event
    const cell = cellOf(basis.price, new Map(Object.entries(dimensions)))
    if (cell === undefined) throw new Error(`no cell for event ${index} of ${vector.name}`)
    return sample({
      timeNs: periodStartNs + BigInt(index) * nsPerMs,
      quantity: basis.meter.aggregation === 'count' ? scaledOne : scaled(quantity),
      key: compositeKey('golden', `e${index}`),
      cell,
      group: groupOf(basis.price, new Map(Object.entries(dimensions))),
    })
  })
}

export function sample(fields: Partial<UsageSample>): UsageSample {
  return {
    timeNs: periodStartNs,
    quantity: scaledOne,
    text: '',
    key: compositeKey('s', 'e'),
    cell: 0,
    group: '',
    ...fields,
  }
}

export function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`${text} is ${parsed.kind}`)
  return parsed.value
}

export function priceOf(value: Readonly<Record<string, unknown>>): UsagePrice {
  const parsed = parsePrice(value)
  if (parsed.kind !== 'ok' || parsed.value.kind !== 'usage') throw new Error(JSON.stringify(parsed))
  return parsed.value
}

export function meterOf(value: Readonly<Record<string, unknown>>): Meter {
  const parsed = parseCatalogValue({ meters: [value] }, 'part')
  const meter = parsed.kind === 'ok' ? parsed.catalog.meters[0] : undefined
  if (meter === undefined) throw new Error(JSON.stringify(parsed))
  return meter
}
