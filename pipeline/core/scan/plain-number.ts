// Reads numbers that are written as plain decimals from their bytes alone.
// Invariant: a number is read as parseDecimal and scalarText read the same text; a number in another form is
// left to them.

import type { Scaled } from '../../../schemas/money/decimal.js'
import { wholeLimit } from '../../../schemas/money/decimal-words.js'

const zero = 0x30
const nine = 0x39
const point = 0x2e
const minus = 0x2d
/** Exact in a double, and written as the shortest text of that double. */
const maxDigits = 15
const powers = Array.from({ length: 13 }, (_, digits) => 10 ** digits)
const bigPowers = Array.from({ length: 13 }, (_, digits) => 10n ** BigInt(digits))

/** Whether a number's spelling is its canonical text. Only plain whole numbers are certain to be. */
export function isPlainText(bytes: Uint8Array, from: number, until: number): boolean {
  if (until - from > maxDigits) return false
  for (let i = from; i < until; i += 1) if (bytes[i]! < zero || bytes[i]! > nine) return false
  return true
}

/**
 * The value of a number, or of a text, that is written as a plain decimal: no exponent, no superfluous zeros,
 * at most 15 digits, 12 of them after the point. Undefined for any other.
 */
export function plainQuantity(bytes: Uint8Array, from: number, until: number): Scaled | undefined {
  const isNegative = bytes[from] === minus
  const first = isNegative ? from + 1 : from
  let mantissa = 0
  let pointAt = -1
  if (until - first > maxDigits + 1) return undefined
  for (let i = first; i < until; i += 1) {
    const byte = bytes[i]!
    if (byte >= zero && byte <= nine) mantissa = mantissa * 10 + (byte - zero)
    else if (byte === point && pointAt === -1 && i > first) pointAt = i
    else return undefined
  }
  const wholeUntil = pointAt === -1 ? until : pointAt
  const fraction = pointAt === -1 ? 0 : until - pointAt - 1
  if (wholeUntil === first || (bytes[first] === zero && wholeUntil > first + 1)) return undefined
  if (pointAt !== -1 && (fraction === 0 || bytes[until - 1] === zero)) return undefined
  if (until - first - (pointAt === -1 ? 0 : 1) > maxDigits || fraction > 12) return undefined
  if (isNegative && mantissa === 0) return undefined
  const product = mantissa * powers[12 - fraction]!
  const magnitude =
    product <= Number.MAX_SAFE_INTEGER ? BigInt(product) : BigInt(mantissa) * bigPowers[12 - fraction]!
  return isNegative ? -magnitude : magnitude
}

/** The same for a whole number, as a double; -1 for any other. */
export function plainWhole(bytes: Uint8Array, from: number, until: number): number {
  const length = until - from
  if (length === 0 || length > maxDigits || (length > 1 && bytes[from] === zero)) return -1
  let units = 0
  for (let i = from; i < until; i += 1) {
    const byte = bytes[i]!
    if (byte < zero || byte > nine) return -1
    units = units * 10 + (byte - zero)
  }
  return units < wholeLimit ? units : -1
}
