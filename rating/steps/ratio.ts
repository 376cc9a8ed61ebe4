// Exact fractions, for explanations and for compiling proration.
// Invariants: always in lowest terms with a positive denominator; only `toScaled` rounds, by the rounding it is given.

import { divideRounded, type Rounding, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { Fraction } from '../periods/proration.js'

export type Ratio = Fraction

export function ratio(numerator: bigint, denominator = 1n): Ratio {
  const sign = denominator < 0n ? -1n : 1n
  const divisor = greatestCommonDivisor(numerator, denominator) * sign
  return { numerator: numerator / divisor, denominator: denominator / divisor }
}

export function ofScaled(value: Scaled): Ratio {
  return ratio(value, scaledOne)
}

export const zero = ratio(0n)
export const one = ratio(1n)

export function plus(a: Ratio, b: Ratio): Ratio {
  return ratio(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator)
}

export function minus(a: Ratio, b: Ratio): Ratio {
  return plus(a, ratio(-b.numerator, b.denominator))
}

export function times(a: Ratio, b: Ratio): Ratio {
  return ratio(a.numerator * b.numerator, a.denominator * b.denominator)
}

export function over(a: Ratio, b: Ratio): Ratio {
  return ratio(a.numerator * b.denominator, a.denominator * b.numerator)
}

export function isAbove(a: Ratio, b: Ratio): boolean {
  return a.numerator * b.denominator > b.numerator * a.denominator
}

export function greater(a: Ratio, b: Ratio): Ratio {
  return isAbove(b, a) ? b : a
}

export function lesser(a: Ratio, b: Ratio): Ratio {
  return isAbove(a, b) ? b : a
}

export function sumOf(parts: readonly Ratio[]): Ratio {
  return parts.reduce(plus, zero)
}

/** Rounded up to a whole number; a negative value towards zero. */
export function ceilingOf({ numerator, denominator }: Ratio): Ratio {
  const quotient = numerator / denominator
  return ratio(numerator > quotient * denominator ? quotient + 1n : quotient)
}

export function toScaled({ numerator, denominator }: Ratio, rounding: Rounding = 'half_up'): Scaled {
  return divideRounded(numerator * scaledOne, denominator, rounding)
}

/** A decimal if one ends, else `n/d`: always exact. */
export function exactText(value: Ratio): string {
  const places = placesOf(value.denominator)
  if (places === undefined) return `${value.numerator}/${value.denominator}`
  return decimalText(value, places)
}

/** For people: at most 12 places, with `…` where more follow. */
export function shortText(value: Ratio): string {
  const places = placesOf(value.denominator)
  return places !== undefined && places <= shownPlaces
    ? decimalText(value, places)
    : `${decimalText(value, shownPlaces)}…`
}

const shownPlaces = 12

/** Cut off after so many places. */
function decimalText({ numerator, denominator }: Ratio, places: number): string {
  const magnitude = numerator < 0n ? -numerator : numerator
  const digits = ((magnitude * 10n ** BigInt(places)) / denominator).toString().padStart(places + 1, '0')
  const whole = digits.slice(0, digits.length - places)
  const sign = numerator < 0n ? '-' : ''
  return places === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-places)}`
}

/** How many places a fraction in lowest terms needs; undefined when no number of places is enough. */
function placesOf(denominator: bigint): number | undefined {
  let rest = denominator
  let twos = 0
  let fives = 0
  for (; rest % 2n === 0n; rest /= 2n) twos += 1
  for (; rest % 5n === 0n; rest /= 5n) fives += 1
  return rest === 1n ? Math.max(twos, fives) : undefined
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [high, low] = [a < 0n ? -a : a, b < 0n ? -b : b]
  while (low !== 0n) [high, low] = [low, high % low]
  return high
}
