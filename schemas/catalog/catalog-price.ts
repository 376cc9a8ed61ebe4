// Prices of a catalog, by their kind: each kind has a file that reads, writes and describes its fields. Contract section 3.
// Invariant: a written price is read back equal.

import { z } from 'zod'
import type { Price } from './catalog.js'
import { asMap, FieldReader } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'
import type { Wire } from './models/model-shape.js'
import { readRecurringPrice, recurringPriceSchema, recurringPriceToWire } from './recurring-price.js'
import { type MeterScope, readUsagePrice, usagePriceSchema, usagePriceToWire } from './usage-price.js'

export type { MeterScope } from './usage-price.js'

export function readPrice(
  node: SourceNode,
  scope: MeterScope | undefined,
  problems: Problems,
): Price | undefined {
  const map = asMap(node, 'A price', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const id = reader.requiredText('price')
  const kind = reader.requiredChoice('kind', ['usage', 'recurring'] as const)
  if (kind === undefined) return undefined
  return kind === 'usage'
    ? readUsagePrice(reader, id, scope, problems)
    : readRecurringPrice(reader, id, problems)
}

export function priceToWire(price: Price): Wire {
  return price.kind === 'recurring' ? recurringPriceToWire(price) : usagePriceToWire(price)
}

export const priceSchema = z.union([recurringPriceSchema, usagePriceSchema])
