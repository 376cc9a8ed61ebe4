import { expect, test } from 'vitest'
import { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { parseCatalogValue } from '../../../schemas/catalog/catalog-parser.js'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { decodeMessages, type ReceivedEvent } from '../decode/decode.js'
import { normalizeEvents } from './normalize.js'

const parsed = parseCatalogValue({
  meters: [
    { meter: 'calls', event_type: 't', aggregation: 'count', filters: { 'request.region': ['eu', 'us'] } },
    { meter: 'tokens', event_type: 't', aggregation: 'sum', value: 'usage.tokens', dimensions: ['model'] },
    { meter: 'users', event_type: 'login', aggregation: 'unique_count', value: 'user' },
    { meter: 'level', event_type: 'seat', aggregation: 'weighted_sum', value: 'change' },
  ],
  plans: [],
})
if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
const catalog = new CatalogIndex(parsed.catalog)

function read(type: string, data: unknown) {
  const event = { specversion: '1.0', id: '1', source: 's', type, subject: 'c', data }
  const bytes = Buffer.from(JSON.stringify(event))
  const decoded = decodeMessages([{ seq: 1, arrivedAtMs: 5, bytes }])
  const [outcome] = normalizeEvents(decoded as ReceivedEvent[], catalog)
  if (outcome?.kind !== 'metered') return outcome?.kind === 'refused' ? outcome.rejection : outcome?.kind
  return outcome.event.readings.map(one => [
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
