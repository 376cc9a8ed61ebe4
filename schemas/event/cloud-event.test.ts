// Tests messages and envelopes: what is accepted, and what is refused alone.

import { expect, test } from 'vitest'
import type { Parsed } from '../rejection.js'
import { nsOf } from '../time.js'
import { parseMessage, validateEvent } from './cloud-event.js'
import type { ValidEvent } from './usage-event.js'

const bytes = (text: string) => Buffer.from(text, 'utf8')
const usage = {
  specversion: '1.0',
  id: 'e1',
  source: 'api',
  type: 'llm.request',
  subject: 'cus_1',
  time: '2026-01-02T03:04:05.678Z',
  data: { tokens: 5 },
}
const base64 = (text: string) => bytes(text).toString('base64')
const encoded = { data_base64: base64('{"tokens":5}') }
const { data: _, ...bare } = usage

function codesOf(body: string | Uint8Array, contentType?: string): string[] {
  const message = parseMessage(typeof body === 'string' ? bytes(body) : body, contentType)
  if (message.kind === 'rejected') return [`message:${message.rejection.code}`]
  return message.events.map(event => (event.kind === 'ok' ? 'ok' : event.rejection.code))
}

function refusal(event: unknown): string {
  const parsed = validateEvent(event, 0)
  return parsed.kind === 'ok' ? 'ok' : `${parsed.rejection.code} ${parsed.rejection.pointer}`
}

function accepted(parsed: Parsed<ValidEvent>): ValidEvent {
  if (parsed.kind === 'rejected') throw new Error(parsed.rejection.detail)
  return parsed.value
}

const one = JSON.stringify(usage)

test.each([
  ['application/cloudevents+json', one, 1],
  ['application/cloudevents+json; charset=UTF-8', one, 1],
  ['application/cloudevents-batch+json', `[${one},${one}]`, 2],
  ['application/json', one, 1],
  ['application/json', `[${one}]`, 1],
  ['application/json', `${one}\n${one}\n`, 2],
  ['application/x-ndjson', `${one}\r\n\r\n  \n${one}`, 2],
  ['application/x-ndjson', `\ufeff${one}\n\ufeff${one}\n`, 2],
  ['application/x-ndjson', '\n', 0],
  ['application/cloudevents-batch+json', '[]', 0],
])('%s is read', (contentType, body, count) => {
  expect(codesOf(body, contentType)).toEqual(Array.from({ length: count }, () => 'ok'))
})

test('without a content type the form is seen from the text', () => {
  expect(codesOf(one)).toEqual(['ok'])
  expect(codesOf(JSON.stringify(usage, null, 2))).toEqual(['ok'])
  expect(codesOf(`[${one},\n${one}]`)).toEqual(['ok', 'ok'])
  expect(codesOf(`${one}\n${one}`)).toEqual(['ok', 'ok'])
  expect(codesOf(`\ufeff${one}`)).toEqual(['ok'])
  expect(codesOf('')).toEqual([])
})

test('a broken NDJSON line is refused alone, in its place', () => {
  const body = `${one}\n{"id":\n\n${one}\n`
  expect(codesOf(body, 'application/x-ndjson')).toEqual(['ok', 'malformed_json', 'ok'])
  expect(codesOf(body)).toEqual(['ok', 'malformed_json', 'ok'])
  expect(codesOf(`{"id":\n${one}`)).toEqual(['malformed_json', 'ok'])
})

test('a broken document is refused whole', () => {
  expect(codesOf('{"id": "a"', 'application/json')).toEqual(['message:malformed_json'])
  expect(codesOf('{\n  "id": "a",\n}')).toEqual(['message:malformed_json'])
  expect(codesOf('', 'application/json')).toEqual(['message:malformed_json'])
  expect(codesOf('[{},', 'application/cloudevents-batch+json')).toEqual(['message:malformed_json'])
})

test('bytes that are not UTF-8 are refused, not replaced', () => {
  const invalid = Buffer.concat([bytes('{"id":"'), Buffer.from([0xc3, 0x28]), bytes('"}')])
  for (const type of ['application/json', 'application/x-ndjson', undefined]) {
    expect(codesOf(invalid, type)).toEqual(['message:malformed_json'])
  }
})

test.each([
  'text/plain',
  'application/xml',
  '',
  'application/json; charset=iso-8859-1',
  'application/octet-stream',
])('content type %j is refused', contentType => {
  expect(codesOf(one, contentType)).toEqual(['message:unsupported_content_type'])
})

test('a valid event keeps its attributes', () => {
  const event = accepted(
    validateEvent({ ...usage, subscriptionid: 'sub', correlationid: 'c', traceparent: 't', other: 5 }, 7),
  )
  expect(event).toEqual({
    id: 'e1',
    source: 'api',
    type: 'llm.request',
    subject: 'cus_1',
    timeText: '2026-01-02T03:04:05.678Z',
    timeNs: nsOf(Date.UTC(2026, 0, 2, 3, 4, 5, 678)),
    isTimeStamped: false,
    subscriptionId: 'sub',
    correlationId: 'c',
    traceparent: 't',
    data: { tokens: 5 },
  })
})

test('an event without time happened when it arrived; null is as good as absent', () => {
  for (const time of [undefined, null]) {
    const event = accepted(validateEvent({ ...usage, time, correlationid: null, subscriptionid: null }, 1234))
    expect(event).toMatchObject({
      timeNs: nsOf(1234),
      timeText: undefined,
      correlationId: '',
      subscriptionId: undefined,
    })
  }
})

test.each<[string, unknown]>([
  ['not_an_object ', null],
  ['not_an_object ', []],
  ['not_an_object ', 'text'],
  ['missing_attribute /specversion', { ...usage, specversion: undefined }],
  ['unsupported_specversion /specversion', { ...usage, specversion: '0.3' }],
  ['unsupported_specversion /specversion', { ...usage, specversion: 1.0 }],
  ['missing_attribute /id', { ...usage, id: undefined }],
  ['missing_attribute /id', { ...usage, id: null }],
  ['invalid_attribute /id', { ...usage, id: '' }],
  ['invalid_attribute /id', { ...usage, id: 5 }],
  ['invalid_attribute /id', { ...usage, id: 'x'.repeat(257) }],
  ['invalid_attribute /id', { ...usage, id: 'x'.repeat(300) }],
  ['ok', { ...usage, id: 'x'.repeat(256) }],
  ['ok', { ...usage, id: '😀'.repeat(256) }],
  ['invalid_attribute /id', { ...usage, id: '😀'.repeat(257) }],
  ['invalid_attribute /id', { ...usage, id: 'a\u0000b' }],
  ['invalid_attribute /id', { ...usage, id: '\ud800' }],
  ['invalid_attribute /source', { ...usage, source: 'a\udc00' }],
  ['missing_attribute /type', { ...usage, type: undefined }],
  ['missing_attribute /subject', { ...usage, subject: undefined }],
  ['invalid_attribute /subject', { ...usage, subject: 'x'.repeat(257) }],
  ['invalid_time /time', { ...usage, time: '2026-01-01' }],
  ['invalid_time /time', { ...usage, time: '2026-02-30T00:00:00Z' }],
  ['invalid_time /time', { ...usage, time: 1767225600 }],
  ['invalid_time /time', { ...usage, time: '2026-01-01T00:00:00.1234567890Z' }],
  ['invalid_time /time', { ...usage, time: '2026-06-30T23:59:60Z' }],
  ['ok', { ...usage, time: '2016-12-31T23:59:60Z' }],
  ['ok', { ...usage, time: '2199-12-31T23:59:59.999999999Z' }],
  ['time_out_of_range /time', { ...usage, time: '2200-01-01T00:00:00Z' }],
  ['time_out_of_range /time', { ...usage, time: '9999-12-31T23:59:59.999999999Z' }],
  ['time_out_of_range /time', { ...usage, time: '1969-12-31T23:59:59.999999999Z' }],
  ['time_out_of_range /time', { ...usage, time: '0001-01-01T00:00:00Z' }],
  ['ok', { ...usage, data: undefined }],
  ['ok', { ...usage, data: null, data_base64: null }],
  ['invalid_data /data', { ...usage, data: [] }],
  ['invalid_data /data', { ...usage, data: 'text' }],
  ['invalid_data /data/a~1b/0', { ...usage, data: { 'a/b': ['\udfff'] } }],
  ['invalid_data /data_base64', { ...usage, data_base64: base64('{}') }],
  ['invalid_data /data_base64', { ...bare, data_base64: { a: 1 } }],
  ['invalid_data /data_base64', { ...bare, data_base64: 'e30' }],
  ['invalid_data /data_base64', { ...bare, data_base64: 'e3 0=' }],
  ['invalid_data /data_base64', { ...bare, data_base64: base64('[1]') }],
  ['malformed_json /data_base64', { ...bare, data_base64: base64('{"a":') }],
  ['malformed_json /data_base64', { ...bare, data_base64: 'AP8=' }],
  ['invalid_data /data_base64/a', { ...bare, data_base64: base64('{"a":"\\udfff"}') }],
  ['unsupported_content_type /datacontenttype', { ...bare, ...encoded, datacontenttype: 'image/png' }],
  ['ok', { ...bare, ...encoded, datacontenttype: 'application/json' }],
  ['unsupported_content_type /datacontenttype', { ...usage, datacontenttype: 'text/xml' }],
  ['ok', { ...usage, datacontenttype: 'application/vnd.api+json; charset=utf-8' }],
  ['invalid_attribute /subscriptionid', { ...usage, subscriptionid: 5 }],
  ['invalid_attribute /subscriptionid', { ...usage, subscriptionid: '' }],
  ['invalid_attribute /correlationid', { ...usage, correlationid: {} }],
  ['invalid_attribute /traceparent', { ...usage, traceparent: 'x'.repeat(300) }],
])('%s', (expected, event) => {
  expect(refusal(event)).toBe(expected)
})

test('ten thousand levels of nesting are refused without a deep stack', () => {
  const deep = `{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"c","data":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`
  const message = parseMessage(bytes(deep))
  if (message.kind !== 'ok' || message.events[0]?.kind !== 'ok') throw new Error('not parsed')
  const parsed = validateEvent(message.events[0].value, 0)
  expect(parsed).toMatchObject({ kind: 'rejected', rejection: { code: 'invalid_data' } })
})

test('a __proto__ key is data like any other', () => {
  const parsed = validateEvent(JSON.parse(one.replace('"tokens"', '"__proto__"')), 0)
  expect(Object.keys(accepted(parsed).data)).toEqual(['__proto__'])
  expect(refusal(JSON.parse('{"__proto__":{"specversion":"1.0"}}'))).toBe('missing_attribute /specversion')
})

test('the catalog and fx rates need no customer, invoices and payments may name theirs in data', () => {
  const global = { ...usage, type: 'weir.catalog.published', subject: undefined }
  expect(accepted(validateEvent(global, 0)).subject).toBe('')
  const invoice = { ...usage, type: 'weir.invoice.paid', subject: undefined, data: { customer_id: 'c9' } }
  expect(accepted(validateEvent(invoice, 0)).subject).toBe('c9')
  expect(refusal({ ...invoice, data: {} })).toBe('missing_attribute /subject')
})

test('data may be base64 of a JSON object, or left out, which is the empty object', () => {
  const dataOf = (more: object) => accepted(validateEvent({ ...bare, ...more }, 0)).data
  expect(dataOf(encoded)).toEqual({ tokens: 5 })
  for (const none of [{}, { data: null }, { data_base64: null }, { data_base64: '' }])
    expect(dataOf(none)).toEqual({})
  const invoice = { ...bare, type: 'weir.invoice.paid', subject: undefined }
  const named = { ...invoice, data_base64: base64('{"customer_id":"c9"}') }
  expect(accepted(validateEvent(named, 0)).subject).toBe('c9')
})
