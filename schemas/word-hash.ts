// The rounds of Weir's fast hashes: 64 bits in two lanes of 32, over words of four bytes, little-endian. Who hashes what
// is decided by event-hash.ts and, with the same rounds in its own loops, by pipeline/core/scan.
// Invariants: one round is a bijection of the state for any word, and of the word for any state; two texts of one length
// collide only if at least three of their words differ, and then with 2^-64; a text ends with its length in bytes.
// Not for secrets: whoever wants two texts of one hash can make them. event-hash.ts says why that does no harm here.
//
// Every function gives one int32, so that they are inlined and nothing is allocated; a pair of results is left in `lanes`.
// `| 0` on an int32 tells the compiler its type; without it the compiler adds doubles.

/** One seed per kind of value, so that equal bytes of different kinds hash differently. */
export const seeds = {
  key: 0x243f6a88,
  text: 0x13198a2e,
  number: 0x03707344,
  /** A number that no double stands for. */
  exactNumber: 0x38d01378,
  true: 0x299f31d0,
  false: 0x082efa98,
  null: 0x4e6c89,
  array: 0x452821e6,
  object: 0x38d01377,
} as const

/** The two words that `finish` and the functions built on it leave. With a buffer of its own its address is constant. */
export const lanes = new Int32Array(new ArrayBuffer(8))

// An exported binding is looked up at every use; a constant that is not is compiled in.
const result = lanes

/** A word made ready for `turn`: `turn(first ^ mixWord(word), second)`. */
export function mixWord(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}

/** The new second lane; the old second becomes the first. MurmurHash3's step, over a state of two. */
export function turn(mixed: number, second: number): number {
  return (Math.imul((((mixed << 13) | (mixed >>> 19)) + (second | 0)) | 0, 5) + 0x6546b64) | 0
}

/** Ends a hash with a length or a count; the result is in `lanes`. */
export function finish(first: number, second: number, length: number): void {
  const sum = ((first ^ length) + (second | 0)) | 0
  const a = spread(sum)
  const b = spread((sum + (second | 0)) | 0)
  result[0] = (a + b) | 0
  result[1] = (((a + b) | 0) + b) | 0
}

const mix = mixWord
const step = turn

/** Hashes the bytes `[from, until)`. The view must reach three bytes further; their content does not matter. */
export function hashSpan(view: DataView, from: number, until: number, first: number, second: number): void {
  let a = first | 0
  let b = second | 0
  let at = from
  for (; at + 4 <= until; at += 4) {
    const next = step(a ^ mix(view.getInt32(at, true)), b)
    a = b
    b = next
  }
  if (at < until) {
    const next = step(a ^ mix(view.getInt32(at, true) & tailMask(until - at)), b)
    a = b
    b = next
  }
  finish(a, b, until - from)
}

/** The bits of the first `count` bytes of a word; 1 to 3. */
export function tailMask(count: number): number {
  return (1 << (count << 3)) - 1
}

/** MurmurHash3's finalizer: every bit of the input changes every bit of the output in half of all cases. */
function spread(word: number): number {
  const first = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return second ^ (second >>> 16)
}
