// Tests the binary mode: attributes from headers in any case, data from the body, and what is refused.

import { expect, test } from 'vitest'
import type { Parsed } from '../rejection.js'
import { binaryModeEvent, isBinaryMode } from './binary-mode.js'
import { validateEvent } from './cloud-event.js'
import type { ValidEvent } from './usage-event.js'

const bytes = (text: string) => Buffer.from(text, 'utf8')

function accepted(parsed: Parsed<ValidEvent>): ValidEvent {
  if (parsed.kind === 'rejected') throw new Error(parsed.rejection.detail)
  return parsed.value
}

test('binary mode takes attributes from ce- headers, percent-decoded once', () => {
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': '"a%20b"',
    'ce-source': '/s%25%E2%82%AC',
    'ce-type': 'llm.request',
    'ce-subject': 'cus_1',
    'ce-correlationid': 'x%2520',
    'content-type': 'application/json; charset=utf-8',
    host: 'localhost',
  }
  const parsed = binaryModeEvent(headers, bytes('{"tokens":5}'))
  if (parsed.kind !== 'ok') throw new Error(parsed.rejection.detail)
  const event = accepted(validateEvent(parsed.value, 0))
  expect(event).toMatchObject({ id: 'a b', source: '/s%€', correlationId: 'x%20', data: { tokens: 5 } })
})

test.each<[string, Record<string, string | string[]>, string]>([
  ['invalid_attribute', { 'ce-id': '%ff' }, '{}'],
  ['invalid_attribute', { 'ce-id': ['a', 'b'] }, '{}'],
  ['unsupported_content_type', { 'content-type': 'text/plain' }, 'x'],
  ['unsupported_content_type', { 'content-type': 'application/json; charset=latin1' }, '{}'],
  ['malformed_json', { 'content-type': 'application/json' }, '{'],
])('binary mode refuses with %s', (code, headers, body) => {
  expect(binaryModeEvent(headers, bytes(body))).toMatchObject({ kind: 'rejected', rejection: { code } })
})

test('binary mode without a body has no data', () => {
  const parsed = binaryModeEvent({ 'ce-id': 'a', 'ce-__proto__': 'x' }, new Uint8Array())
  expect(parsed).toEqual({ kind: 'ok', value: { id: 'a', ['__proto__']: 'x' } })
})

test('names count in any case, and a value may come in a list of one', () => {
  const headers = { 'CE-Id': ['a'], 'Ce-Source': 's', 'CONTENT-TYPE': ['text/plain'] }
  expect(binaryModeEvent(headers, new Uint8Array())).toEqual({ kind: 'ok', value: { id: 'a', source: 's' } })
  expect(binaryModeEvent(headers, bytes('x'))).toMatchObject({
    rejection: { code: 'unsupported_content_type' },
    raw: { id: 'a', source: 's' },
  })
  expect(binaryModeEvent({ 'ce-id': 'a', 'CE-ID': 'b' }, bytes('{}'))).toMatchObject({ kind: 'rejected' })
  const datacontenttype = 'application/json; charset=latin1'
  expect(binaryModeEvent({ 'ce-datacontenttype': datacontenttype }, bytes('{}')).kind).toBe('rejected')
})

test.each<[boolean, Record<string, string | undefined>]>([
  [true, { 'CE-Type': 't' }],
  [true, { 'ce-id': 'a', 'content-type': 'application/json' }],
  [false, { 'ce-id': 'a', 'Content-Type': 'application/cloudevents+json; charset=utf-8' }],
  [false, { 'ce-id': undefined, 'content-type': 'application/json' }],
  [false, { 'ce-subject': 'c', 'Nats-Msg-Id': 'a' }],
])('binary mode is %s of %j', (expected, headers) => {
  expect(isBinaryMode(headers)).toBe(expected)
})
