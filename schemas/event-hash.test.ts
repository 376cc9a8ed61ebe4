import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hashContent, hashIdentity, hashOfValue, hashText, hashWords } from './event-hash.js'
import { canonicalText } from './json-text.js'
import type { ValidEvent } from './usage-event.js'

function identity(source: string, id: string): string {
  const words = new Uint32Array(hashWords)
  hashIdentity(source, id, words)
  return hashText(words)
}

function content(event: Partial<ValidEvent>): string {
  const words = new Uint32Array(hashWords)
  const base: ValidEvent = {
    id: 'i',
    source: 's',
    type: 't',
    subject: 'c',
    timeText: undefined,
    timeMs: 0,
    subscriptionId: undefined,
    correlationId: '',
    traceparent: '',
    data: {},
  }
  hashContent({ ...base, ...event }, words)
  return hashText(words)
}

const data = (text: string) => ({ data: JSON.parse(text) as Record<string, unknown> })

test('the identity is of source and id alone, and does not run them together', () => {
  expect(identity('a', 'bc')).not.toBe(identity('ab', 'c'))
  expect(identity('', 'abc')).not.toBe(identity('abc', ''))
  expect(identity('a', 'b')).toMatch(/^[0-9a-f]{32}$/)
  expect(identity('1:a', 'b')).not.toBe(identity('1', ':ab'))
})

test('the identity is the same on every machine and in every version', () => {
  expect(identity('api', 'e1')).toBe('0986098c73694f06b940ab3ade3f50ab')
  expect(content(data('{"b":1,"a":[true,null,"é"]}'))).toBe('6a9815aef7726b534d469c94511fedfc')
})

test('key order, white space and the spelling of a number do not matter', () => {
  expect(content(data('{"a":1.0,"b":{"d":2,"c":3}}'))).toBe(
    content(data(' { "b" : {"c":3, "d":2e0}, "a":1 } ')),
  )
  expect(content(data('{"a":-0}'))).toBe(content(data('{"a":0}')))
  expect(content(data('{"a":"\\u0041"}'))).toBe(content(data('{"a":"A"}')))
})

test.each([
  ['{"a":1}', '{"a":"1"}'],
  ['{"a":null}', '{}'],
  ['{"a":[1,2]}', '{"a":[2,1]}'],
  ['{"a":{}}', '{"a":[]}'],
  ['{"a":true}', '{"a":"true"}'],
  ['{"a":"b\\",\\"c\\":\\"d"}', '{"a":"b","c":"d"}'],
  ['{"__proto__":1}', '{}'],
  ['{"a":1e400}', '{"a":1}'],
])('%s is other content than %s', (left, right) => {
  expect(content(data(left))).not.toBe(content(data(right)))
})

test('every part of the content counts, id and source and arrival do not', () => {
  const same = content({})
  expect(content({ id: 'other', source: 'other', timeMs: 9 })).toBe(same)
  const others: Partial<ValidEvent>[] = [
    { type: 'u' },
    { subject: 'd' },
    { timeText: '2026-01-01T00:00:00Z' },
    { subscriptionId: 'x' },
    { correlationId: 'x' },
    { traceparent: 'x' },
  ]
  expect(new Set([same, ...others.map(content)]).size).toBe(others.length + 1)
})

test('equal values have one canonical text, and it is JSON for the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), value => {
      const text = canonicalText(value)
      expect(canonicalText(JSON.parse(text))).toBe(text)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(hashOfValue(value)).toBe(hashOfValue(JSON.parse(JSON.stringify(value))))
    }),
    { numRuns: 300 },
  )
})
