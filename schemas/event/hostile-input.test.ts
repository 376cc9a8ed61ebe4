// Tests that parsers answer any input with a value or a rejection, with no exception or silent change.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseCatalogValue, parsePrice } from '../catalog/catalog-parser.js'
import { lifecycleTypes, parseLifecycleEvent } from '../lifecycle/lifecycle-event.js'
import { binaryModeEvent } from './binary-mode.js'
import { parseMessage, validateEvent } from './cloud-event.js'
import { hashContent, hashText, hashWords } from './event-hash.js'

const base = { specversion: '1.0', id: 'i', source: 's', type: 't', subject: 'c' }
const bytes = (text: string) => Buffer.from(text, 'utf8')
const anyJson = fc.jsonValue({ maxDepth: 4 })

/** The code of the first refusal on the way in, or ok. */
function fate(body: Uint8Array, contentType?: string): string {
  const message = parseMessage(body, contentType)
  if (message.kind === 'rejected') return message.rejection.code
  const codes = message.events.map(event => {
    if (event.kind === 'rejected') return event.rejection.code
    const valid = validateEvent(event.value, 0)
    if (valid.kind === 'rejected') return valid.rejection.code
    hashContent(valid.value, new Uint32Array(hashWords))
    const parsed = parseLifecycleEvent(valid.value)
    return parsed.kind === 'ok' ? 'ok' : parsed.rejection.code
  })
  return codes.find(code => code !== 'ok') ?? 'ok'
}

test('random bytes are answered', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (body, lines) => {
      expect(fate(body, lines ? 'application/x-ndjson' : undefined)).toMatch(/^[a-z_]+$/)
      expect(binaryModeEvent({ 'ce-id': Buffer.from(body).toString('latin1') }, body).kind).toMatch(
        /ok|rejected/,
      )
    }),
    { numRuns: 500 },
  )
})

test('random JSON in every attribute is answered', () => {
  const keys = [
    'specversion',
    'id',
    'source',
    'type',
    'subject',
    'time',
    'data',
    'subscriptionid',
    'correlationid',
  ]
  fc.assert(
    fc.property(fc.constantFrom(...keys), anyJson, (key, value) => {
      expect(fate(bytes(JSON.stringify({ ...base, data: {}, [key]: value })))).toMatch(/^[a-z_]+$/)
    }),
    { numRuns: 500 },
  )
})

test('random JSON in every field of every lifecycle event is answered', () => {
  const fields = {
    subscription_id: 'x',
    customer_id: 'c',
    sequence: 1,
    effective_from: '2026-01-01T00:00:00Z',
    effective_until: '2027-01-01T00:00:00Z',
    plan: 'p',
    invoice_id: 'i',
    payment_id: 'p',
    event_source: 's',
    event_id: 'e',
    currency: 'USD',
    total: '1',
    amount: '1',
    base: 'EUR',
    quote: 'USD',
    rate: '1',
    catalog: {},
  }
  const keys = [
    ...Object.keys(fields),
    'quantities',
    'price_overrides',
    'metadata',
    'external_ids',
    'timezone',
  ]
  fc.assert(
    fc.property(fc.constantFrom(...lifecycleTypes), fc.constantFrom(...keys), anyJson, (type, key, value) => {
      const event = { ...base, type, data: { ...fields, [key]: value } }
      expect(fate(bytes(JSON.stringify(event)))).toMatch(/^[a-z_]+$/)
    }),
    { numRuns: 1000 },
  )
})

test.each(['[', '{"a":'])('ten thousand levels of %s are refused, not recursed into', open => {
  const depth = 10_000
  const close = open === '[' ? ']' : '}'
  const deep = open.repeat(depth) + (open === '[' ? '' : '1') + close.repeat(depth)
  expect(fate(bytes(deep))).toBe(open === '[' ? 'not_an_object' : 'missing_attribute')
  expect(fate(bytes(JSON.stringify({ ...base, data: {} }).replace('{}', `{"x":${deep}}`)))).toBe(
    'invalid_data',
  )
  expect(fate(bytes(deep), 'application/x-ndjson')).toMatch(/not_an_object|missing_attribute/)
  const value: unknown = JSON.parse(deep)
  expect(parseCatalogValue({ meters: value }).kind).toBe('invalid')
  expect(parsePrice(value).kind).toBe('rejected')
})

test('64 levels are taken and hashed, 65 are not', () => {
  const nested = (levels: number) => `{"x":${'['.repeat(levels)}${']'.repeat(levels)}}`
  const event = (data: string) =>
    bytes(JSON.stringify({ ...base, data: 0 }).replace('"data":0', `"data":${data}`))
  expect(fate(event(nested(63)))).toBe('unknown_event_type')
  expect(fate(event(nested(64)))).toBe('invalid_data')
})

test('of duplicate keys the last one counts, as in every JSON parser of our producers', () => {
  const message = parseMessage(
    bytes('{"specversion":"1.0","id":"a","id":"b","source":"s","type":"t","subject":"c","data":{}}'),
  )
  if (message.kind !== 'ok' || message.events[0]?.kind !== 'ok') throw new Error('not parsed')
  expect(validateEvent(message.events[0].value, 0)).toMatchObject({ value: { id: 'b' } })
})

test('a hash is the same whether keys are plain or look like prototypes and indexes', () => {
  const hashOf = (data: string) => {
    const valid = validateEvent({ ...base, data: JSON.parse(data) as unknown }, 0)
    if (valid.kind !== 'ok') throw new Error(valid.rejection.detail)
    const words = new Uint32Array(hashWords)
    hashContent(valid.value, words)
    return hashText(words)
  }
  expect(hashOf('{"2":1,"10":2,"__proto__":{"a":1},"constructor":3}')).toBe(
    hashOf('{"constructor":3,"__proto__":{"a":1},"10":2,"2":1}'),
  )
  expect(hashOf('{"__proto__":{"a":1}}')).not.toBe(hashOf('{"__proto__":{"a":2}}'))
})

test('a message of many small events is not slow because it is malformed', () => {
  const lines = `${'{"a":\n'.repeat(20_000)}`
  const message = parseMessage(bytes(lines), 'application/x-ndjson')
  expect(message.kind === 'ok' && message.events).toHaveLength(20_000)
})
