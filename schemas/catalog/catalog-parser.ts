// Catalogs from YAML, JSON or an event: every fault found at once, with file and line. Contract section 3.
// Invariant: a catalog that comes out is whole; numbers are exactly what was written.

import { minorUnits } from '../money/currency.js'
import { scaledOne } from '../money/decimal.js'
import { type Parsed, type Rejection, rejected } from '../rejection.js'
import { type Aggregation, aggregationFacts, aggregations } from './aggregations.js'
import type { Catalog, Meter, Plan, Price } from './catalog.js'
import { readEventSchema } from './catalog-event-schema.js'
import { type MeterScope, readPrice } from './catalog-price.js'
import { asMap, FieldReader, readComparable, readText } from './catalog-reader.js'
import {
  type CatalogProblem,
  Problems,
  readSourceText,
  readSourceValue,
  type SourceNode,
} from './catalog-source.js'

export type { CatalogProblem } from './catalog-source.js'
export { catalogToWire, type MergedCatalog, mergeCatalogs, priceToWire } from './catalog-wire.js'

export type ParsedCatalog =
  | { readonly kind: 'ok'; readonly catalog: Catalog }
  | { readonly kind: 'invalid'; readonly problems: readonly CatalogProblem[] }

/** Plan versions are UInt32 columns. */
const maxPlanVersion = 2 ** 32 - 1

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
  const plans = planNodes.map(planNode => readPlan(planNode, scope, seen, problems))
  const seenSchemas = new Set<string>()
  const schemas = schemaNodes
    .map(one => readEventSchema(one, seenSchemas, problems))
    .filter(one => one !== undefined)
  return {
    meters: [...meters.values()],
    plans: plans.filter(plan => plan !== undefined),
    ...(schemas.length === 0 ? {} : { schemas }),
  }
}

function readMeter(node: SourceNode, declared: Set<string>, problems: Problems): Meter | undefined {
  const map = asMap(node, 'A meter', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const id = reader.requiredText('meter')
  if (id !== undefined && declared.has(id))
    reader.fault('meter', 'duplicate_meter', `The meter ${id} is given twice.`)
  if (id !== undefined) declared.add(id)
  const eventType = reader.requiredText('event_type')
  if (eventType?.startsWith('weir.')) {
    reader.fault('event_type', 'invalid_value', 'Event types beginning with weir. are never usage.')
  }
  const aggregation = reader.requiredChoice('aggregation', aggregations)
  const value = readValuePath(reader, aggregation)
  const percentile = reader.decimal('percentile', { sign: 'positive', max: 100n * scaledOne })
  const facts = aggregation && aggregationFacts[aggregation]
  if (facts?.takesPercentile) reader.requiredField('percentile')
  else if (aggregation !== undefined && reader.has('percentile')) {
    reader.fault('percentile', 'unknown_key', `The aggregation ${aggregation} takes no percentile.`)
  }
  const filters = readFilters(reader, problems)
  const dimensions = readDimensions(reader, problems)
  const unit = reader.text('unit')
  const allowNegative = reader.flag('allow_negative')
  reader.refuseOthers('a meter')
  if (id === undefined || eventType === undefined || aggregation === undefined) return undefined
  return {
    meter: id,
    eventType,
    aggregation,
    ...(value === undefined ? {} : { value }),
    ...(percentile === undefined ? {} : { percentile }),
    filters,
    dimensions,
    ...(unit === undefined ? {} : { unit }),
    allowNegative: allowNegative ?? facts?.negativeByDefault ?? false,
  }
}

function readValuePath(reader: FieldReader, aggregation: Aggregation | undefined): string[] | undefined {
  if (aggregation !== undefined && aggregationFacts[aggregation].reads === 'nothing') {
    if (reader.has('value'))
      reader.fault('value', 'unknown_key', `The aggregation ${aggregation} takes no value.`)
    return undefined
  }
  const text = aggregation === undefined ? reader.text('value') : reader.requiredText('value')
  // OpenMeter writes JSONPath; its plain form means the same.
  const path = text?.replace(/^\$\./, '').split('.')
  if (path?.some(step => step === '')) {
    return reader.fault(
      'value',
      'invalid_value',
      'The field value is a path into data, such as usage.tokens.',
    )
  }
  return path
}

function readFilters(reader: FieldReader, problems: Problems): ReadonlyMap<string, readonly string[]> {
  const filters = new Map<string, readonly string[]>()
  const node = reader.field('filters')
  const map = node === undefined ? undefined : asMap(node, 'The field filters', problems)
  for (const [path, member] of map?.members ?? []) {
    const nodes = member.value.kind === 'list' ? member.value.items : [member.value]
    const values = nodes.map(item => readComparable(item, 'A filter value', problems))
    if (nodes.length === 0) problems.add(member.value, 'missing_field', 'A filter has at least one value.')
    filters.set(
      path,
      values.filter(value => value !== undefined),
    )
  }
  return filters
}

function readDimensions(reader: FieldReader, problems: Problems): string[] {
  const names: string[] = []
  for (const item of reader.list('dimensions') ?? []) {
    const name = readText(item, 'dimensions', problems)
    if (name === undefined) continue
    if (names.includes(name))
      problems.add(item, 'duplicate_dimension', `The dimension ${name} is given twice.`)
    names.push(name)
  }
  return names
}

function readPlan(
  node: SourceNode,
  scope: MeterScope | undefined,
  seen: Set<string>,
  problems: Problems,
): Plan | undefined {
  const map = asMap(node, 'A plan', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const id = reader.requiredText('plan')
  const version = reader.requiredField('version') && reader.whole('version', 1, maxPlanVersion)
  if (id !== undefined && version !== undefined) {
    const key = `${version}:${id}`
    const message = `Version ${version} of the plan ${id} is given twice.`
    if (seen.has(key)) reader.fault('version', 'duplicate_plan_version', message)
    seen.add(key)
  }
  const currency = reader.requiredText('currency')
  if (currency !== undefined && minorUnits(currency) === undefined) {
    reader.fault('currency', 'unknown_currency', `${currency} is not a currency of ISO 4217, such as USD.`)
  }
  const periods = ['day', 'week', 'month', 'quarter', 'year'] as const
  const billingPeriod = reader.requiredChoice('billing_period', periods)
  const proration = reader.choice('proration', ['second', 'day'] as const) ?? 'second'
  const rounding = reader.choice('rounding', ['half_up', 'half_even'] as const) ?? 'half_up'
  const minimumWhenSuspended = reader.flag('minimum_when_suspended') ?? false
  const prices = readPrices(reader, scope, problems)
  reader.refuseOthers('a plan')
  if (id === undefined || version === undefined || currency === undefined || billingPeriod === undefined) {
    return undefined
  }
  return { plan: id, version, currency, billingPeriod, proration, rounding, minimumWhenSuspended, prices }
}

function readPrices(reader: FieldReader, scope: MeterScope | undefined, problems: Problems): Price[] {
  const prices = new Map<string, Price>()
  const places = new Set<string>()
  for (const item of reader.list('prices', reader.requiredField('prices')) ?? []) {
    const id = item.kind === 'map' ? item.members.get('price')?.value : undefined
    const name = id?.kind === 'scalar' && typeof id.value === 'string' ? id.value : undefined
    if (id !== undefined && name !== undefined) {
      if (places.has(name)) problems.add(id, 'duplicate_price', `The plan has two prices ${name}.`)
      places.add(name)
    }
    const price = readPrice(item, scope, problems)
    if (price !== undefined) prices.set(price.price, price)
  }
  return [...prices.values()]
}
