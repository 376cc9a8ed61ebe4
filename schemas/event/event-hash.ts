// Hashes of an event: its identity (source and id), and its content, which distinguishes a duplicate from a
// conflict.
// Invariants: equal values hash alike whatever their key order, white space and spelling of numbers; a hash
// is of UTF-8 bytes, so that the text form here and the byte form of pipeline/core/scan agree.
//
// These two are not cryptographic, because forging one gains nothing. An identity has 128 bits: among 10^9
// ids a collision has a probability of about 10^-21. The 64 bits of a content are compared only with those of
// the event with the same identity. A sender who crafts colliding ids or contents loses only own events.
// `hashOfValue`, which is compared between senders, is SHA-256.

import { hash } from 'node:crypto'
import { beginBytes, putValue, takeBytes } from '../json/canonical-bytes.js'
import { canonicalNumber } from '../money/decimal-text.js'
import { ExactNumber, numberOf } from '../money/exact-number.js'
import { msOf, nanosOf } from '../time.js'
import * as wordHash from '../word-hash.js'
import { comparedData } from './compared-data.js'
import type { ValidEvent } from './usage-event.js'

/** 32-bit words in an identity hash. */
export const hashWords = 4
/** 32-bit words in a content hash. */
export const contentWords = 2

/** The members of the content, by their names in the event. */
export type ContentName =
  | 'type'
  | 'subject'
  | 'time'
  | 'subscriptionid'
  | 'correlationid'
  | 'traceparent'
  | 'data'

// An imported binding is looked up at every use; a module constant is compiled in.
const { finish, hashSpan, lanes, mixWord, seeds, tailMask, turn } = wordHash

const encoder = new TextEncoder()
const initialCapacity = 1 << 12
/** A buffer that grew beyond this for one giant text is replaced afterwards. */
const keptCapacity = 1 << 20
let scratch = new Uint8Array(initialCapacity)
let scratchView = new DataView(scratch.buffer)

const double = new Float64Array(new ArrayBuffer(8))
const doubleWords = new Int32Array(double.buffer)

/** Two hashes of 64 bits, two lanes each. */
const pair = new Int32Array(new ArrayBuffer(16))

/** Writes the 128 bits that stand for (source, id) into the first four words of `out`. Unicode text only. */
export function hashIdentity(source: string, id: string, out: Uint32Array): void {
  reserve((source.length + id.length) * 3)
  const border = encodeText(source, 0)
  const end = encodeText(id, border)
  hashIdentityBytes(scratchView, 0, border, border, end, out, 0)
}

/**
 * Like `hashIdentity`, from the UTF-8 bytes `[sourceFrom, sourceUntil)` and `[idFrom, idUntil)`, into four
 * words of `out` from `at` on. The view must extend three bytes beyond each.
 */
export function hashIdentityBytes(
  view: DataView,
  sourceFrom: number,
  sourceUntil: number,
  idFrom: number,
  idUntil: number,
  out: Uint32Array,
  at: number,
): void {
  pair[0] = 0x2ffd72db
  pair[1] = 0x1dfb5a3e
  pair[2] = 0x636920d8
  pair[3] = 0x71574e69
  absorbSpan(view, sourceFrom, sourceUntil)
  // The length of the source is hashed between the two, so that no other pair gives the same bytes.
  absorbLength(sourceUntil - sourceFrom)
  absorbSpan(view, idFrom, idUntil)
  const length = idUntil - idFrom
  finish(pair[0]!, pair[1]!, length)
  out[at] = lanes[0]!
  out[at + 1] = lanes[1]!
  finish(pair[2]!, pair[3]!, length)
  out[at + 2] = lanes[0]!
  out[at + 3] = lanes[1]!
}

/** Writes the 64 bits of the event's content into the first two words of `out`. */
export function hashContent(event: ValidEvent, out: Uint32Array): void {
  // The content, as contract 2 defines it: `type`, `subject`, `time` (the instant, or that there is none
  // or a stamped one), the three extensions and `data`. It is hashed as an object of those members. An extension that is only
  // carried has the same hash when it is absent and when it is empty.
  const sum: EntrySum = { a: 0, b: 0, count: 0 }
  addAttribute(sum, 'type', event.type)
  addAttribute(sum, 'subject', event.subject)
  if (event.timeText !== undefined && !event.isTimeStamped) addTime(sum, event.timeNs)
  if (event.subscriptionId !== undefined) addAttribute(sum, 'subscriptionid', event.subscriptionId)
  if (event.correlationId !== '') addAttribute(sum, 'correlationid', event.correlationId)
  if (event.traceparent !== '') addAttribute(sum, 'traceparent', event.traceparent)
  addAttribute(sum, 'data', comparedData(event.type, event.data))
  finishObject(0, 0, sum.a, sum.b, sum.count)
  out[0] = lanes[0]!
  out[1] = lanes[1]!
}

/** Puts the key's hash into `lanes`; the hash of its value starts from it. Bytes as for `hashSpan`. */
export function hashKey(view: DataView, from: number, until: number): void {
  hashSpan(view, from, until, seeds.key, 0)
}

/** Puts the hash of a number's value into `lanes`: 1, 1.0 and 1e0 have one hash, and so have 0 and -0. */
export function hashNumber(value: number, first: number, second: number): void {
  double[0] = value === 0 ? 0 : value
  const third = turn(first ^ seeds.number ^ mixWord(doubleWords[0]!), second)
  finish(third, turn(second ^ mixWord(doubleWords[1]!), third), 8)
}

/** Puts the hash of an instant into `lanes`; every spelling of an instant has the same hash. */
export function hashInstant(ms: number, nanos: number, first: number, second: number): void {
  hashNumber(ms, first, second)
  hashNumber(nanos, lanes[0]!, lanes[1]!)
}

/** Puts the hash of the value of a number that no double represents into `lanes`. */
export function hashExactNumber({ text }: ExactNumber, first: number, second: number): void {
  const canonical = canonicalNumber(text)
  reserve(canonical.length)
  hashSpan(scratchView, 0, encodeText(canonical, 0), first ^ seeds.exactNumber, second)
}

/** Puts the hash of an object into `lanes`: it hashes sums of its entries' hashes, so order has no effect. */
export function finishObject(first: number, second: number, a: number, b: number, count: number): void {
  const third = turn(first ^ seeds.object ^ mixWord(a), second)
  finish(third, turn(second ^ mixWord(b), third), count)
}

/** Puts the hash that `time` adds to the content into `lanes`. */
export function hashTime(ms: number, nanos: number): void {
  const [first, second] = attributeKey('time')
  hashInstant(ms, nanos, first, second)
}

/** Puts the hash that the empty `data` adds to the content into `lanes`. */
export function hashNoData(): void {
  const [first, second] = attributeKey('data')
  finishObject(first, second, 0, 0, 0)
}

/** 128 bits of SHA-256 over a JSON value (at most `maxDepth` deep), in hexadecimal; equal values agree. */
export function hashOfValue(value: unknown): string {
  beginBytes()
  putValue(value)
  // Made from bytes: a slice of a longer string would keep all of that string in memory.
  return hash('sha256', takeBytes(), 'buffer').toString('hex', 0, 16)
}

/** The words of a hash as hexadecimal text, eight digits each. */
export function hashText(words: ArrayLike<number>, count: number = hashWords): string {
  let text = ''
  for (let i = 0; i < count; i += 1) text += (words[i]! >>> 0).toString(16).padStart(8, '0')
  return text
}

interface EntrySum {
  a: number
  b: number
  count: number
}

const attributeKeys = new Map<ContentName, readonly [number, number]>()

function addAttribute(sum: EntrySum, name: ContentName, value: unknown): void {
  const [first, second] = attributeKey(name)
  hashValue(value, first, second)
  addLanes(sum)
}

function addTime(sum: EntrySum, timeNs: bigint): void {
  hashTime(msOf(timeNs), nanosOf(timeNs))
  addLanes(sum)
}

function attributeKey(name: ContentName): readonly [number, number] {
  let key = attributeKeys.get(name)
  if (key === undefined) {
    hashKeyText(name)
    key = [lanes[0]!, lanes[1]!]
    attributeKeys.set(name, key)
  }
  return key
}

function addLanes(sum: EntrySum): void {
  sum.a = (sum.a + lanes[0]!) | 0
  sum.b = (sum.b + lanes[1]!) | 0
  sum.count += 1
}

/** Hashes a value, starting from two words: the hash of its key, or of the array's elements before it. */
function hashValue(value: unknown, first: number, second: number): void {
  if (typeof value === 'string') {
    reserve(value.length * 3)
    const length = encodeText(value, 0)
    hashSpan(scratchView, 0, length, first ^ seeds.text, second)
  } else if (typeof value === 'number') hashNumber(value, first, second)
  else if (typeof value === 'boolean') finish(first ^ (value ? seeds.true : seeds.false), second, 0)
  else if (typeof value !== 'object' || value === null) finish(first ^ seeds.null, second, 0)
  else if (Array.isArray(value)) hashArray(value, first, second)
  else if (value instanceof ExactNumber) hashAnyNumber(value, first, second)
  else hashObject(value as Record<string, unknown>, first, second)
}

/** Hashes by value, so an ExactNumber that a double could represent has the hash of that double. */
function hashAnyNumber({ text }: ExactNumber, first: number, second: number): void {
  const value = numberOf(text)
  if (typeof value === 'number') hashNumber(value, first, second)
  else hashExactNumber(value, first, second)
}

/** The hash of each element starts from the hash of those before it; the count is hashed last. */
function hashArray(values: readonly unknown[], first: number, second: number): void {
  let a = first ^ seeds.array
  let b = second
  for (const value of values) {
    hashValue(value, a, b)
    a = lanes[0]!
    b = lanes[1]!
  }
  finish(a, b, values.length)
}

function hashObject(record: Record<string, unknown>, first: number, second: number): void {
  let a = 0
  let b = 0
  let count = 0
  for (const key in record) {
    const member = record[key]
    if (member === undefined) continue
    hashKeyText(key)
    hashValue(member, lanes[0]!, lanes[1]!)
    a = (a + lanes[0]!) | 0
    b = (b + lanes[1]!) | 0
    count += 1
  }
  finishObject(first, second, a, b, count)
}

function hashKeyText(key: string): void {
  reserve(key.length * 3)
  hashKey(scratchView, 0, encodeText(key, 0))
}

/** Writes the text as UTF-8 at `from` of the scratch buffer, which is large enough; returns its end. */
function encodeText(text: string, from: number): number {
  const bytes = scratch
  const { length } = text
  for (let i = 0; i < length; i += 1) {
    const code = text.charCodeAt(i)
    if (code > 127) return from + encoder.encodeInto(text, bytes.subarray(from)).written
    bytes[from + i] = code
  }
  return from + length
}

/** Makes the scratch buffer hold `count` bytes and the three that a hash may read beyond them. */
function reserve(count: number): void {
  const needed = count + 4
  if (needed <= scratch.length && scratch.length <= keptCapacity) return
  scratch = new Uint8Array(Math.max(initialCapacity, needed))
  scratchView = new DataView(scratch.buffer)
}

/** Adds a span to both hashes of `pair`; the second has its own constants, so that they are independent. */
function absorbSpan(view: DataView, from: number, until: number): void {
  let a = pair[0]!
  let b = pair[1]!
  let c = pair[2]!
  let d = pair[3]!
  for (let at = from; at < until; at += 4) {
    const left = until - at
    const word = left < 4 ? view.getInt32(at, true) & tailMask(left) : view.getInt32(at, true)
    const b2 = turn(a ^ mixWord(word), b)
    const d2 = otherTurn(c ^ otherMix(word), d)
    a = b
    b = b2
    c = d
    d = d2
  }
  pair[0] = a
  pair[1] = b
  pair[2] = c
  pair[3] = d
}

function absorbLength(length: number): void {
  const a = pair[0]!
  const c = pair[2]!
  pair[0] = pair[1]!
  pair[1] = turn(a ^ mixWord(length), pair[1]!)
  pair[2] = pair[3]!
  pair[3] = otherTurn(c ^ otherMix(length), pair[3]!)
}

function otherMix(word: number): number {
  const product = Math.imul(word, 0x239b961b)
  return Math.imul((product << 17) | (product >>> 15), 0xab0e9789)
}

function otherTurn(mixed: number, second: number): number {
  return (Math.imul((((mixed << 19) | (mixed >>> 13)) + (second | 0)) | 0, 9) + 0x561ccd1b) | 0
}
