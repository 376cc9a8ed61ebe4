// One byte string for all JSON values that are equal, to be hashed: key order, white space and the spelling
// of numbers do not matter; types, absence and null do.
// Invariant: every value is written with its type and its length or count, so that no two values share their
// bytes.
// The trick: all bytes are written into one buffer, reused for each event; no string is built.

import { canonicalNumber } from '../money/decimal-text.js'
import { ExactNumber, numberOf } from '../money/exact-number.js'

const encoder = new TextEncoder()
const initialCapacity = 1 << 16
/** A buffer that grew beyond this for one giant event is replaced afterwards. */
const keptCapacity = 1 << 22

let bytes = new Uint8Array(initialCapacity)
let at = 0

const double = new Float64Array(1)
const doubleBytes = new Uint8Array(double.buffer)

const tagNull = 0
const tagFalse = 1
const tagTrue = 2
const tagNumber = 3
const tagText = 4
const tagArray = 5
const tagObject = 6
const tagEnd = 7
const tagExactNumber = 8

/** Starts a new text. No await may come between this and `takeBytes`. */
export function beginBytes(): void {
  at = 0
  if (bytes.length > keptCapacity) bytes = new Uint8Array(initialCapacity)
}

/** The bytes put since `beginBytes`, as a view that the next `beginBytes` makes invalid. */
export function takeBytes(): Uint8Array {
  return bytes.subarray(0, at)
}

/** Puts a text with its length, so that adjacent texts stay distinct. Unicode text only. */
function putText(text: string): void {
  const length = text.length
  reserve(length * 3 + 5)
  const start = at + 5
  let end = start
  for (let i = 0; i < length; i += 1) {
    const code = text.charCodeAt(i)
    if (code > 127) {
      end = start + encoder.encodeInto(text, bytes.subarray(start)).written
      break
    }
    bytes[end] = code
    end += 1
  }
  putTag(tagText)
  putCount(end - start)
  at = end
}

/** Puts a JSON value, at most `maxDepth` deep; undefined members count as absent. */
export function putValue(value: unknown): void {
  if (typeof value === 'string') putText(value)
  else if (typeof value === 'number') putNumber(value)
  else if (typeof value === 'boolean') putTag(value ? tagTrue : tagFalse)
  else if (typeof value !== 'object' || value === null) putTag(tagNull)
  else if (Array.isArray(value)) putArray(value)
  else if (value instanceof ExactNumber) putExactNumber(value)
  else putObject(value as Record<string, unknown>)
}

function putNumber(value: number): void {
  reserve(9)
  putTag(tagNumber)
  // -0 and 0 are equal.
  double[0] = value === 0 ? 0 : value
  for (let i = 0; i < 8; i += 1) bytes[at + i] = doubleBytes[i]!
  at += 8
}

function putExactNumber({ text }: ExactNumber): void {
  const value = numberOf(text)
  if (typeof value === 'number') {
    putNumber(value)
    return
  }
  putTag(tagExactNumber)
  putText(canonicalNumber(value.text))
}

function putArray(values: readonly unknown[]): void {
  reserve(5)
  putTag(tagArray)
  putCount(values.length)
  for (const value of values) putValue(value)
}

function putObject(record: Record<string, unknown>): void {
  putTag(tagObject)
  for (const key of sortKeys(Object.keys(record))) {
    const member = record[key]
    if (member === undefined) continue
    putText(key)
    putValue(member)
  }
  putTag(tagEnd)
}

/** Sorts in place, by UTF-16 code units. For few keys, insertion is faster than the built-in sort. */
function sortKeys(keys: string[]): string[] {
  if (keys.length > 24) return keys.sort()
  for (let i = 1; i < keys.length; i += 1) {
    const key = keys[i]!
    let place = i
    while (place > 0 && keys[place - 1]! > key) {
      keys[place] = keys[place - 1]!
      place -= 1
    }
    keys[place] = key
  }
  return keys
}

function putTag(tag: number): void {
  reserve(1)
  bytes[at] = tag
  at += 1
}

function putCount(count: number): void {
  bytes[at] = count
  bytes[at + 1] = count >>> 8
  bytes[at + 2] = count >>> 16
  bytes[at + 3] = count >>> 24
  at += 4
}

function reserve(count: number): void {
  if (at + count <= bytes.length) return
  const larger = new Uint8Array(Math.max(bytes.length * 2, at + count))
  larger.set(bytes)
  bytes = larger
}
