// Hashes of an event: its identity (source and id), and its content, which distinguishes a duplicate from a conflict.
// Invariants: equal values hash alike whatever their key order, white space and spelling of numbers; a hash is of UTF-8
// bytes, so that the text form here and the byte form of pipeline/core/scan agree.
//
// These two are not cryptographic, because nobody gains by forging one. 128 bits of the identity: 10^9 ids collide by
// chance with 10^-21. 64 bits of the content are compared with those of one other event, the one of the same identity. A
// sender who crafts colliding ids or contents loses only events of his own.
// What is compared beyond one sender, `hashOfValue`, stays SHA-256.

import { hash } from 'node:crypto'
import { beginBytes, putValue, takeBytes } from '../json/canonical-bytes.js'
import { canonicalNumber } from '../money/decimal-text.js'
import { ExactNumber, numberOf } from '../money/exact-number.js'
import { msOf, nanosOf } from '../time.js'
import * as wordHash from '../word-hash.js'
import { comparedData } from './compared-data.js'
import type { ValidEvent } from './usage-event.js'

/** Words of 32 bits of an identity. */
export const hashWords = 4
/** Words of 32 bits of a content hash. */
export const contentWords = 2

/** What belongs to the content, by its name in the event. */
export type ContentName =
  | 'type'
  | 'subject'
  | 'time'
  | 'subscriptionid'
  | 'correlationid'
  | 'traceparent'
  | 'data'

// An imported binding is looked up at every use; a constant of the module is compiled in.
const { finish, hashSpan, lanes, mixWord, seeds, tailMask, turn } = wordHash

const encoder = new TextEncoder()
const initialCapacity = 1 << 12
/** A buffer that one giant text has grown is given back afterwards. */
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
 * The same of UTF-8 bytes, `[sourceFrom, sourceUntil)` and `[idFrom, idUntil)`, into four words of `out` from `at` on.
 * The view must reach three bytes beyond either.
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
  // The length of the first comes between the two, so that no other pair gives the same bytes.
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
  // `type`, `subject`, `time` (the instant, or that it was left out), the three extensions and `data`: what the contract
  // calls the content. It is hashed as an object of those members; an extension that is only carried is the same absent
  // and empty.
  const sum: EntrySum = { a: 0, b: 0, count: 0 }
  addAttribute(sum, 'type', event.type)
  addAttribute(sum, 'subject', event.subject)
  if (event.timeText !== undefined) addTime(sum, event.timeNs)
  if (event.subscriptionId !== undefined) addAttribute(sum, 'subscriptionid', event.subscriptionId)
  if (event.correlationId !== '') addAttribute(sum, 'correlationid', event.correlationId)
  if (event.traceparent !== '') addAttribute(sum, 'traceparent', event.traceparent)
  addAttribute(sum, 'data', comparedData(event.type, event.data))
  finishObject(0, 0, sum.a, sum.b, sum.count)
  out[0] = lanes[0]!
  out[1] = lanes[1]!
}

/** The key's hash, in `lanes`: what the hash of its value begins with. Bytes as for `hashSpan`. */
export function hashKey(view: DataView, from: number, until: number): void {
  hashSpan(view, from, until, seeds.key, 0)
}

/** The hash of a number by its value, in `lanes`, so that 1, 1.0 and 1e0 are the same; and so are 0 and -0. */
export function hashNumber(value: number, first: number, second: number): void {
  double[0] = value === 0 ? 0 : value
  const third = turn(first ^ seeds.number ^ mixWord(doubleWords[0]!), second)
  finish(third, turn(second ^ mixWord(doubleWords[1]!), third), 8)
}

/** The hash of an instant, in `lanes`, so that it is the same however it was written. */
export function hashInstant(ms: number, nanos: number, first: number, second: number): void {
  hashNumber(ms, first, second)
  hashNumber(nanos, lanes[0]!, lanes[1]!)
}

/** The same of a number that no double stands for, by its value, in `lanes`. */
export function hashExactNumber({ text }: ExactNumber, first: number, second: number): void {
  const canonical = canonicalNumber(text)
  reserve(canonical.length)
  hashSpan(scratchView, 0, encodeText(canonical, 0), first ^ seeds.exactNumber, second)
}

/** The hash of an object, in `lanes`: of the sums of its entries' hashes, so that their order does not matter. */
export function finishObject(first: number, second: number, a: number, b: number, count: number): void {
  const third = turn(first ^ seeds.object ^ mixWord(a), second)
  finish(third, turn(second ^ mixWord(b), third), count)
}

/** 128 bits of a JSON value (at most `maxDepth` deep), as 32 hexadecimal digits. Equal values, equal hash. SHA-256. */
export function hashOfValue(value: unknown): string {
  beginBytes()
  putValue(value)
  // By way of bytes: a slice of a longer text would keep all of that text.
  return hash('sha256', takeBytes(), 'buffer').toString('hex', 0, 16)
}

/** The words of a hash as hexadecimal digits, eight each. */
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
  const [first, second] = attributeKey('time')
  hashInstant(msOf(timeNs), nanosOf(timeNs), first, second)
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

/** The hash of a value that begins with the two words given: those of its key, or of the array so far. */
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

/** Of the value, also if somebody made an ExactNumber of a number that needs none. */
function hashAnyNumber({ text }: ExactNumber, first: number, second: number): void {
  const value = numberOf(text)
  if (typeof value === 'number') hashNumber(value, first, second)
  else hashExactNumber(value, first, second)
}

/** Each element begins with what those before it came to; the count ends it. */
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

/** Room for so many bytes, and for the three that a hash may read beyond. */
function reserve(count: number): void {
  const needed = count + 4
  if (needed <= scratch.length && scratch.length <= keptCapacity) return
  scratch = new Uint8Array(Math.max(initialCapacity, needed))
  scratchView = new DataView(scratch.buffer)
}

/** Takes a span into both hashes of `pair`; the second has constants of its own, so that they are independent. */
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
