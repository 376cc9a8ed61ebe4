// What files of a catalog change against what is published: what is new, what is as it was, and what would change under a
// published version and is refused; field by field, with the file and line of the new.
// Invariants: nothing that the files leave out is removed; a change is found by value, however it is spelt.

import { canonicalJson } from '../json/canonical-json.js'
import { pointerTo } from '../rejection.js'
import type { Catalog } from './catalog.js'
import type { CatalogItem, ItemList } from './catalog-parser.js'
import type { Place, SourceNode } from './catalog-source.js'
import { catalogToWire } from './catalog-wire.js'

export interface FieldChange {
  /** Such as `prices/tokens/tiers/0/unit_amount`. */
  readonly path: string
  /** As it is written in a catalog; null: it is not there. */
  readonly before: unknown
  readonly after: unknown
  readonly line: number
}

export interface CatalogChange {
  readonly kind: 'meter' | 'plan' | 'coupon' | 'schema'
  readonly name: string
  /** Null: it has none. */
  readonly version: number | null
  readonly outcome: 'added' | 'unchanged' | 'refused'
  /** Of what is refused: the same version. Of a new version: the newest published one; null: there is none. */
  readonly from_version: number | null
  readonly file: string
  readonly line: number
  /** Against `from_version`, or what is published; empty: nothing to compare with. */
  readonly fields: readonly FieldChange[]
  /** What to know of it; of what is refused, why and what to do. */
  readonly detail: string | null
}

interface Written {
  readonly kind: CatalogChange['kind']
  readonly name: string
  readonly version: number | null
  /** Without its name and version. */
  readonly content: Fields
}
type Fields = Readonly<Record<string, unknown>>

const kindOf = { meters: 'meter', plans: 'plan', coupons: 'coupon', schemas: 'schema' } as const
const nameKey = { meter: 'meter', plan: 'plan', coupon: 'code', schema: 'event_type' } as const

/** `items`: as `parseCatalogFiles` gave them with `files`. */
export function catalogChanges(
  published: Catalog,
  files: Catalog,
  items: readonly CatalogItem[],
): CatalogChange[] {
  const known = writtenIn(published)
  const given = writtenIn(files)
  return given.map((one, index) => changeOf(one, items[index]!, ofName(known, one), ofName(given, one)))
}

/** The catalog of what is new alone: what has to be published. */
export function addedCatalog(files: Catalog, changes: readonly CatalogChange[]): Catalog {
  const keys = new Set(changes.filter(({ outcome }) => outcome === 'added').map(keyOf))
  const isAdded = (kind: CatalogChange['kind'], name: string, version: number | null) =>
    keys.has(keyOf({ kind, name, version }))
  const coupons = files.coupons?.filter(({ code }) => isAdded('coupon', code, null)) ?? []
  const schemas = files.schemas?.filter(one => isAdded('schema', one.eventType, one.version)) ?? []
  return {
    meters: files.meters.filter(({ meter }) => isAdded('meter', meter, null)),
    plans: files.plans.filter(({ plan, version }) => isAdded('plan', plan, version)),
    ...(coupons.length === 0 ? {} : { coupons }),
    ...(schemas.length === 0 ? {} : { schemas }),
  }
}

function keyOf({ kind, name, version }: Pick<CatalogChange, 'kind' | 'name' | 'version'>): string {
  return `${kind}:${version ?? ''}:${name}`
}

function writtenIn(catalog: Catalog): Written[] {
  const wire = catalogToWire(catalog)
  return (Object.keys(kindOf) as ItemList[]).flatMap(of =>
    (wire[of] ?? []).map(item => {
      const kind = kindOf[of]
      const { [nameKey[kind]]: name, version, ...content } = item as Fields
      // When a schema begins to judge is decided when it arrives.
      if (kind === 'schema') delete (content as Record<string, unknown>)['from']
      return { kind, name: String(name), version: typeof version === 'number' ? version : null, content }
    }),
  )
}

function ofName(all: readonly Written[], { kind, name }: Written): readonly Written[] {
  return all.filter(one => one.kind === kind && one.name === name)
}

function changeOf(
  one: Written,
  { file, node }: CatalogItem,
  published: readonly Written[],
  given: readonly Written[],
): CatalogChange {
  const { kind, name, version, content } = one
  const told = { kind, name, version, file, line: node.line }
  const same = published.find(other => other.version === version)
  if (same !== undefined) {
    const fields = fieldChanges(same.content, content, node)
    if (fields.length === 0)
      return { ...told, outcome: 'unchanged', from_version: null, fields, detail: null }
    return {
      ...told,
      outcome: 'refused',
      from_version: version,
      fields,
      detail: refusalOf(one, [...published, ...given]),
    }
  }
  const newest = newestOf(published)
  if (newest === undefined) return { ...told, outcome: 'added', from_version: null, fields: [], detail: null }
  const fields = fieldChanges(newest.content, content, node)
  const detail = (version ?? 0) > newest.version! ? null : olderThan(newest)
  return { ...told, outcome: 'added', from_version: newest.version, fields, detail }
}

function newestOf(all: readonly Written[]): Written | undefined {
  return all.reduce<Written | undefined>(
    (newest, one) => ((one.version ?? 0) > (newest?.version ?? 0) || newest === undefined ? one : newest),
    undefined,
  )
}

function olderThan({ version }: Written): string {
  return `Version ${version} is published and newer: who names no version goes on taking that one.`
}

function refusalOf({ kind, name, version }: Written, all: readonly Written[]): string {
  const next = Math.max(...all.map(one => one.version ?? 0)) + 1
  switch (kind) {
    case 'plan':
      return `Version ${version} of the plan ${name} is published with other content. Raise its version, to ${next}.`
    case 'schema':
      return `Version ${version} of the schema of ${name} is published with other content. Raise its version, to ${next}.`
    case 'meter':
      return `The meter ${name} is published with other content. Give this one another name, and its prices a new version of their plan.`
    case 'coupon':
      return `The coupon ${name} is published with other content. Give this one another code.`
    default:
      return kind satisfies never
  }
}

function fieldChanges(before: unknown, after: unknown, node: SourceNode): FieldChange[] {
  const found: FieldChange[] = []
  compare(before, after, { path: '', node, place: node }, found)
  return found
}

interface At {
  readonly path: string
  /** Where the value stands in the file; undefined: it is not written there. */
  readonly node: SourceNode | undefined
  /** The nearest place that is. */
  readonly place: Place
}

function compare(before: unknown, after: unknown, at: At, found: FieldChange[]): void {
  if (isSame(before, after)) return
  if (isFields(before) && isFields(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
      compare(before[key], after[key], memberAt(at, key), found)
  } else if (isListOfFields(before) && isListOfFields(after)) {
    compareLists(before, after, at, found)
  } else {
    const path = at.path.replace(/^\//, '')
    found.push({ path, before: before ?? null, after: after ?? null, line: at.place.line })
  }
}

/** Prices by their name, other lists by the number of the item. */
function compareLists(
  before: readonly Fields[],
  after: readonly Fields[],
  at: At,
  found: FieldChange[],
): void {
  const nameOf = (item: Fields, index: number) =>
    typeof item['price'] === 'string' ? item['price'] : String(index)
  const was = new Map(before.map((item, index) => [nameOf(item, index), item]))
  for (const [index, item] of after.entries()) {
    const name = nameOf(item, index)
    compare(was.get(name), item, itemAt(at, name, index), found)
    was.delete(name)
  }
  for (const [name, item] of was) compare(item, undefined, { ...itemAt(at, name, -1) }, found)
}

function memberAt({ path, node, place }: At, key: string): At {
  const member = node?.kind === 'map' ? node.members.get(key) : undefined
  return { path: pointerTo(path, key), node: member?.value, place: member?.key ?? place }
}

function itemAt({ path, node, place }: At, name: string, index: number): At {
  const item = node?.kind === 'list' ? node.items[index] : undefined
  return { path: pointerTo(path, name), node: item, place: item ?? place }
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b
  return canonicalJson(a) === canonicalJson(b)
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isListOfFields(value: unknown): value is readonly Fields[] {
  return Array.isArray(value) && value.every(isFields)
}
