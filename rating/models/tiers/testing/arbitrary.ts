// Random tiers, for `graduated` and `volume`; their bounds are whole, so that the slow oracle can go unit by unit.

import fc from 'fast-check'
import type { Tier } from '../../../../schemas/catalog/models/tiers.js'
import { scaledOne } from '../../../../schemas/money/decimal.js'
import { price } from '../../../testing/arbitrary-values.js'

export const tiers: fc.Arbitrary<Tier[]> = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 6 }),
    fc.array(fc.record({ unitAmount: price, flatAmount: fc.oneof(fc.constant(0n), price) }), {
      minLength: 7,
      maxLength: 7,
    }),
  )
  .map(([bounds, amounts]) => [
    ...bounds
      .toSorted((a, b) => a - b)
      .map((bound, index) => ({ upTo: BigInt(bound) * scaledOne, ...amounts[index]! })),
    { upTo: null, ...amounts[6]! },
  ])
