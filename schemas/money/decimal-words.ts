// Converts doubles to non-negative scaled integers as 32-bit words, the lowest first, so that sums on the hot
// path need no bigints and make no garbage.
// Invariant: exact; callers pass only values that a double holds exactly.

import type { Scaled } from './decimal.js'

/** 96 bits: three words. */
export const wordsOfAmount = 3

const million = 1_000_000
const twoTo32 = 2 ** 32
/** Whole units from which `putWhole` would not be exact. */
export const wholeLimit = Math.floor(Number.MAX_SAFE_INTEGER / million)

/** Writes `units`, below `wholeLimit`, as a scaled integer: times 10^12, in two steps that doubles hold. */
export function putWhole(units: number, into: Uint32Array): void {
  const millionths = units * million
  const high = Math.floor(millionths / twoTo32)
  const low = (millionths - high * twoTo32) * million
  const carry = Math.floor(low / twoTo32)
  const rest = high * million + carry
  into[0] = low - carry * twoTo32
  into[1] = rest
  into[2] = Math.floor(rest / twoTo32)
}

/** Writes a scaled integer that is a safe integer. */
export function putScaled(scaled: number, into: Uint32Array): void {
  into[0] = scaled
  into[1] = Math.floor(scaled / twoTo32)
  into[2] = 0
}

export function scaledOfWords(words: Uint32Array): Scaled {
  return (BigInt(words[2]!) << 64n) | (BigInt(words[1]!) << 32n) | BigInt(words[0]!)
}

/** Adds to a number in 128-bit two's complement, in four words from `at` on. */
export function addWords(words: Uint32Array, to: Int32Array, at: number): void {
  let sum = (to[at]! >>> 0) + words[0]!
  to[at] = sum
  sum = (to[at + 1]! >>> 0) + words[1]! + (sum >= twoTo32 ? 1 : 0)
  to[at + 1] = sum
  sum = (to[at + 2]! >>> 0) + words[2]! + (sum >= twoTo32 ? 1 : 0)
  to[at + 2] = sum
  if (sum >= twoTo32) to[at + 3] = to[at + 3]! + 1
}
