// Random `percentage` prices: with and without fixed amounts, free units and events, and per-event bounds.

import fc from 'fast-check'
import type { Percentage } from '../../../../schemas/catalog/models/percentage.js'
import type { Scaled } from '../../../../schemas/money/decimal.js'
import { optional, price, whole } from '../../../testing/arbitrary-values.js'

export const percentage: fc.Arbitrary<Percentage> = fc
  .record({
    rate: fc.integer({ min: 0, max: 1_000 }).map(n => BigInt(n) * 10_000_000_000n),
    fixedAmount: optional(price),
    freeUnits: optional(whole(40)),
    freeEvents: optional(fc.integer({ min: 0, max: 6 })),
    clamp: optional(fc.tuple(price, price)),
    clampAt: fc.constantFrom('minimum', 'maximum', 'both'),
  })
  .map(({ rate, fixedAmount, freeUnits, freeEvents, clamp, clampAt }) => {
    const [low, high] = (clamp ?? [0n, 0n]).toSorted((a, b) => (a < b ? -1 : 1)) as [Scaled, Scaled]
    return {
      model: 'percentage' as const,
      rate,
      ...(fixedAmount === undefined ? {} : { fixedAmount }),
      ...(freeUnits === undefined ? {} : { freeUnits }),
      ...(freeEvents === undefined ? {} : { freeEvents }),
      ...(clamp === undefined || clampAt === 'maximum' ? {} : { perEventMinimum: low }),
      ...(clamp === undefined || clampAt === 'minimum' ? {} : { perEventMaximum: high }),
    }
  })
