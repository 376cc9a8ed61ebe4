// What files change in a catalog: new, unchanged, refused; and files that are one catalog together.

import { expect, test } from 'vitest'
import { addedCatalog, catalogChanges } from './catalog-changes.js'
import { parseCatalog, parseCatalogFiles } from './catalog-parser.js'

const meters = `meters:
  - { meter: tokens, event_type: llm.request, aggregation: sum, value: tokens }
`
const plan = (version: number, more = '') => `plans:
  - plan: pro
    version: ${version}
    currency: USD
    billing_period: month
    prices:
      - { price: base, kind: recurring, amount: "99", per: subscription, timing: in_advance }
      - price: tokens
        kind: usage
        meter: tokens
        model: graduated
        tiers:
          - { up_to: "10", unit_amount: "0.30" }
          - { up_to: null, unit_amount: "0.20" }
${more}`

function published(text: string) {
  const parsed = parseCatalog(text, 'published.yaml')
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return parsed.catalog
}

function changes(text: string, against = `${meters}${plan(1)}`) {
  const known = published(against)
  const parsed = parseCatalogFiles([{ file: 'new.yaml', text }], known)
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  const found = catalogChanges(known, parsed.catalog, parsed.items)
  return { found, added: addedCatalog(parsed.catalog, found) }
}

test('a new version is told field by field against the newest, with the lines of the file', () => {
  const text = plan(2)
    .replace('"99"', '"79"')
    .replace('unit_amount: "0.30"', 'unit_amount: "0.40"')
    .replace('month', 'quarter')
  const { found, added } = changes(text)
  expect(found).toEqual([
    {
      ...{ kind: 'plan', name: 'pro', version: 2, outcome: 'added', from_version: 1 },
      ...{ file: 'new.yaml', line: 2, detail: null },
      fields: [
        { path: 'billing_period', before: 'month', after: 'quarter', line: 5 },
        { path: 'prices/base/amount', before: '99', after: '79', line: 7 },
        { path: 'prices/tokens/tiers/0/unit_amount', before: '0.3', after: '0.4', line: 13 },
      ],
    },
  ])
  expect([added.meters, added.plans.length]).toEqual([[], 1])
})

test('prices are compared by name, wherever they stand; what is added and removed is told whole', () => {
  const text = `plans:
  - plan: pro
    version: 2
    currency: USD
    billing_period: month
    prices:
      - { price: support, kind: recurring, amount: "5", per: subscription, timing: in_advance }
      - { price: base, kind: recurring, amount: "99.00", per: subscription, timing: in_advance }
`
  const [change] = changes(text).found
  expect(
    change?.fields.map(({ path, before, after, line }) => [path, before === null, after === null, line]),
  ).toEqual([
    ['prices/support', true, false, 7],
    ['prices/tokens', false, true, 6],
  ])
})

test('the same content is unchanged however it is spelt, and is not published again', () => {
  const text = `${meters}${plan(1).replace('"99"', '99.000').replace('"0.30"', '0.3')}`
  const { found, added } = changes(text)
  expect(found.map(({ kind, outcome }) => [kind, outcome])).toEqual([
    ['meter', 'unchanged'],
    ['plan', 'unchanged'],
  ])
  expect(added).toEqual({ meters: [], plans: [] })
})

test('other content under what is published is refused, each with what to do', () => {
  const coupon = 'coupons:\n  - { code: TEN, percent_off: "10" }\n'
  const schema = 'schemas:\n  - { event_type: llm.request, version: 1, schema: { type: object } }\n'
  const against = `${meters}${plan(1)}${plan(4).replace('plans:\n', '')}${coupon}${schema}`
  const text = `${meters.replace('sum', 'max')}${plan(1).replace('"99"', '"98"')}${coupon.replace('"10"', '"11"')}${schema.replace('{ type: object }', '{ type: object, minProperties: 1 }')}`
  const { found, added } = changes(text, against)
  expect(found.map(({ outcome }) => outcome)).toEqual(['refused', 'refused', 'refused', 'refused'])
  expect(found.map(({ detail }) => detail)).toEqual([
    'The meter tokens is published with other content. Give this one another name, and its prices a new version of their plan.',
    'Version 1 of the plan pro is published with other content. Raise its version, to 5.',
    'The coupon TEN is published with other content. Give this one another code.',
    'Version 1 of the schema of llm.request is published with other content. Raise its version, to 2.',
  ])
  expect(added).toEqual({ meters: [], plans: [] })
})

test('a version below the newest is taken, and says who does not get it', () => {
  const [change] = changes(plan(1), `${meters}${plan(2)}`).found
  expect([change?.outcome, change?.detail]).toEqual([
    'added',
    'Version 2 is published and newer: who names no version goes on taking that one.',
  ])
})

test('a schema without from is as it was published, with its moment', () => {
  const schema = (from: string) =>
    `schemas:\n  - { event_type: a, version: 1, ${from}schema: { type: object, properties: { n: { minimum: 0.1 } } } }\n`
  const { found } = changes(schema(''), schema('from: "2026-10-01T00:00:00Z", '))
  expect(found.map(({ outcome }) => outcome)).toEqual(['unchanged'])
})

test('several files are one catalog, and each fault has its own file and line', () => {
  const files = [
    { file: 'plans.yaml', text: plan(1).replace('meter: tokens', 'meter: token') },
    { file: 'meters.yaml', text: `${meters}${meters.replace('meters:\n', '')}` },
    {
      file: 'more.yaml',
      text: `${plan(1)}coupons:\n  - { code: A, percent_off: "5", applies_to: [bass] }\n`,
    },
  ]
  const parsed = parseCatalogFiles(files)
  const told = parsed.kind === 'ok' ? [] : parsed.problems.map(one => `${one.file}:${one.line} ${one.code}`)
  expect(told).toEqual([
    'plans.yaml:10 unknown_meter',
    'meters.yaml:3 duplicate_meter',
    'more.yaml:3 duplicate_plan_version',
    'more.yaml:16 unknown_price',
  ])
  const whole = parseCatalogFiles([
    { file: 'plans.yaml', text: plan(1) },
    { file: 'meters.yaml', text: meters },
  ])
  expect(whole.kind === 'ok' && whole.items.map(({ of, file }) => [of, file])).toEqual([
    ['meters', 'meters.yaml'],
    ['plans', 'plans.yaml'],
  ])
})
