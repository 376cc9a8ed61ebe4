// Tests reading catalogs from text: exact numbers, and the position of every fault.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseJson } from '../json/json-text.js'
import { formatScaled } from '../money/decimal.js'
import { packageRoot } from '../package-root.js'
import type { Catalog } from './catalog.js'
import {
  catalogToWire,
  mergeCatalogs,
  parseCatalog,
  parseCatalogValue,
  parsePrice,
} from './catalog-parser.js'

const golden = (name: string) => readFileSync(new URL(`schemas/golden/${name}`, packageRoot), 'utf8')

function whole(text: string): Catalog {
  const parsed = parseCatalog(text, 'catalog.yaml')
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return parsed.catalog
}

function faults(text: string): string[] {
  const parsed = parseCatalog(text, 'c.yaml')
  return parsed.kind === 'ok'
    ? []
    : parsed.problems.map(problem => `${problem.line} ${problem.code} ${problem.path}`)
}

/** A catalog whose one plan has one price on one meter with the dimension `model`. */
function withPrice(price: string): string {
  return `meters: [{ meter: m, event_type: e, aggregation: sum, value: v, dimensions: [model] }]
plans:
  - { plan: p, version: 1, currency: USD, billing_period: month, prices: [${price}] }`
}

const usage = (model: string) => withPrice(`{ price: x, kind: usage, meter: m, ${model} }`)
const codes = (text: string) => faults(text).map(fault => fault.split(' ')[1])

test('the golden catalog means its canonical JSON, and is read back from it', () => {
  const catalog = whole(golden('catalog.yaml'))
  const wire = catalogToWire(catalog)
  expect(wire).toEqual(JSON.parse(golden('catalog.json')))
  expect(parseCatalogValue(wire)).toEqual({ kind: 'ok', catalog })
  expect(whole(golden('catalog.json'))).toEqual(catalog)
})

test('numbers are what was written, not what a double makes of them', () => {
  const [price] = whole(usage('model: per_unit, unit_amount: 12345678901234567890.123456789012')).plans[0]!
    .prices
  if (price?.kind !== 'usage' || price.model.model !== 'per_unit') throw new Error('wrong model')
  expect(formatScaled(price.model.unitAmount)).toBe('12345678901234567890.123456789012')
  const json =
    '{"meters":[],"plans":[{"plan":"p","version":1,"currency":"USD","billing_period":"day","prices":[' +
    '{"price":"b","kind":"recurring","amount":0.100000000001,"per":"unit","timing":"in_arrears"}]}]}'
  expect(catalogToWire(whole(json)).plans[0]).toMatchObject({ prices: [{ amount: '0.100000000001' }] })
})

test('a number that events are compared with is its plain text, however it is written', () => {
  const meter = (filters: string) =>
    `meters: [{ meter: m, event_type: t, aggregation: count, filters: { a: ${filters} } }]\nplans: []`
  const texts = (filters: string) => [...whole(meter(filters)).meters[0]!.filters.values()][0]?.anyOf
  const written =
    '[1.0, 1e2, -0.0, 1.50, 9007199254740993, 1234567890123456789.0, 0x1F, 0o17, .5, 5., +7, "1.0", true]'
  expect(texts(written)).toEqual([
    ...['1', '100', '0', '1.5', '9007199254740993', '1234567890123456789', '31', '15', '0.5', '5', '7'],
    ...['1.0', 'true'],
  ])
  expect(texts('[0xFFFFFFFFFFFFFFFF, 12345678901234567890123456789012345678]')).toEqual([
    '18446744073709551615',
    '12345678901234567890123456789012345678',
  ])
  expect(codes(meter('[1e-13, 1e38, 1e-999999999, .inf, .nan]'))).toEqual([
    ...['value_out_of_range', 'value_out_of_range', 'value_out_of_range', 'wrong_type', 'wrong_type'],
  ])
  const key =
    'meters: [{ meter: m, event_type: t, aggregation: count, filters: { 9007199254740993: x } }]\nplans: []'
  expect([...whole(key).meters[0]!.filters.keys()]).toEqual(['9007199254740993'])
})

test('a catalog in an event has the digits that were sent', () => {
  const text =
    '{"meters":[{"meter":"m","event_type":"t","aggregation":"sum","value":"v","dimensions":["d"],' +
    '"filters":{"f":[9007199254740993,1.0]}}],"plans":[{"plan":"p","version":1.0,"currency":"USD",' +
    '"billing_period":"month","prices":[{"price":"x","kind":"usage","meter":"m","model":"matrix",' +
    '"cells":[{"when":{"d":1234567890123456789},"unit_amount":1234567890123456.789}]}]}]}'
  const json = parseJson(text)
  const parsed = parseCatalogValue(json.kind === 'ok' ? json.value : undefined)
  expect(parsed).toEqual({ kind: 'ok', catalog: whole(text) })
  const wire = catalogToWire(whole(text))
  expect(wire.meters[0]).toMatchObject({ filters: { f: ['9007199254740993', '1'] } })
  expect(wire.plans[0]).toMatchObject({
    prices: [{ cells: [{ when: { d: '1234567890123456789' }, unit_amount: '1234567890123456.789' }] }],
  })
})

test('defaults are those of the contract', () => {
  const catalog = whole(usage('model: per_unit, unit_amount: 1'))
  expect(catalog.plans[0]).toMatchObject({ proration: 'second', rounding: 'half_up' })
  expect(catalog.plans[0]!.prices[0]).toMatchObject({ included: 0n, discountPercent: 0n, prorate: false })
  expect(catalog.meters[0]).toMatchObject({ allowNegative: false })
})

test('every fault is found at once, with line and path', () => {
  const text = `meters:
  - meter: a
    event_type: e
    aggregation: sum
  - meter: a
    event_type: e
    aggregation: total
    colour: red
plans:
  - plan: p
    version: 0
    currency: XXX
    billing_period: fortnight
    prices:
      - { price: x, kind: usage, meter: nope, model: per_unit, unit_amount: -1 }
      - { price: x, kind: recurring, amount: "1,5", per: seat }
`
  expect(faults(text)).toEqual([
    '2 missing_field /meters/0',
    '5 duplicate_meter /meters/1/meter',
    '7 invalid_value /meters/1/aggregation',
    '8 unknown_key /meters/1/colour',
    '11 invalid_value /plans/0/version',
    '12 unknown_currency /plans/0/currency',
    '13 invalid_value /plans/0/billing_period',
    '15 unknown_meter /plans/0/prices/0/meter',
    '15 negative_value /plans/0/prices/0/unit_amount',
    '16 missing_field /plans/0/prices/1',
    '16 duplicate_price /plans/0/prices/1/price',
    '16 invalid_value /plans/0/prices/1/amount',
    '16 invalid_value /plans/0/prices/1/per',
  ])
})

test.each([
  ['unknown_key', 'model: per_unit, unit_amount: 1, tiers: []'],
  ['negative_value', 'model: per_unit, unit_amount: -1, allow_negative: false'],
  ['unknown_key', 'model: package, package_size: 1, package_amount: 1, allow_negative: true'],
  ['unknown_key', 'model: per_unit, unit_amount: 1, unit_amout: 1'],
  ['missing_field', 'model: per_unit'],
  ['invalid_value', 'model: flat, unit_amount: 1'],
  ['missing_field', 'unit_amount: 1'],
  ['missing_field', 'model: volume, tiers: []'],
  ['unsorted_tiers', 'model: graduated, tiers: [{ up_to: 10 }, { up_to: 10 }, { up_to: null }]'],
  ['unsorted_tiers', 'model: graduated, tiers: [{ up_to: 10 }, { up_to: 5 }, { up_to: null }]'],
  ['last_tier_not_open', 'model: volume, tiers: [{ up_to: 10 }]'],
  ['open_tier_not_last', 'model: volume, tiers: [{ up_to: null }, { up_to: null }]'],
  ['missing_field', 'model: volume, tiers: [{ unit_amount: 1 }]'],
  ['value_out_of_range', 'model: volume, tiers: [{ up_to: 0 }, { up_to: null }]'],
  ['negative_value', 'model: volume, tiers: [{ up_to: null, flat_amount: -1 }]'],
  ['value_out_of_range', 'model: package, package_size: 0, package_amount: 1'],
  ['negative_value', 'model: package, package_size: -1, package_amount: 1'],
  ['negative_value', 'model: percentage, rate: -1'],
  ['value_out_of_range', 'model: percentage, rate: 1, per_event_minimum: 2, per_event_maximum: 1'],
  ['invalid_value', 'model: percentage, rate: 1, free_events: 1.5'],
  [
    'duplicate_cell',
    'model: matrix, cells: [{ when: { model: a }, unit_amount: 1 }, { when: { model: a }, unit_amount: 2 }]',
  ],
  ['missing_field', 'model: matrix, cells: []'],
  ['invalid_value', 'model: matrix, cells: [{ when: { model: a }, model: percentage, rate: 5 }]'],
  ['unknown_key', 'model: matrix, cells: [], default: { unit_amount: 1, flat_amout: 2 }'],
  ['invalid_value', 'model: matrix, cells: [], default_unit_amount: 1, default: { unit_amount: 1 }'],
  [
    'unknown_key',
    'model: matrix, cells: [{ when: { model: a }, model: package, package_size: 1, package_amount: 1, flat_amount: 1 }]',
  ],
  ['missing_field', 'model: matrix, cells: [{ when: { model: a }, flat_amount: 1 }]'],
  ['missing_field', 'model: matrix, cells: [{ when: { model: a }, model: volume }]'],
  ['missing_field', 'model: matrix, cells: [{ when: {}, unit_amount: 1 }]'],
  ['unknown_dimension', 'model: matrix, cells: [{ when: { colour: a }, unit_amount: 1 }]'],
  ['value_out_of_range', 'model: per_unit, unit_amount: 0.0000000000001'],
  ['value_out_of_range', 'model: per_unit, unit_amount: 1e400'],
  ['invalid_value', 'model: per_unit, unit_amount: .inf'],
  ['invalid_value', 'model: per_unit, unit_amount: 0x10'],
  ['invalid_value', 'model: per_unit, unit_amount: true'],
  ['value_out_of_range', `model: per_unit, unit_amount: ${'9'.repeat(60)}`],
  ['value_out_of_range', 'model: per_unit, unit_amount: 1, discount_percent: 100.01'],
  ['missing_field', 'model: per_unit, unit_amount: 1, discount_periods: 3'],
  ['invalid_value', 'model: per_unit, unit_amount: 1, discount_percent: 5, discount_periods: 0'],
  ['value_out_of_range', 'model: per_unit, unit_amount: 1, minimum: 2, maximum: 1'],
  ['wrong_type', 'model: per_unit, unit_amount: 1, prorate: 1'],
  ['invalid_value', 'model: per_unit, unit_amount: 1, timing: in_advance'],
])('%s: a price with %s', (code, model) => {
  expect(codes(usage(model))).toEqual([code])
})

/** A matrix over the dimensions a to d, its first cell in line 13. */
function matrixOf(whens: readonly string[]): string {
  const cells = whens.map(when => `          - { when: ${when}, unit_amount: 1 }\n`)
  return `meters: [{ meter: m, event_type: e, aggregation: sum, value: v, dimensions: [a, b, c, d] }]
plans:
  - plan: p
    version: 1
    currency: USD
    billing_period: month
    prices:
      - price: x
        kind: usage
        meter: m
        model: matrix
        cells:
${cells.join('')}`
}

test.each([
  ['of one dimension each', ['{ a: 1 }', '{ b: 1 }']],
  ['of two dimensions each, none shared', ['{ a: 1, b: 1 }', '{ c: 1, d: 1 }']],
  ['that agree in the dimension they share', ['{ a: 1, b: 1 }', '{ c: 1, a: "1" }']],
  ['with others between them', ['{ a: 1, b: 1 }', '{ a: 2, b: 1 }', '{ c: 1 }', '{ c: 1, b: 1 }']],
  ['although a third names what both do', ['{ a: 1 }', '{ a: 1, b: 1 }', '{ b: 1 }']],
])('two cells that an event can match alike are refused: %s', (_what, whens) => {
  const last = whens.length - 1
  expect(faults(matrixOf(whens))).toEqual([
    `${13 + last} ambiguous_cells /plans/0/prices/0/cells/${last}/when`,
  ])
})

test.each([
  ['exclude each other by one value', ['{ a: 1, b: 1 }', '{ a: 2, c: 1 }']],
  ['name different numbers of dimensions', ['{ a: 1 }', '{ b: 1, c: 1 }']],
  ['name the same dimensions with other values', ['{ a: 1, b: 1 }', '{ a: 1, b: 2 }']],
])('two cells that %s are taken', (_what, whens) => {
  expect(faults(matrixOf(whens))).toEqual([])
})

test('cells of ever other dimensions are refused before they are compared', () => {
  const cells = Array.from({ length: 2_000 }, (_, n) => `{ when: { a: ${n}, d${n}: 1 }, unit_amount: 1 }`)
  expect(codes(usage(`model: matrix, cells: [${cells.join()}]`))).toContain('value_out_of_range')
})

test.each([
  ['missing_field', 'aggregation: sum'],
  ['unknown_key', 'aggregation: count, value: v'],
  ['missing_field', 'aggregation: percentile, value: v'],
  ['unknown_key', 'aggregation: sum, value: v, percentile: 95'],
  ['value_out_of_range', 'aggregation: percentile, value: v, percentile: 0'],
  ['value_out_of_range', 'aggregation: percentile, value: v, percentile: 100.1'],
  ['invalid_value', 'aggregation: sum, value: a..b'],
  ['missing_field', 'aggregation: count, filters: { region: [] }'],
  ['wrong_type', 'aggregation: count, filters: { region: [[a]] }'],
  ['missing_field', 'aggregation: count, filters: { region: {} }'],
  ['missing_field', 'aggregation: count, filters: { region: { not: [] } }'],
  ['wrong_type', 'aggregation: count, filters: { region: { not: { a: 1 } } }'],
  ['unknown_key', 'aggregation: count, filters: { region: { in: [eu] } }'],
  ['invalid_value', 'aggregation: count, filters: { n: { gte: much } }'],
  ['value_out_of_range', 'aggregation: count, filters: { n: { gte: 1e-13 } }'],
  ['invalid_value', 'aggregation: count, filters: { n: { gt: 1, gte: 2 } }'],
  ['invalid_value', 'aggregation: count, filters: { n: { lt: 1, lte: 2 } }'],
  ['empty_range', 'aggregation: count, filters: { n: { gte: 10, lt: 10 } }'],
  ['empty_range', 'aggregation: count, filters: { n: { gt: 10, lte: 9 } }'],
  ['empty_range', 'aggregation: count, filters: { n: { gte: 5, lte: 5, not: 5.0 } }'],
  ['duplicate_dimension', 'aggregation: count, dimensions: [a, a]'],
  ['wrong_type', 'aggregation: count, dimensions: [5]'],
])('%s: a meter with %s', (code, fields) => {
  expect(codes(`meters: [{ meter: m, event_type: e, ${fields} }]`)).toEqual([code])
})

test.each([
  ['missing_field', ''],
  ['missing_field', 'event_types: [],'],
  ['wrong_type', 'event_types: t,'],
  ['wrong_type', 'event_types: [5],'],
  ['invalid_value', 'event_types: [t, weir.usage],'],
  ['invalid_value', 'event_types: [t], event_type: t,'],
  ['duplicate_event_type', 'event_types: [t, u, t],'],
])('%s: a meter with %s', (code, types) => {
  expect(codes(`meters: [{ meter: m, ${types} aggregation: count }]`)).toEqual([code])
})

test('a meter of several types is read back; one alone is event_type', () => {
  const wire = (types: string) =>
    catalogToWire(whole(`meters: [{ meter: m, ${types}, aggregation: count }]`)).meters[0]
  expect(wire('event_types: [t, u]')).toMatchObject({ event_types: ['t', 'u'] })
  expect(wire('event_types: [t]')).toEqual(wire('event_type: t'))
})

test('a meter of our own events is refused', () => {
  expect(codes('meters: [{ meter: m, event_type: weir.usage, aggregation: count }]')).toEqual([
    'invalid_value',
  ])
})

test('a key that stands twice is named, quoted or not', () => {
  const parsed = parseCatalog('meters: []\n\'meters\': []\n"two words": 1\ntwo words: 2\n', 'c.yaml')
  const messages = parsed.kind === 'invalid' ? parsed.problems.map(({ message }) => message) : []
  expect(messages).toEqual(["'meters' is there already.", 'two words is there already.'])
})

test.each([
  ['syntax', 'plans: [', 1],
  ['syntax', 'a: b: c', 1],
  ['duplicate_key', 'meters: []\nmeters: []', 2],
  ['wrong_type', '', 1],
  ['wrong_type', '- a', 1],
  ['wrong_type', 'meters: 5', 1],
  ['syntax', '--- {}\n--- {}', 2],
  ['source_too_deep', `meters: ${'['.repeat(10_000)}${']'.repeat(10_000)}`, 1],
])('%s: %.30s', (code, text, line) => {
  const parsed = parseCatalog(text, 'c.yaml')
  if (parsed.kind === 'ok') throw new Error('taken')
  expect(parsed.problems[0]).toMatchObject({ file: 'c.yaml', code, line })
})

test('aliases cannot blow the tree up', () => {
  expect(codes('a: &a [*a]')).toContain('syntax')
  const levels = Array.from({ length: 12 }, (_, level) => {
    const entries = Array.from({ length: 10 }, () => (level === 0 ? 'x' : `*l${level - 1}`)).join(', ')
    return `l${level}: &l${level} [${entries}]`
  })
  expect(codes(levels.join('\n'))).toContain('syntax')
})

test('a part of a catalog may name meters that it does not hold; merging checks them', () => {
  const price = { price: 'x', kind: 'usage', meter: 'tokens_in', model: 'per_unit', unit_amount: 1 }
  const value = {
    plans: [{ plan: 'new', version: 1, currency: 'USD', billing_period: 'month', prices: [price] }],
  }
  expect(parseCatalogValue(value)).toMatchObject({
    problems: [{ code: 'unknown_meter', path: '/plans/0/prices/0/meter', file: '', line: 0 }],
  })
  const part = parseCatalogValue(value, 'part')
  if (part.kind === 'invalid') throw new Error('not a part')
  const base = whole(golden('catalog.yaml'))
  const merged = mergeCatalogs(base, part.catalog)
  if (merged.kind === 'conflict') throw new Error(merged.rejection.detail)
  expect(merged.catalog.plans.length).toBe(base.plans.length + 1)
  expect(mergeCatalogs({ meters: [], plans: [] }, part.catalog)).toMatchObject({
    kind: 'conflict',
    rejection: { code: 'invalid_catalog' },
  })
})

test('a published version never changes, and the same again is no conflict', () => {
  const base = whole(golden('catalog.yaml'))
  expect(mergeCatalogs(base, base)).toEqual({ kind: 'ok', catalog: base })
  const plan = base.plans[0]!
  const other = { meters: [], plans: [{ ...plan, currency: 'EUR' }] }
  expect(mergeCatalogs(base, other)).toMatchObject({ rejection: { code: 'conflicting_catalog' } })
  const meter = { meters: [{ ...base.meters[0]!, unit: 'word' }], plans: [] }
  expect(mergeCatalogs(base, meter)).toMatchObject({ rejection: { code: 'conflicting_catalog' } })
  const next = mergeCatalogs(base, { meters: [], plans: [{ ...plan, version: 3 }] })
  expect(next.kind === 'ok' && next.catalog.plans.length).toBe(base.plans.length + 1)
})

test('a price alone is read for overrides, and refused with a pointer', () => {
  const price = { price: 'x', kind: 'usage', meter: 'anything', model: 'per_unit', unit_amount: '0.5' }
  expect(parsePrice(price)).toMatchObject({ kind: 'ok', value: { price: 'x', meter: 'anything' } })
  expect(parsePrice({ ...price, unit_amount: -1 })).toMatchObject({
    rejection: { code: 'invalid_catalog', pointer: '/unit_amount' },
  })
  expect(parsePrice({ ...price, unit_amount: -1, extra: 1 })).toMatchObject({
    rejection: { code: 'invalid_data', pointer: '/extra' },
  })
  expect(parsePrice(5)).toMatchObject({ rejection: { code: 'invalid_catalog', pointer: '' } })
})

test('an unknown key of a catalog, at every depth, is told with the nearest known name', () => {
  const messages = (catalog: unknown) => {
    const parsed = parseCatalogValue(catalog)
    return parsed.kind === 'ok' ? [] : parsed.problems.map(one => one.message)
  }
  const price = { price: 'a', kind: 'recurring', amount: '1', per: 'unit', timing: 'in_advance' }
  const tiers = [{ up_to: null, unit_amout: '1' }]
  const usage = { price: 'u', kind: 'usage', meter: 'm', model: 'volume', tiers }
  const plan = { plan: 'p', version: 1, currency: 'USD', billing_period: 'month', prices: [price] }
  const meter = { meter: 'm', event_type: 't', aggregation: 'count' }
  for (const [catalog, nearest] of [
    [{ metres: [] }, 'meters'],
    [{ meters: [{ ...meter, filter: {} }] }, 'filters'],
    [{ plans: [{ ...plan, billing: 'month' }] }, 'billing_period'],
    [{ plans: [{ ...plan, prices: [{ ...price, discount: '5' }] }] }, 'discount_percent'],
    [{ meters: [meter], plans: [{ ...plan, prices: [usage] }] }, 'unit_amount'],
  ] as const) {
    expect(messages(catalog)).toEqual([expect.stringContaining(`the nearest known name is ${nearest};`)])
  }
})

test('an override whose cells an event can match alike is refused', () => {
  const cells = [
    { when: { region: 'eu' }, unit_amount: '1' },
    { when: { model: 'small' }, unit_amount: '2' },
  ]
  expect(parsePrice({ price: 'x', kind: 'usage', meter: 'm', model: 'matrix', cells })).toMatchObject({
    rejection: { code: 'invalid_catalog', pointer: '/cells/1/when' },
  })
})

test('a __proto__ key is an unknown key', () => {
  expect(codes('__proto__: {}')).toEqual(['unknown_key'])
  expect(parseCatalogValue(JSON.parse('{"__proto__": {"meters": []}}'))).toMatchObject({
    problems: [{ code: 'unknown_key', path: '/__proto__' }],
  })
})
