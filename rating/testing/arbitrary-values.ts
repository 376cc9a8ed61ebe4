// Random amounts and whole numbers, small enough for the slow oracle to count. For tests alone.

import fc from 'fast-check'
import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'

export const whole = (max: number): fc.Arbitrary<Scaled> =>
  fc.integer({ min: 0, max }).map(n => BigInt(n) * scaledOne)
export const price = fc.integer({ min: 0, max: 5_000 }).map(n => BigInt(n) * 1_234_567n * 1_000n)
export const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined })
