// Catalogs from YAML, JSON or an event: every fault found at once, with file and line. Contract section 3.
// Invariant: a catalog that comes out is whole; numbers are exactly what was written.

import { type Parsed, type Rejection, rejected } from '../rejection.js'
import type { Catalog, Meter, Plan, Price } from './catalog.js'
import { readEventSchema } from './catalog-event-schema.js'
import { readMeter } from './catalog-meter.js'
import { readPlan } from './catalog-plan.js'
import { readPrice } from './catalog-price.js'
import { asMap, FieldReader } from './catalog-reader.js'
import {
  type CatalogProblem,
  Problems,
  readSourceText,
  readSourceValue,
  type SourceNode,
} from './catalog-source.js'
import { readCoupon } from './coupon.js'

export { type MergedCatalog, mergeCatalogs } from './catalog-merge.js'
export { priceToWire } from './catalog-price.js'
export type { CatalogProblem } from './catalog-source.js'
export { catalogToWire } from './catalog-wire.js'

export type ParsedCatalog =
  | { readonly kind: 'ok'; readonly catalog: Catalog }
  | { readonly kind: 'invalid'; readonly problems: readonly CatalogProblem[] }

/** A catalog file, YAML or JSON. */
export function parseCatalog(text: string, fileName: string): ParsedCatalog {
  const problems = new Problems(fileName)
  const node = readSourceText(text, problems)
  return node === undefined
    ? { kind: 'invalid', problems: problems.inOrder() }
    : finish(readCatalog(node, 'whole', problems), problems)
}

/**
 * A catalog as a JSON value. With `part`, prices may name meters that another catalog holds, as in an event;
 * `mergeCatalogs` then checks them.
 */
export function parseCatalogValue(value: unknown, extent: 'whole' | 'part' = 'whole'): ParsedCatalog {
  const problems = new Problems('')
  return finish(readCatalog(readSourceValue(value), extent, problems), problems)
}

/** One price outside a catalog, as in `price_overrides`. Its meter is not looked up. An unknown field is `invalid_data`. */
export function parsePrice(value: unknown): Parsed<Price> {
  const problems = new Problems('')
  const price = readPrice(readSourceValue(value), undefined, problems)
  if (price !== undefined && problems.count === 0) return { kind: 'ok', value: price }
  // Unknown keys come first: a misspelt key explains a missing one.
  const isUnknown = (one: CatalogProblem) => Number(one.code !== 'unknown_key')
  const ordered = problems.inOrder().toSorted((a, b) => isUnknown(a) - isUnknown(b))
  const rejection = rejectionOf(ordered, '')
  const code = ordered[0]?.code === 'unknown_key' ? 'invalid_data' : rejection.code
  return { kind: 'rejected', rejection: { ...rejection, code } }
}

/** The first problem as a rejection, and how many there are beside it. */
export function rejectionOf(problems: readonly CatalogProblem[], pointer: string): Rejection {
  const [first, ...others] = problems
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  const detail = `${first?.message ?? 'The catalog is not valid.'}${more}`
  return rejected('invalid_catalog', detail, `${pointer}${first?.path ?? ''}`).rejection
}

function finish(catalog: Catalog | undefined, problems: Problems): ParsedCatalog {
  return catalog !== undefined && problems.count === 0
    ? { kind: 'ok', catalog }
    : { kind: 'invalid', problems: problems.inOrder() }
}

function readCatalog(node: SourceNode, extent: 'whole' | 'part', problems: Problems): Catalog | undefined {
  const map = asMap(node, 'A catalog', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const meterNodes = reader.list('meters') ?? []
  const planNodes = reader.list('plans') ?? []
  const couponNodes = reader.list('coupons') ?? []
  const schemaNodes = reader.list('schemas') ?? []
  reader.refuseOthers('a catalog')
  const meters = new Map<string, Meter>()
  const declared = new Set<string>()
  for (const meterNode of meterNodes) {
    const meter = readMeter(meterNode, declared, problems)
    if (meter !== undefined) meters.set(meter.meter, meter)
  }
  const scope = extent === 'whole' ? { declared, meters } : undefined
  const seen = new Set<string>()
  const plans = planNodes
    .map(planNode => readPlan(planNode, scope, seen, problems))
    .filter(plan => plan !== undefined)
  const sold = extent === 'whole' ? soldPrices(plans) : undefined
  const seenCoupons = new Set<string>()
  const coupons = couponNodes
    .map(one => readCoupon(one, sold, seenCoupons, problems))
    .filter(one => one !== undefined)
  const seenSchemas = new Set<string>()
  const schemas = schemaNodes
    .map(one => readEventSchema(one, seenSchemas, problems))
    .filter(one => one !== undefined)
  return {
    meters: [...meters.values()],
    plans,
    ...(coupons.length === 0 ? {} : { coupons }),
    ...(schemas.length === 0 ? {} : { schemas }),
  }
}

function soldPrices(plans: readonly Plan[]): ReadonlySet<string> {
  return new Set(plans.flatMap(plan => plan.prices.map(({ price }) => price)))
}
