// Filters of a meter: which values pass, by hand and against the slow way; and what a refusal says.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from '../json/json-text.js'
import { scalarText } from '../json/scalar-text.js'
import { catalogToWire, parseCatalog, parseCatalogValue } from './catalog-parser.js'
import { type MeterFilter, passingText, passOf } from './meter-filter.js'

interface Vector {
  readonly name: string
  readonly source: string
  readonly filter: unknown
  /** JSON texts of the field's values; null: the field is missing. */
  readonly passes: readonly (string | null)[]
  readonly stops: readonly (string | null)[]
}

function filterOf(written: unknown): MeterFilter {
  const meter = { meter: 'm', event_type: 't', aggregation: 'count', filters: { f: written } }
  const parsed = parseCatalogValue({ meters: [meter], plans: [] })
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  expect(parseCatalogValue(catalogToWire(parsed.catalog))).toEqual(parsed)
  return parsed.catalog.meters[0]!.filters.get('f')!
}

function textOf(json: string | null): string | undefined {
  if (json === null) return undefined
  const value = parseJson(json)
  const text = value.kind === 'ok' ? scalarText(value.value) : undefined
  return typeof text === 'symbol' ? undefined : text
}

const { vectors } = JSON.parse(readFileSync(`${process.cwd()}/rating/golden/meter-filters.json`, 'utf8')) as {
  readonly vectors: readonly Vector[]
}

test.each(vectors)('$name ($source)', ({ filter, passes, stops }) => {
  const parsed = filterOf(filter)
  const pass = passOf(parsed)
  for (const json of passes) expect([json, pass(textOf(json))]).toEqual([json, true])
  for (const json of stops) expect([json, pass(textOf(json))]).toEqual([json, false])
  expect(pass(passingText(parsed))).toBe(true)
})

/** By aligning the digits, without any number. */
function compared(a: string, b: string): number {
  const [one, other] = [aligned(a), aligned(b)]
  if (one.sign !== other.sign) return one.sign - other.sign
  const wide = Math.max(one.whole.length, other.whole.length)
  const text = ({ whole, fraction }: typeof one) => whole.padStart(wide, '0') + fraction
  const [left, right] = [text(one), text(other)]
  return (left < right ? -1 : Number(left > right)) * (one.sign || 1)
}

function aligned(text: string) {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.')
  const isZero = /^0*$/.test(whole + fraction)
  return {
    sign: isZero ? 0 : text.startsWith('-') ? -1 : 1,
    whole: whole.replace(/^0+/, ''),
    fraction: fraction.padEnd(30, '0'),
  }
}

const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(
      fc.constantFrom('0', '7', '10', '99999999999999999999999999'),
      fc.stringMatching(/^[0-9]{1,30}$/),
    ),
    fc.oneof(fc.constantFrom('', '0', '000000000001'), fc.stringMatching(/^[0-9]{1,20}$/)),
  )
  .map(([sign, whole, fraction]) => `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`)
const bound = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.constantFrom('0', '7', '10.5', '9.000000000001', '12345678901234567890'),
  )
  .map(([sign, size]) => `${sign}${size}`)

test('a number of any length is compared with a bound as its digits are', () => {
  fc.assert(
    fc.property(number, bound, (value, limit) => {
      const order = compared(value, limit)
      const passes = (condition: object) => passOf(filterOf(condition))(value)
      expect(passes({ gt: limit })).toBe(order > 0)
      expect(passes({ gte: limit })).toBe(order >= 0)
      expect(passes({ lt: limit })).toBe(order < 0)
      expect(passes({ lte: limit })).toBe(order <= 0)
    }),
    { numRuns: 300 },
  )
})

test('an unknown condition and an empty range are told with file, line and reason', () => {
  const yaml = [
    'meters:',
    '  - meter: m',
    '    event_type: t',
    '    aggregation: count',
    '    filters:',
    '      a: { gter: 5 }',
    '      b: { gte: 10, lt: 10 }',
  ].join('\n')
  const parsed = parseCatalog(yaml, 'c.yaml')
  expect(parsed.kind === 'invalid' && parsed.problems).toMatchObject([
    {
      ...{ file: 'c.yaml', line: 6, code: 'unknown_key' },
      message: expect.stringContaining('the nearest known name is gte;'),
    },
    { file: 'c.yaml', line: 7, code: 'empty_range', message: 'No number is gte 10 and lt 10.' },
  ])
})
