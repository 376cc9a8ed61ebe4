// Prices of a catalog, by their kind: each kind has a file that reads, writes and describes its fields. Contract section 3.
// Invariant: a written price is read back equal.

import { z } from 'zod'
import type { Price } from './catalog.js'
import { asMap, FieldReader } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'
import { currenciesToWire, readCurrencies } from './currencies.js'
import type { Wire } from './models/model-shape.js'
import { oneOffPriceSchema, oneOffPriceToWire, readOneOffPrice } from './one-off-price.js'
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
  const before = problems.count
  reader.field('currencies')
  const price = readKind(reader, scope, problems)
  // What is wrong with a price is told once, and not of each currency.
  if (price === undefined || problems.count > before) return price
  const currencies = readCurrencies(reader, problems, whole =>
    readKind(new FieldReader(whole, problems), scope, problems),
  )
  return currencies === undefined ? price : ({ ...price, currencies } as Price)
}

function readKind(reader: FieldReader, scope: MeterScope | undefined, problems: Problems): Price | undefined {
  const id = reader.requiredText('price')
  const kind = reader.requiredChoice('kind', ['usage', 'recurring', 'one_off'] as const)
  if (kind === undefined) return undefined
  switch (kind) {
    case 'usage':
      return readUsagePrice(reader, id, scope, problems)
    case 'recurring':
      return readRecurringPrice(reader, id, problems)
    case 'one_off':
      return readOneOffPrice(reader, id)
  }
}

/** The prices of a plan or a phase (`what`), each id once. */
export function readPrices(
  reader: FieldReader,
  what: string,
  scope: MeterScope | undefined,
  problems: Problems,
): Price[] {
  const prices = new Map<string, Price>()
  const places = new Set<string>()
  for (const item of reader.list('prices', reader.requiredField('prices')) ?? []) {
    const id = item.kind === 'map' ? item.members.get('price')?.value : undefined
    const name = id?.kind === 'scalar' && typeof id.value === 'string' ? id.value : undefined
    if (id !== undefined && name !== undefined) {
      if (places.has(name)) problems.add(id, 'duplicate_price', `${what} has two prices ${name}.`)
      places.add(name)
    }
    const price = readPrice(item, scope, problems)
    if (price !== undefined) prices.set(price.price, price)
  }
  return [...prices.values()]
}

export function priceToWire(price: Price): Wire {
  return { ...ownWire(price), ...currenciesToWire(price, ownWire) }
}

function ownWire(price: Price): Wire {
  switch (price.kind) {
    case 'usage':
      return usagePriceToWire(price)
    case 'recurring':
      return recurringPriceToWire(price)
    case 'one_off':
      return oneOffPriceToWire(price)
  }
}

export const priceSchema = z.union([recurringPriceSchema, oneOffPriceSchema, usagePriceSchema])
