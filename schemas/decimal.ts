// Decimal numbers: their text form, and the scaled integers that stand for them inside.
// Invariant: every conversion is exact or is refused; nothing here rounds except `divideRounded`, which is told how.

/** Digits after the decimal point that Weir keeps: the scale of `Decimal(38,12)`. */
export const decimalScale = 12

/** 10^12: what one unit is as a scaled integer. */
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

const decimalText = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/
const outOfRange: DecimalResult = { kind: 'value_out_of_range' }
const invalid: DecimalResult = { kind: 'invalid_value' }

/**
 * Reads a decimal string, or a finite JSON number at its shortest decimal text.
 * More than 26 digits before or 12 after the point (trailing zeros aside) is `value_out_of_range`.
 */
export function parseDecimal(value: unknown): DecimalResult {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return { kind: 'ok', value: BigInt(value) * scaledOne }
    if (!Number.isFinite(value)) return invalid
    return parseDecimalText(String(value))
  }
  return typeof value === 'string' ? parseDecimalText(value) : invalid
}

function parseDecimalText(text: string): DecimalResult {
  // A longer text is refused before any arithmetic, so hostile input costs nothing.
  if (text.length > 4096) return outOfRange
  const match = decimalText.exec(text)
  if (match === null) return invalid
  const exponent = Number(match[4] ?? '0')
  const fraction = match[3] ?? ''
  const digits = `${match[2]}${fraction}`.replace(/^0+/, '')
  if (digits === '') return { kind: 'ok', value: 0n }
  const significant = digits.replace(/0+$/, '')
  const power = exponent - fraction.length + (digits.length - significant.length) + decimalScale
  if (power < 0 || significant.length + power > 38) return outOfRange
  const magnitude = BigInt(significant) * 10n ** BigInt(power)
  return { kind: 'ok', value: match[1] === '-' ? -magnitude : magnitude }
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
  const magnitude = negative ? -numerator : numerator
  const quotient = magnitude / denominator
  const twice = (magnitude - quotient * denominator) * 2n
  const up =
    twice > denominator || (twice === denominator && (rounding === 'half_up' || (quotient & 1n) === 1n))
  const rounded = up ? quotient + 1n : quotient
  return negative ? -rounded : rounded
}
