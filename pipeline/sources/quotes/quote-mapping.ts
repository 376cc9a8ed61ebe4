// Reads the mapping file of quotes (docs/quote-to-subscription.md): every fault comes with its line and the nearest known name.
// Plans and prices are held against the catalog file that it names.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type BillingPeriod, readBillingPeriod } from '../../../schemas/catalog/billing-period.js'
import type { Plan } from '../../../schemas/catalog/catalog.js'
import { parseCatalog } from '../../../schemas/catalog/catalog-parser.js'
import { asMap, FieldReader } from '../../../schemas/catalog/catalog-reader.js'
import {
  type MapNode,
  Problems,
  readSourceText,
  type SourceNode,
} from '../../../schemas/catalog/catalog-source.js'
import { pricesOfPlan } from '../../../schemas/catalog/phases.js'
import { isTimezone } from '../../../schemas/json/wire-fields.js'
import { nearestHint } from '../../../schemas/nearest-name.js'
import type { ReadMapping } from '../source-kind.js'
import { readTests } from '../standard/read-tests.js'
import { type Fields, fieldNames, fieldPlaces } from './fields.js'
import {
  type EntityRule,
  netPriceRules,
  type ProductRule,
  type QuoteRules,
  subscriptionPer,
} from './quote-rules.js'

export function readQuoteMapping(text: string, file: string): ReadMapping<QuoteRules> {
  const problems = new Problems(file)
  const root = readSourceText(text, problems)
  const map = root === undefined ? undefined : asMap(root, 'A mapping', problems)
  const read = map === undefined ? undefined : readRoot(map, file, problems)
  if (read === undefined || problems.count > 0) return { kind: 'invalid', problems: problems.inOrder() }
  return { kind: 'ok', rules: read.rules, files: read.files }
}

function readRoot(
  map: MapNode,
  file: string,
  problems: Problems,
): { readonly rules: QuoteRules; readonly files: readonly string[] } {
  const reader = new FieldReader(map, problems)
  const timezone = reader.text('timezone') ?? 'UTC'
  if (!isTimezone(timezone))
    reader.fault('timezone', 'invalid_value', `${timezone} is no time zone (IANA), such as Europe/Berlin.`)
  const catalog = readCatalog(reader, file)
  const products = readProducts(reader, catalog?.plans, problems)
  const rules: QuoteRules = {
    timezone,
    fields: readFields(reader.field('fields'), problems),
    startDefault: reader.choice('start_default', ['none', 'close_date']) ?? 'none',
    endDate: reader.choice('end_date', ['last_day', 'day_after']) ?? 'last_day',
    term: reader.choice('term', ['required', 'optional']) ?? 'required',
    entity: readEntity(reader.field('entity'), problems),
    terms: readTexts(reader.field('terms'), 'terms', problems),
    sellsTo: readSellsTo(reader.field('sells_to'), problems),
    frequencies: readFrequencies(reader.field('billing_frequency'), problems),
    per: reader.choice('subscription_per', subscriptionPer) ?? 'quote',
    products,
    plans: catalog?.plans,
    tests: readTests(reader.list('tests') ?? [], problems),
  }
  reader.refuseOthers('a mapping of quotes')
  return { rules, files: catalog === undefined ? [] : [catalog.path] }
}

function readCatalog(
  reader: FieldReader,
  file: string,
): { readonly plans: readonly Plan[]; readonly path: string } | undefined {
  const name = reader.text('catalog')
  if (name === undefined) return undefined
  const path = resolve(dirname(file), name)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    reader.fault('catalog', 'file_unreadable', `${path} cannot be read: ${code}.`)
    return undefined
  }
  const parsed = parseCatalog(text, path)
  if (parsed.kind === 'ok') return { plans: parsed.catalog.plans, path }
  const [first] = parsed.problems
  reader.fault(
    'catalog',
    'invalid_catalog',
    `${path}:${first?.line ?? 1}: ${first?.message ?? 'It is wrong.'}`,
  )
  return undefined
}

function readFields(node: SourceNode | undefined, problems: Problems): Fields {
  const found: Record<keyof Fields, Record<string, string>> = { quote: {}, line: {}, account: {} }
  const map = node && asMap(node, 'The field fields', problems)
  if (map === undefined) return found
  const reader = new FieldReader(map, problems)
  for (const place of fieldPlaces) {
    const of = reader.field(place)
    const names = of && asMap(of, `The field ${place}`, problems)
    if (names === undefined) continue
    const one = new FieldReader(names, problems)
    for (const name of fieldNames[place]) {
      const path = one.text(name)
      if (path !== undefined) found[place][name] = path
    }
    one.refuseOthers(`the fields of ${place}`)
  }
  reader.refuseOthers('fields')
  return found
}

function readEntity(node: SourceNode | undefined, problems: Problems): EntityRule {
  if (node === undefined) return { kind: 'none' }
  if (node.kind === 'scalar')
    return node.value === 'identity' ? { kind: 'identity' } : { kind: 'constant', entity: node.text }
  const map = asMap(node, 'The field entity', problems)
  if (map === undefined) return { kind: 'none' }
  const reader = new FieldReader(map, problems)
  const of = reader.requiredField('map')
  const values = of && readTextMap(of, 'map', problems)
  reader.refuseOthers('entity')
  return { kind: 'map', map: values ?? new Map() }
}

function readSellsTo(
  node: SourceNode | undefined,
  problems: Problems,
): ReadonlyMap<string, readonly string[]> | undefined {
  const map = node && asMap(node, 'The field sells_to', problems)
  if (map === undefined) return undefined
  const entries = [...map.members].map(([entity, { value }]) => {
    const countries = readTexts(value, entity, problems) ?? []
    for (const one of countries)
      if (!/^[A-Z]{2}$/.test(one))
        problems.add(value, 'invalid_value', `${one} is no country of two capital letters (ISO 3166).`)
    return [entity, countries] as const
  })
  return new Map(entries)
}

function readFrequencies(
  node: SourceNode | undefined,
  problems: Problems,
): ReadonlyMap<string, BillingPeriod> | undefined {
  const map = node && asMap(node, 'The field billing_frequency', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const entries = [...map.members.keys()].flatMap(word => {
    const period = readBillingPeriod(reader, problems, word)
    return period === undefined ? [] : [[word, period] as const]
  })
  return new Map(entries)
}

function readProducts(
  reader: FieldReader,
  plans: readonly Plan[] | undefined,
  problems: Problems,
): ReadonlyMap<string, ProductRule> {
  const found = new Map<string, ProductRule>()
  for (const node of reader.list('products', reader.requiredField('products')) ?? []) {
    const map = asMap(node, 'A product', problems)
    if (map === undefined) continue
    const one = new FieldReader(map, problems)
    const names = readTexts(one.requiredField('product'), 'product', problems) ?? []
    const rule = readProduct(one, plans, problems)
    one.refuseOthers('a product')
    for (const name of names) {
      if (found.has(name)) problems.add(map, 'duplicate', `The product ${name} stands twice.`)
      if (rule !== undefined) found.set(name, rule)
    }
  }
  return found
}

function readProduct(
  reader: FieldReader,
  plans: readonly Plan[] | undefined,
  problems: Problems,
): ProductRule | undefined {
  const given = ['plan', 'price', 'ignore'].filter(name => reader.hasKey(name))
  const [plan, version] = [reader.text('plan'), reader.whole('plan_version', 1, 2 ** 32 - 1)]
  const [price, netPrice] = [reader.text('price'), reader.choice('net_price', netPriceRules)]
  const reason = reader.text('ignore')
  if (given.length !== 1)
    return problems.add(reader.node, 'invalid_value', 'A product has exactly one of plan, price and ignore.')
  if (plan !== undefined) {
    const names = plans?.map(one => one.plan)
    if (names !== undefined && !names.includes(plan))
      reader.fault('plan', 'unknown_plan', `The catalog has no plan ${plan}${nearestHint(plan, names)}.`)
    else if (
      version !== undefined &&
      plans?.some(one => one.plan === plan && one.version === version) === false
    )
      reader.fault(
        'plan_version',
        'unknown_plan',
        `The catalog has no version ${version} of the plan ${plan}.`,
      )
    return { kind: 'plan', plan, version }
  }
  if (price !== undefined) {
    const names = plans?.flatMap(one => pricesOfPlan(one).map(of => of.price))
    if (names !== undefined && !names.includes(price))
      reader.fault(
        'price',
        'unknown_price',
        `No plan of the catalog has a price ${price}${nearestHint(price, names)}.`,
      )
    return { kind: 'price', price, netPrice: netPrice ?? 'override' }
  }
  return reason === undefined ? undefined : { kind: 'ignore', reason }
}

function readTextMap(node: SourceNode, what: string, problems: Problems): ReadonlyMap<string, string> {
  const map = asMap(node, `The field ${what}`, problems)
  const reader = map && new FieldReader(map, problems)
  const entries = [...(map?.members.keys() ?? [])].flatMap(name => {
    const text = reader?.text(name)
    return text === undefined ? [] : [[name, text] as const]
  })
  return new Map(entries)
}

/** One text or a list of them. */
function readTexts(
  node: SourceNode | undefined,
  what: string,
  problems: Problems,
): readonly string[] | undefined {
  if (node === undefined) return undefined
  const items = node.kind === 'list' ? node.items : [node]
  return items.flatMap(item => {
    if (item.kind === 'scalar' && item.value !== null) return [item.text]
    problems.add(item, 'wrong_type', `The field ${what} is a text, or a list of texts.`)
    return []
  })
}
