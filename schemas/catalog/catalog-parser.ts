// Catalogs from YAML, JSON or an event: every fault found at once, with file and line. Contract section 3.
// Invariant: a catalog that comes out is whole; numbers are exactly what was written.

import { type Parsed, type Rejection, rejected } from '../rejection.js'
import type { Catalog, Meter, Plan, Price } from './catalog.js'
import { readEventSchema } from './catalog-event-schema.js'
import { readMeter } from './catalog-meter.js'
import { readPlan } from './catalog-plan.js'
import { type MeterScope, readPrice } from './catalog-price.js'
import { asMap, FieldReader } from './catalog-reader.js'
import {
  type CatalogProblem,
  Problems,
  readSourceText,
  readSourceValue,
  type SourceNode,
} from './catalog-source.js'
import { readCoupon } from './coupon.js'
import { pricesOfPlan } from './phases.js'

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
    : finish(readCatalog(node, nothingKnown, problems), problems)
}

export interface CatalogFile {
  readonly file: string
  readonly text: string
}

/** One item of a file, such as a plan, and where it stands. */
export interface CatalogItem {
  readonly of: ItemList
  readonly file: string
  readonly node: SourceNode
}

export type ParsedCatalogFiles =
  | {
      readonly kind: 'ok'
      readonly catalog: Catalog
      /** In the order of the catalog's lists. */
      readonly items: readonly CatalogItem[]
    }
  | { readonly kind: 'invalid'; readonly problems: readonly CatalogProblem[] }

/**
 * Several files that are one catalog together: a price may name a meter of another file, or one that is published. What is
 * given twice in them is a fault.
 */
export function parseCatalogFiles(
  files: readonly CatalogFile[],
  published: Catalog = { meters: [], plans: [] },
): ParsedCatalogFiles {
  const read = files.map(({ file, text }) => {
    const problems = new Problems(file)
    const node = readSourceText(text, problems)
    return { file, problems, opened: node === undefined ? undefined : openCatalog(node, problems) }
  })
  const opened = read.map(one => one.opened).filter(one => one !== undefined)
  const catalog = readOpened(opened, { published })
  const problems = read.flatMap(one => one.problems.inOrder())
  if (problems.length > 0) return { kind: 'invalid', problems }
  const items = itemLists.flatMap(of =>
    read.flatMap(({ file, opened: one }) => (one?.[of] ?? []).map(node => ({ of, file, node }))),
  )
  return { kind: 'ok', catalog, items }
}

/**
 * A catalog as a JSON value. With `part`, prices may name meters that another catalog holds, as in an event;
 * `mergeCatalogs` then checks them.
 */
export function parseCatalogValue(value: unknown, extent: 'whole' | 'part' = 'whole'): ParsedCatalog {
  const problems = new Problems('')
  const scope = extent === 'whole' ? nothingKnown : undefined
  return finish(readCatalog(readSourceValue(value), scope, problems), problems)
}

/** One price outside a catalog, as in `price_overrides`. Its meter is not looked up. An unknown field is `invalid_data`. */
export function parsePrice(value: unknown): Parsed<Price> {
  const problems = new Problems('')
  const price = readPrice(readSourceValue(value), undefined, problems)
  if (price?.currencies !== undefined && problems.count === 0) {
    const detail = 'A price for one subscription is in the currency of that subscription alone.'
    return rejected('invalid_data', detail, '/currencies')
  }
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

export const itemLists = ['meters', 'plans', 'coupons', 'schemas'] as const
export type ItemList = (typeof itemLists)[number]

/** A catalog whose lists are found and not yet read. */
type OpenedCatalog = Readonly<Record<ItemList, readonly SourceNode[]>> & { readonly problems: Problems }

/** What prices and coupons may name beside the catalog itself; undefined: anything, `mergeCatalogs` checks it. */
type KnownTerms = { readonly published: Catalog } | undefined

const nothingKnown: KnownTerms = { published: { meters: [], plans: [] } }

function readCatalog(node: SourceNode, known: KnownTerms, problems: Problems): Catalog | undefined {
  const opened = openCatalog(node, problems)
  return opened && readOpened([opened], known)
}

function openCatalog(node: SourceNode, problems: Problems): OpenedCatalog | undefined {
  const map = asMap(node, 'A catalog', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const [meters, plans, coupons, schemas] = itemLists.map(name => reader.list(name) ?? [])
  reader.refuseOthers('a catalog')
  return { meters: meters!, plans: plans!, coupons: coupons!, schemas: schemas!, problems }
}

function readOpened(opened: readonly OpenedCatalog[], known: KnownTerms): Catalog {
  const each = <T>(of: ItemList, read: (node: SourceNode, problems: Problems) => T | undefined): T[] =>
    opened.flatMap(one => one[of].map(node => read(node, one.problems)).filter(item => item !== undefined))
  const declared = new Set<string>()
  const meters = each('meters', (node, problems) => readMeter(node, declared, problems))
  const scope = known && meterScope(known.published, declared, meters)
  const seen = new Set<string>()
  const plans = each('plans', (node, problems) => readPlan(node, scope, seen, problems))
  const sold = known && soldPrices([...known.published.plans, ...plans])
  const seenCoupons = new Set<string>()
  const coupons = each('coupons', (node, problems) => readCoupon(node, sold, seenCoupons, problems))
  const seenSchemas = new Set<string>()
  const schemas = each('schemas', (node, problems) => readEventSchema(node, seenSchemas, problems))
  return {
    meters: [...new Map(meters.map(meter => [meter.meter, meter])).values()],
    plans,
    ...(coupons.length === 0 ? {} : { coupons }),
    ...(schemas.length === 0 ? {} : { schemas }),
  }
}

function meterScope(published: Catalog, declared: ReadonlySet<string>, meters: readonly Meter[]): MeterScope {
  const all = [...published.meters, ...meters]
  return {
    declared: new Set([...published.meters.map(({ meter }) => meter), ...declared]),
    meters: new Map(all.map(meter => [meter.meter, meter])),
  }
}

function soldPrices(plans: readonly Plan[]): ReadonlySet<string> {
  return new Set(plans.flatMap(plan => pricesOfPlan(plan).map(({ price }) => price)))
}
