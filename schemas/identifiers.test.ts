// Partitions, tokens and ids against published values.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  compositeKey,
  customerOfSubject,
  customerToken,
  entityToken,
  fnv1a32,
  partitionOf,
  stableId,
} from './identifiers.js'

test('FNV-1a 32 has its published values', () => {
  expect(fnv1a32('')).toBe(0x811c9dc5)
  expect(fnv1a32('a')).toBe(0xe40c292c)
  expect(fnv1a32('foobar')).toBe(0xbf9cf968)
  expect(fnv1a32('é')).toBe(fnv1a32Slow(Buffer.from('é')))
})

function fnv1a32Slow(bytes: Uint8Array): number {
  let hash = 0x811c9dc5n
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn
  return Number(hash)
}

test('a token is a plain NATS token, and no two customers share one', () => {
  expect(customerToken('cus_1-a')).toBe('cus_1-a')
  expect(customerToken('a.b *>')).toBe('a=2Eb=20=2A=3E')
  expect(customerToken('a=2Eb')).not.toBe(customerToken('a.b'))
  const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(id, id, (a, b) => {
      expect(customerToken(a)).toMatch(/^[A-Za-z0-9_=-]+$/)
      expect(decodeURIComponent(customerToken(a).replaceAll('=', '%'))).toBe(a)
      if (a !== b) expect(customerToken(a)).not.toBe(customerToken(b))
    }),
    { numRuns: 500 },
  )
})

test('a subject names the customer of its token, and one that is written as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), id => {
      expect(customerOfSubject(customerToken(id))).toBe(id)
    }),
    { numRuns: 500 },
  )
  const raw = ['acme.eu', 'jane@acme.com', 'Zürich', 'org:7', 'a=b', 'a=4', 'a=ff.b']
  for (const id of raw) expect(customerOfSubject(id)).toBe(id)
  expect(customerOfSubject('jane=40acme.com')).toBe('jane@acme.com')
  expect(customerOfSubject('a=2eb')).toBe('a.b')
})

test('an entity has a token of its own even when it is empty or called default', () => {
  const tokens = ['', 'default', '=64efault', 'de'].map(entityToken)
  expect(new Set(tokens).size).toBe(4)
})

test('every partition gets customers, and none beyond them', () => {
  const found = new Set(Array.from({ length: 1000 }, (_, i) => partitionOf(`cus_${i}`, 8)))
  expect([...found].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
})

test('no two lists of parts share a key', () => {
  expect(compositeKey('a', 'bc')).not.toBe(compositeKey('ab', 'c'))
  expect(compositeKey('1:a')).not.toBe(compositeKey('a'))
  const parts = fc.array(fc.string({ maxLength: 4, unit: fc.constantFrom('a', ':', '1') }), { maxLength: 4 })
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      expect(compositeKey(...a) === compositeKey(...b)).toBe(JSON.stringify(a) === JSON.stringify(b))
    }),
    { numRuns: 1000 },
  )
  expect(stableId('ch', 'a', 1)).toMatch(/^ch_[0-9a-f]{32}$/)
  expect(stableId('ch', 'a', 1)).not.toBe(stableId('ch', 'a1', ''))
})
