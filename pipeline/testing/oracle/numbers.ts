// Numbers and decimal texts as the oracle reads them: from their digits, with whole numbers of any size. Shares nothing
// with the reading of schemas/. Contract section 1: at most 26 digits before the point and 12 after it in a quantity, 38
// digits in all where a number is compared; zeros at the end do not count.

import type { Scaled } from '../../../schemas/money/decimal.js'
import { ExactNumber } from '../../../schemas/money/exact-number.js'

/** `whole` × 10^`power`, `whole` not ending in 0; 0 is 0 × 10^0. */
interface Digits {
  readonly whole: bigint
  readonly power: number
}

/** The digits of a JSON number; undefined for any other value. */
export function numberText(value: unknown): string | undefined {
  if (value instanceof ExactNumber) return value.text
  return typeof value === 'number' ? String(value) : undefined
}

/** Equal texts, equal numbers. */
export function numberKey(text: string): string {
  const digits = digitsOf(text)
  return `${digits?.whole}e${digits?.power}`
}

/** A number or a decimal text as 10^-12ths. */
export function quantityOf(value: unknown): Scaled | 'invalid_value' | 'value_out_of_range' {
  const digits = digitsOf(typeof value === 'string' ? value : (numberText(value) ?? ''))
  if (digits === undefined) return 'invalid_value'
  const { whole, power } = digits
  if (power < -12 || length(whole) + power > 26) return 'value_out_of_range'
  return whole * 10n ** BigInt(power + 12)
}

/** As filters, dimensions and distinct values compare it. */
export function comparedText(value: unknown): string | 'value_out_of_range' | undefined {
  if (typeof value === 'string' || typeof value === 'boolean') return String(value)
  const digits = digitsOf(numberText(value) ?? '')
  if (digits === undefined) return undefined
  const { whole, power } = digits
  if (power < -12 || length(whole) + Math.max(power, 0) > 38) return 'value_out_of_range'
  if (power >= 0) return String(whole * 10n ** BigInt(power))
  const sign = whole < 0n ? '-' : ''
  const all = String(whole < 0n ? -whole : whole).padStart(1 - power, '0')
  return `${sign}${all.slice(0, power)}.${all.slice(power)}`
}

function digitsOf(text: string): Digits | undefined {
  const match = /^([+-]?)([0-9]+)([.][0-9]+)?(?:[eE]([+-]?[0-9]+))?$/.exec(text)
  if (match === null) return undefined
  const fraction = (match[3] ?? '.').slice(1)
  let whole = BigInt(`${match[2]}${fraction}`)
  let power = Number(match[4] ?? 0) - fraction.length
  if (whole === 0n) return { whole, power: 0 }
  for (; whole % 10n === 0n; power += 1) whole /= 10n
  return { whole: match[1] === '-' ? -whole : whole, power }
}

function length(whole: bigint): number {
  return String(whole < 0n ? -whole : whole).length
}
