// Tests the hashes of identity and content: what changes them and what does not.

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  contentWords,
  hashContent,
  hashIdentity,
  hashIdentityBytes,
  hashOfValue,
  hashText,
  hashWords,
} from './event-hash.js'
import type { ValidEvent } from './usage-event.js'

function identity(source: string, id: string): string {
  const words = new Uint32Array(hashWords)
  hashIdentity(source, id, words)
  return hashText(words)
}

function content(event: Partial<ValidEvent>): string {
  const words = new Uint32Array(contentWords)
  const base: ValidEvent = {
    id: 'i',
    source: 's',
    type: 't',
    subject: 'c',
    timeText: undefined,
    timeNs: 0n,
    isTimeStamped: false,
    subscriptionId: undefined,
    correlationId: '',
    traceparent: '',
    data: {},
  }
  hashContent({ ...base, ...event }, words)
  return hashText(words, contentWords)
}

const data = (text: string) => ({ data: JSON.parse(text) as Record<string, unknown> })

test('the identity is of source and id alone, and does not run them together', () => {
  expect(identity('a', 'bc')).not.toBe(identity('ab', 'c'))
  expect(identity('', 'abc')).not.toBe(identity('abc', ''))
  expect(identity('a', 'b')).toMatch(/^[0-9a-f]{32}$/)
  expect(identity('1:a', 'b')).not.toBe(identity('1', ':ab'))
})

test('the identity is the same on every machine and in every version', () => {
  expect(identity('api', 'e1')).toBe('07e50cce43dd6fea7042bb5b5e4402cc')
  expect(content(data('{"b":1,"a":[true,null,"é"]}'))).toBe('ba3e3145bb022968')
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
  ['{"a":"b"}', '{"b":"a"}'],
  ['{"a":1,"b":2}', '{"a":2,"b":1}'],
  ['{"a":{"b":{}}}', '{"a":{},"b":{}}'],
  ['{"a":{"b":1},"c":2}', '{"a":{"b":1,"c":2}}'],
  ['{"a":[[1],2]}', '{"a":[[1,2]]}'],
  ['{"a":[[],[]]}', '{"a":[[[]]]}'],
  ['{"a":[{}]}', '{"a":[[]]}'],
  ['{"a":""}', '{"a":null}'],
  ['{"a":"\\u0000"}', '{"a":""}'],
  ['{"a":0}', '{"a":""}'],
  ['{"a":1}', '{"a":1.0000000000000002}'],
  ['{"ab":"c"}', '{"a":"bc"}'],
  ['{"a":{"x":1,"y":2},"b":{"x":3,"y":4}}', '{"a":{"x":3,"y":2},"b":{"x":1,"y":4}}'],
  ['{"a":{"x":1},"b":{"x":2}}', '{"a":{"x":2},"b":{"x":1}}'],
])('%s is other content than %s', (left, right) => {
  expect(content(data(left))).not.toBe(content(data(right)))
})

test('every part of the content counts, id and source and arrival do not', () => {
  const same = content({})
  expect(content({ id: 'other', source: 'other', timeNs: 9n })).toBe(same)
  const others: Partial<ValidEvent>[] = [
    { type: 'u' },
    { subject: 'd' },
    { timeText: '1970-01-01T00:00:00Z' },
    { subscriptionId: 'x' },
    { correlationId: 'x' },
    { traceparent: 'x' },
  ]
  expect(new Set([same, ...others.map(content)]).size).toBe(others.length + 1)
})

test('a stamped time is no part of the content', () => {
  const stamped = { isTimeStamped: true }
  expect(content({ ...stamped, timeText: '1970-01-01T00:00:00Z' })).toBe(content({}))
  expect(content({ ...stamped, timeText: '1970-01-01T00:00:00Z', subject: 'd' })).toBe(
    content({ subject: 'd' }),
  )
})

test('equal values hash alike, other values do not', () => {
  const value = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' })
  fc.assert(
    fc.property(value, value, (left, right) => {
      const [a, b] = [JSON.stringify(left), JSON.stringify(right)]
      expect(hashOfValue(left)).toBe(hashOfValue(reversed(JSON.parse(a))))
      if (!isDeepStrictEqual(JSON.parse(a), JSON.parse(b)))
        expect(hashOfValue(left)).not.toBe(hashOfValue(right))
    }),
    { numRuns: 500 },
  )
})

test('equal data hash alike whatever the order of keys, other data do not', () => {
  const value = fc.dictionary(
    fc.string({ unit: 'grapheme', maxLength: 8 }),
    fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' }),
  )
  fc.assert(
    fc.property(value, value, (left, right) => {
      const [a, b] = [JSON.stringify(left), JSON.stringify(right)]
      const hashed = content(data(a))
      expect(hashed).toBe(content({ data: reversed(JSON.parse(a)) as Record<string, unknown> }))
      if (!isDeepStrictEqual(JSON.parse(a), JSON.parse(b))) expect(hashed).not.toBe(content(data(b)))
    }),
    { numRuns: 500 },
  )
})

test('the identity of texts is that of their bytes, wherever they stand', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 40 })
  fc.assert(
    fc.property(name, name, fc.nat(9), (source, id, gap) => {
      const [sourceBytes, idBytes] = [Buffer.from(source), Buffer.from(id)]
      // Another order, other neighbours: only the spans count.
      const idFrom = gap
      const sourceFrom = idFrom + idBytes.length + gap
      const bytes = new Uint8Array(sourceFrom + sourceBytes.length + 3).fill(gap + 65)
      bytes.set(idBytes, idFrom)
      bytes.set(sourceBytes, sourceFrom)
      const words = new Uint32Array(hashWords + 2)
      const [sourceUntil, idUntil] = [sourceFrom + sourceBytes.length, idFrom + idBytes.length]
      hashIdentityBytes(new DataView(bytes.buffer), sourceFrom, sourceUntil, idFrom, idUntil, words, 2)
      expect(hashText(words.subarray(2))).toBe(identity(source, id))
    }),
    { numRuns: 500 },
  )
})

test('a text longer than the buffer hashes as its bytes do', () => {
  const id = 'é€'.repeat(100_000)
  const bytes = Buffer.concat([Buffer.from(id), Buffer.alloc(3)])
  const words = new Uint32Array(hashWords)
  hashIdentityBytes(
    new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    0,
    0,
    0,
    bytes.length - 3,
    words,
    0,
  )
  expect(hashText(words)).toBe(identity('', id))
})

test('a value of many megabytes and one of many keys hash like any other', () => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, i]))
  expect(hashOfValue(many)).toBe(hashOfValue(reversed(many)))
  const large = { text: 'ü'.repeat(3_000_000) }
  expect(hashOfValue(large)).toBe(hashOfValue({ text: 'ü'.repeat(3_000_000) }))
  expect(hashOfValue(many)).toBe(hashOfValue(many))
})

/** The same value with the keys of every object in reverse order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member)]),
  )
}
