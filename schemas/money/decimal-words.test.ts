// Tests sums in 32-bit words against bigints.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scaledOne } from './decimal.js'
import { addWords, putScaled, putWhole, scaledOfWords, wholeLimit, wordsOfAmount } from './decimal-words.js'

const units = fc.oneof(
  fc.integer({ min: 0, max: wholeLimit - 1 }),
  fc.constantFrom(0, 1, 4_294, 4_295, 9_223_372, 9_223_373, 2 ** 32, wholeLimit - 1),
)
const safe = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER))

test('whole units and safe scaled integers are the words that a bigint would be', () => {
  fc.assert(
    fc.property(units, safe, (count, scaled) => {
      const words = new Uint32Array(wordsOfAmount)
      putWhole(count, words)
      expect(scaledOfWords(words)).toBe(BigInt(count) * scaledOne)
      putScaled(scaled, words)
      expect(scaledOfWords(words)).toBe(BigInt(scaled))
    }),
    { numRuns: 2_000 },
  )
})

test('words add up as 128 bits, carries and signs included', () => {
  const sum = fc.oneof(
    fc.bigInt({ min: -(2n ** 120n), max: 2n ** 120n }),
    fc.constantFrom(-1n, 2n ** 64n - 1n, -(2n ** 96n)),
  )
  fc.assert(
    fc.property(sum, units, (before, count) => {
      const halves = new Int32Array(8).fill(7)
      const whole = new BigInt64Array(halves.buffer, 8, 2)
      whole[0] = before
      whole[1] = before >> 64n
      const words = new Uint32Array(wordsOfAmount)
      putWhole(count, words)
      addWords(words, halves, 2)
      expect((whole[1]! << 64n) + BigInt.asUintN(64, whole[0]!)).toBe(before + BigInt(count) * scaledOne)
      expect([halves[0], halves[1], halves[6], halves[7]]).toEqual([7, 7, 7, 7])
    }),
    { numRuns: 2_000 },
  )
})
