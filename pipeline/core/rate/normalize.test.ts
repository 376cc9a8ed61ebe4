// What meters read from an event, and what they refuse.

import { expect, test } from 'vitest'
import { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { parseCatalogValue } from '../../../schemas/catalog/catalog-parser.js'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { ScanLayout } from '../scan/layout.js'
import { MeterCatalog, MeterMatch } from '../scan/meter-slots.js'
import { UsageScanner } from '../scan/scanner.js'
import { Normalizer } from './normalize.js'

const parsed = parseCatalogValue({
  meters: [
    { meter: 'calls', event_type: 't', aggregation: 'count', filters: { 'request.region': ['eu', 'us'] } },
    { meter: 'tokens', event_type: 't', aggregation: 'sum', value: 'usage.tokens', dimensions: ['model'] },
    { meter: 'users', event_type: 'login', aggregation: 'unique_count', value: 'user' },
    {
      meter: 'present',
      event_type: 'door',
      aggregation: 'unique_count',
      value: 'who',
      operation: 'did.what',
    },
    { meter: 'pairs', event_type: 'pair', aggregation: 'unique_count', value: ['a', 'b'], operation: 'what' },
    { meter: 'level', event_type: 'seat', aggregation: 'weighted_sum', value: 'change' },
  ],
  plans: [],
})
if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
const catalog = new MeterCatalog(new CatalogIndex(parsed.catalog))
const scanner = new UsageScanner(new ScanLayout(catalog.paths))
const normalizer = new Normalizer(scanner)

/** `data`: a value, or its JSON text. */
function read(type: string, data: unknown) {
  const event = { specversion: '1.0', id: '1', source: 's', type, subject: 'c', data: {} }
  const json = typeof data === 'string' ? data : JSON.stringify(data)
  const bytes = Buffer.from(JSON.stringify(event).replace('{}', json))
  const scan = scanner.scan(bytes, undefined)
  if (scan?.plain[0] !== 1) throw new Error('the event is not plain')
  const metered = catalog.types.find(one => one.bytes.toString() === type)
  if (metered === undefined) return 'unmetered'
  const match = normalizer.read(scan, 0, metered)
  if (!(match instanceof MeterMatch)) return match
  if (match.meters.length === 0) return 'unmetered'
  return normalizer
    .meteredEvent(scan, 0, match, 5, { stream: 'METERING', sequence: 1 })
    .readings.map(one => [
      one.meter,
      one.text,
      formatScaled(one.quantity),
      Object.fromEntries(one.dimensions),
    ])
}

test('every meter of the type reads its value, filters deciding which', () => {
  expect(read('t', { request: { region: 'eu' }, usage: { tokens: '2.50' }, model: 'm1' })).toEqual([
    ['calls', '1', '1', {}],
    ['tokens', '2.5', '2.5', { model: 'm1' }],
  ])
  expect(read('t', { request: { region: 'asia' }, usage: { tokens: 3 } })).toEqual([['tokens', '3', '3', {}]])
})

test('an operation adds or removes, and any other is refused where it stands', () => {
  expect(read('door', { who: 7, did: { what: 'add' } })).toEqual([['present', '7', '1', {}]])
  expect(read('door', '{"who":"7","did":{"what":"re\\u006dove"}}')).toEqual([['present', '7', '-1', {}]])
  expect(read('pair', { a: 'x', b: 2, what: 'remove' })).toEqual([['pairs', '["x","2"]', '-1', {}]])
  for (const what of ['Add', 'purge', '', true, 1, null, undefined, {}]) {
    expect(read('door', { who: 'ann', did: { what } })).toMatchObject({
      code: 'invalid_value',
      pointer: '/data/did/what',
    })
  }
  expect(read('door', { did: { what: 'add' } })).toMatchObject({ pointer: '/data/who' })
})

test('a type that no meter wants is unmetered, and so is an event that every filter leaves out', () => {
  expect(read('other', {})).toBe('unmetered')
})

test('a distinct value may be any scalar', () => {
  expect(read('login', { user: 17 })).toEqual([['users', '17', '1', {}]])
  expect(read('login', { user: false })).toEqual([['users', 'false', '1', {}]])
  expect(read('login', { user: null })).toMatchObject({ code: 'invalid_value', pointer: '/data/user' })
})

test('a value that cannot be read refuses the event, with its place', () => {
  expect(read('t', { usage: {} })).toMatchObject({ code: 'invalid_value', pointer: '/data/usage/tokens' })
  expect(read('t', { usage: { tokens: 'x' } })).toMatchObject({ code: 'invalid_value' })
  expect(read('t', { usage: { tokens: '1e-13' } })).toMatchObject({ code: 'value_out_of_range' })
  expect(read('t', { usage: { tokens: -1 } })).toMatchObject({ code: 'negative_value' })
  expect(read('seat', { change: -1 })).toEqual([['level', '-1', '-1', {}]])
})

test('a path never reads what is inherited', () => {
  expect(read('login', {})).toMatchObject({ code: 'invalid_value' })
  expect(read('t', { usage: { tokens: 1 }, model: { constructor: 'x' } })).toEqual([['tokens', '1', '1', {}]])
})

const long = '1234567890123456789012345678.0123456789012'
test.each<[string, string, unknown]>([
  [
    'an exponent',
    '{"usage":{"tokens":1.5e3},"model":1.5e3}',
    [['tokens', '1500', '1500', { model: '1500' }]],
  ],
  [
    'zeros at the end',
    '{"usage":{"tokens":"2.50"},"model":2.50}',
    [['tokens', '2.5', '2.5', { model: '2.5' }]],
  ],
  [
    'a text keeps its zeros',
    '{"usage":{"tokens":"007"},"model":"007"}',
    [['tokens', '7', '7', { model: '007' }]],
  ],
  ['minus zero', '{"usage":{"tokens":-0},"model":-0}', [['tokens', '0', '0', { model: '0' }]]],
  [
    'digits that no double holds',
    '{"usage":{"tokens":9007199254740993},"model":9007199254740993}',
    [['tokens', '9007199254740993', '9007199254740993', { model: '9007199254740993' }]],
  ],
  [
    'escapes',
    '{"usage":{"tokens":"\\u0031e\\u0032"},"model":"\\u00fc\\n"}',
    [['tokens', '100', '100', { model: 'ü\n' }]],
  ],
  [
    'a null and an object',
    '{"usage":{"tokens":1},"model":{"a":1},"request":null}',
    [['tokens', '1', '1', {}]],
  ],
])('%s is read exactly, whatever its spelling', (_name, json, expected) => {
  expect(read('t', json)).toEqual(expected)
})

test.each<[string, string, string]>([
  ['a filter', `{"request":{"region":${long}},"usage":{"tokens":"x"}}`, '/data/request/region'],
  ['a dimension', `{"model":${long},"usage":{"tokens":"x"}}`, '/data/model'],
  ['a value', `{"usage":{"tokens":${long}}}`, '/data/usage/tokens'],
])('%s of too many digits refuses the event, in the order of the meters', (_name, json, pointer) => {
  expect(read('t', json)).toMatchObject({ code: 'value_out_of_range', pointer })
})
