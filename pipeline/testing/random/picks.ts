// What random catalogs are chosen with: weights, and records without what is undefined.

import fc from 'fast-check'

export type Wire = Readonly<Record<string, unknown>>

export const often = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, { weight: 3, arbitrary: fc.constantFrom(...others) })
export const mostly = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) })
export const index = fc.nat({ max: 59 })
export const at = <T>(values: readonly T[], n: number): T => values[n % values.length]!

/** Removes the members that are undefined. */
export function defined(wire: Wire): Wire {
  return Object.fromEntries(Object.entries(wire).filter(([, value]) => value !== undefined))
}
