// The shape of a `stairstep` price: one amount for each tier, whatever the quantity within it.
// Invariant: tiers that come out ascend, and the last is open; their unit amounts are 0.

import { z } from 'zod'
import { positiveField, quantityField } from '../../json/wire-fields.js'
import { formatScaled } from '../../money/decimal.js'
import { fromZero, type ModelShape } from './model-shape.js'
import { readTiers, type Tiered } from './tiers.js'

const step = z.strictObject({
  up_to: positiveField.nullable().meta({ description: 'Inclusive; null in the last tier.' }),
  flat_amount: quantityField.meta({ description: 'The whole price while the quantity is in this tier.' }),
})

export const stairstep: ModelShape<Tiered<'stairstep'>> = {
  fields: { tiers: z.array(step).min(1) },
  read(reader, problems) {
    const tiers = readTiers(reader, problems, tier => {
      const flatAmount = tier.requiredDecimal('flat_amount', fromZero)
      if (tier.has('unit_amount')) {
        const message =
          'A tier of stairstep has one flat_amount, whatever the quantity; for a price per unit: volume.'
        tier.fault('unit_amount', 'unknown_key', message)
      }
      return { unitAmount: 0n, flatAmount: flatAmount ?? 0n }
    })
    return tiers === undefined ? undefined : { model: 'stairstep', tiers }
  },
  toWire: ({ tiers }) => ({
    tiers: tiers.map(({ upTo, flatAmount }) => ({
      up_to: upTo === null ? null : formatScaled(upTo),
      flat_amount: formatScaled(flatAmount),
    })),
  }),
}
