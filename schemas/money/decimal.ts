// Decimal numbers: their text form, and the scaled integers that represent them in memory.
// Invariant: every conversion is exact or is refused; only `divideRounded` rounds, by the rounding it is
// given.

import { decimalParts } from './decimal-text.js'
import { ExactNumber } from './exact-number.js'

/** Digits after the decimal point that Weir keeps: the scale of `Decimal(38,12)`. */
export const decimalScale = 12

/** One unit as a scaled integer: 10^12. */
export const scaledOne = 1_000_000_000_000n

/** The largest magnitude that 38 digits hold, as a scaled integer. */
export const scaledMax = 10n ** 38n - 1n

/** A decimal as an integer of 10^-12ths; |value| <= `scaledMax`. */
export type Scaled = bigint

export type Rounding = 'half_up' | 'half_even'

export type DecimalResult =
  | { readonly kind: 'ok'; readonly value: Scaled }
  | { readonly kind: 'invalid_value' }
  | { readonly kind: 'value_out_of_range' }

const outOfRange: DecimalResult = { kind: 'value_out_of_range' }
const invalid: DecimalResult = { kind: 'invalid_value' }

/**
 * Reads a decimal string or a JSON number: an ExactNumber by its digits, others by their shortest text.
 * More than 26 digits before or 12 after the point (zeros at the ends aside) is `value_out_of_range`.
 */
export function parseDecimal(value: unknown): DecimalResult {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return { kind: 'ok', value: BigInt(value) * scaledOne }
    if (!Number.isFinite(value)) return invalid
    return parseDecimalText(String(value))
  }
  if (typeof value === 'string') return parseDecimalText(value)
  return value instanceof ExactNumber ? parseDecimalText(value.text) : invalid
}

function parseDecimalText(text: string): DecimalResult {
  const parts = decimalParts(text)
  if (parts === undefined) return invalid
  const { isNegative, digits, exponent } = parts
  if (digits === '') return { kind: 'ok', value: 0n }
  const power = exponent + decimalScale
  // A number with more digits is refused before any arithmetic, so hostile input costs nothing.
  if (power < 0 || digits.length + power > 38) return outOfRange
  const magnitude = BigInt(digits) * 10n ** BigInt(power)
  return { kind: 'ok', value: isNegative ? -magnitude : magnitude }
}

/** The shortest decimal text of a scaled integer: no exponent, no trailing zeros, `-0` is `0`. */
export function formatScaled(value: Scaled): string {
  const negative = value < 0n
  const text = (negative ? -value : value).toString().padStart(decimalScale + 1, '0')
  const whole = text.slice(0, -decimalScale)
  const fraction = text.slice(-decimalScale).replace(/0+$/, '')
  return `${negative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}

/** `numerator / denominator` as an integer; `half_up` is half away from zero. The denominator is positive. */
export function divideRounded(
  numerator: bigint,
  denominator: bigint,
  rounding: Rounding = 'half_up',
): bigint {
  const negative = numerator < 0n
  const size = negative ? -numerator : numerator
  const quotient = size / denominator
  const twice = (size - quotient * denominator) * 2n
  const up =
    twice > denominator || (twice === denominator && (rounding === 'half_up' || (quotient & 1n) === 1n))
  const rounded = up ? quotient + 1n : quotient
  return negative ? -rounded : rounded
}

export function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value
}

/** The greatest magnitude among the values; 0 when there are none. */
export function greatest(values: readonly bigint[]): bigint {
  let most = 0n
  for (const value of values) if (magnitude(value) > most) most = magnitude(value)
  return most
}
