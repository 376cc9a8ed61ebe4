// Splits the text of a decimal number into sign, digits and exponent, and writes the canonical text of its
// value.
// Invariant: exact, linear in the length of the text; never builds a number as large as the exponent says.

export interface DecimalParts {
  readonly isNegative: boolean
  /** Without zeros at either end; '' for 0. The value is `digits` × 10^`exponent`. */
  readonly digits: string
  /** Infinity where the written exponent is beyond 2^53; canonicalNumber is exact there too. */
  readonly exponent: number
}

/** Limits of the digits of a number, in all and after the point. */
const maxDigits = 38
const maxFraction = 12

/** An exponent of more digits than this is not used in arithmetic. */
const maxExponentDigits = 1_000

const decimalText = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** Undefined when the text is not a decimal number. */
export function decimalParts(text: string): DecimalParts | undefined {
  const match = decimalText.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const all = fraction === '' ? whole : whole + fraction
  const from = zerosBefore(all)
  const until = zerosAfter(all, from)
  const power = Number(exponent)
  return {
    isNegative: sign === '-',
    digits: all.slice(from, until),
    exponent: Number.isSafeInteger(power)
      ? power - fraction.length + (all.length - until)
      : power * Number.POSITIVE_INFINITY,
  }
}

/** One text for all texts of one value: `-1.50` and `-15e-1` are `-15e-1`, and every zero is `0`. */
export function canonicalNumber(text: string): string {
  const parts = decimalParts(text)
  if (parts === undefined) throw new Error('not a decimal number')
  const { isNegative, digits, exponent } = parts
  if (digits === '') return '0'
  const exact = Number.isSafeInteger(exponent) ? exponent : giantExponent(text)
  return `${isNegative ? '-' : ''}${digits}e${exact}`
}

/**
 * The plain text of a number as dimensions, filters and distinct values compare it: `1.0` is `1`, `1e2` is
 * `100`. Undefined when it has more than 38 digits, or 12 after the point.
 */
export function plainNumberText(text: string): string | undefined {
  const parts = decimalParts(text)
  if (parts === undefined) return undefined
  const { isNegative, digits, exponent } = parts
  if (digits === '') return '0'
  if (exponent < -maxFraction || digits.length + Math.max(exponent, 0) > maxDigits) return undefined
  return `${isNegative ? '-' : ''}${withPoint(digits, exponent)}`
}

function withPoint(digits: string, exponent: number): string {
  if (exponent >= 0) return digits + '0'.repeat(exponent)
  const padded = digits.padStart(1 - exponent, '0')
  return `${padded.slice(0, exponent)}.${padded.slice(exponent)}`
}

/** The text of an exponent that no double holds; an extremely long exponent is compared by its spelling. */
function giantExponent(text: string): string {
  const [mantissa = '', written = ''] = text.toLowerCase().split('e')
  const exponent = written.replace(/^\+/, '').replace(/^(-?)0+(?=.)/, '$1')
  const [whole = '', fraction = ''] = mantissa.replace(/^[+-]/, '').split('.')
  const all = whole + fraction
  const shift = all.length - zerosAfter(all, zerosBefore(all)) - fraction.length
  return exponent.length > maxExponentDigits
    ? `${exponent}:${shift}`
    : String(BigInt(exponent) + BigInt(shift))
}

function zerosBefore(digits: string): number {
  let from = 0
  while (digits.charCodeAt(from) === 48) from += 1
  return from
}

function zerosAfter(digits: string, from: number): number {
  let until = digits.length
  while (until > from && digits.charCodeAt(until - 1) === 48) until -= 1
  return until
}
