// Whether the fast hashes are as good as chance: of many ids that follow a pattern no two are equal even in half of their
// bits, the words are even, and one bit of an id changes every bit of the hash in half of all cases. WEIR_HASH_IDS says how
// many ids there are.

import { expect, test } from 'vitest'
import { contentWords, hashContent, hashIdentity, hashWords } from './event-hash.js'
import type { ValidEvent } from './usage-event.js'

const words = new Uint32Array(hashWords)

/** Identities as rows of words, four each. */
function identities(count: number, idOf: (i: number) => readonly [string, string]): Uint32Array {
  const rows = new Uint32Array(count * hashWords)
  for (let i = 0; i < count; i += 1) {
    const [source, id] = idOf(i)
    hashIdentity(source, id, words)
    rows.set(words, i * hashWords)
  }
  return rows
}

function contents(count: number, dataOf: (i: number) => Record<string, unknown>): Uint32Array {
  const rows = new Uint32Array(count * contentWords)
  const event: ValidEvent = {
    id: 'i',
    source: 's',
    type: 't',
    subject: 'c',
    timeText: undefined,
    isTimeStamped: false,
    timeNs: 0n,
    subscriptionId: undefined,
    correlationId: '',
    traceparent: '',
    data: {},
  }
  for (let i = 0; i < count; i += 1) {
    hashContent({ ...event, data: dataOf(i) }, words)
    rows.set(words.subarray(0, contentWords), i * contentWords)
  }
  return rows
}

/** Pairs of rows that are equal in 64 bits: those of two of their words. */
function equalPairs(rows: Uint32Array, rowWords: number, first: number, second: number): number {
  const keys = new BigUint64Array(rows.length / rowWords)
  const halves = new Uint32Array(keys.buffer) // two of each key: a bigint per key would take most of the time
  for (let i = 0; i < keys.length; i += 1) {
    halves[2 * i] = rows[i * rowWords + second]!
    halves[2 * i + 1] = rows[i * rowWords + first]!
  }
  keys.sort()
  let equal = 0
  for (let i = 2; i < halves.length; i += 2)
    if (halves[i] === halves[i - 2] && halves[i + 1] === halves[i - 1]) equal += 1
  return equal
}

/** Pairs that are equal in one word; by chance, n^2 / 2^33. */
function equalWords(rows: Uint32Array, rowWords: number, word: number): number {
  const column = new Uint32Array(rows.length / rowWords)
  for (let i = 0; i < column.length; i += 1) column[i] = rows[i * rowWords + word]!
  column.sort()
  let equal = 0
  for (let i = 1; i < column.length; i += 1) if (column[i] === column[i - 1]) equal += 1
  return equal
}

/** How far one byte of a word is from even (chi squared); 255 by chance, give or take 23. */
function unevenness(rows: Uint32Array, rowWords: number, word: number, shift: number): number {
  const counts = new Float64Array(256)
  const count = rows.length / rowWords
  for (let i = 0; i < count; i += 1) counts[(rows[i * rowWords + word]! >>> shift) & 255]! += 1
  return counts.reduce((sum, n) => sum + (n - count / 256) ** 2 / (count / 256), 0)
}

const many = 1 << 18
const manyIds = Number(process.env['WEIR_HASH_IDS'] ?? many)
const hex = (i: number, digits: number) => i.toString(16).padStart(digits, '0')
const grid = (i: number) => hex(i, 5).split('')

test.each<[string, (i: number) => readonly [string, string]]>([
  ['counted', i => ['/gw', `req-${i}`]],
  ['counted with zeros', i => ['/gw/eu-west-1', `req-${String(i).padStart(12, '0')}`]],
  ['split between source and id', i => [String(i >> 10), String(i & 1023)]],
  ['of one character in every fourth place', i => ['s', grid(i).join('...')]],
  ['of words that change by their highest bits', i => ['s', grid(i).join('000')]],
  ['of equal parts', i => ['s', hex(i, 8).repeat(3)]],
  [
    'in three words that could cancel out',
    i => ['s', `${hex(i >> 13, 4)}${hex((i >> 6) & 127, 4)}${hex(i & 63, 4)}`],
  ],
  ['of nothing but zeros of other lengths', i => ['\u0001'.repeat(i >> 10), '\u0001'.repeat(i & 1023)]],
])('many identities %s do not meet, in no half', (_name, idOf) => {
  const count = _name.startsWith('of nothing') ? many : manyIds
  const rows = identities(count, idOf)
  for (const [first, second] of [
    [0, 1],
    [2, 3],
    [0, 2],
    [1, 3],
    [0, 3],
    [1, 2],
  ] as const) {
    expect(equalPairs(rows, hashWords, first, second)).toBe(0)
  }
  for (let word = 0; word < hashWords; word += 1) {
    expect(equalWords(rows, hashWords, word)).toBeLessThan((count ** 2 / 2 ** 33) * 1.6 + 10)
    for (const shift of [0, 12, 24]) expect(unevenness(rows, hashWords, word, shift)).toBeLessThan(400)
  }
})

test.each<[string, (i: number) => Record<string, unknown>]>([
  ['of one number', i => ({ n: i })],
  ['of one small fraction', i => ({ n: i / 1024 })],
  ['of a key that counts', i => ({ [`k${i}`]: 1 })],
  ['of four small numbers', i => ({ a: i & 31, b: (i >> 5) & 31, c: (i >> 10) & 31, d: i >> 15 })],
  [
    'of nested small numbers',
    i => ({ a: { x: i & 31, y: (i >> 5) & 31 }, b: { x: (i >> 10) & 31, y: i >> 15 } }),
  ],
  ['of an array of digits', i => ({ a: grid(i) })],
  [
    'of an array of small arrays',
    i => ({
      a: [
        [i & 31, (i >> 5) & 31],
        [(i >> 10) & 31, i >> 15],
      ],
    }),
  ],
  [
    'of flags',
    i => Object.fromEntries(Array.from({ length: 18 }, (_, bit) => [`f${bit}`, ((i >> bit) & 1) === 1])),
  ],
])('many contents %s do not meet', (_name, dataOf) => {
  const rows = contents(many, dataOf)
  expect(equalPairs(rows, contentWords, 0, 1)).toBe(0)
  for (const word of [0, 1]) {
    expect(equalWords(rows, contentWords, word)).toBeLessThan((many ** 2 / 2 ** 33) * 1.6 + 10)
    for (const shift of [0, 12, 24]) expect(unevenness(rows, contentWords, word, shift)).toBeLessThan(400)
  }
})

test('one bit of an id changes every bit of its identity in about half of all cases', () => {
  const rounds = 4_000
  const length = 16
  for (let place = 0; place < length; place += 1) {
    for (let bit = 0; bit < 7; bit += 1) {
      const flips = new Uint32Array(128)
      for (let round = 0; round < rounds; round += 1) {
        const id = Buffer.from(`${hex(round, 4)}abcdefgh${hex(Math.imul(round, 40503) & 0xffff, 4)}`)
        hashIdentity('/gw', id.toString(), words)
        const before = words.slice()
        id[place]! ^= 1 << bit
        hashIdentity('/gw', id.toString(), words)
        for (let i = 0; i < 128; i += 1) flips[i]! += ((before[i >> 5]! ^ words[i >> 5]!) >>> (i & 31)) & 1
      }
      // Half of 4,000, seven standard deviations either way.
      expect(Math.min(...flips)).toBeGreaterThan(rounds / 2 - 222)
      expect(Math.max(...flips)).toBeLessThan(rounds / 2 + 222)
    }
  }
})
