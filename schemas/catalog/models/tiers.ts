// The shape of a price by tiers: `graduated` and `volume` differ in what they owe alone; stairstep.ts has its own amounts.
// Invariant: tiers that come out ascend, and the last is open.

import { z } from 'zod'
import { positiveField, quantityField } from '../../json/wire-fields.js'
import { formatScaled, type Scaled } from '../../money/decimal.js'
import { asMap, FieldReader } from '../catalog-reader.js'
import type { Problems } from '../catalog-source.js'
import { decimal, fromZero, type ModelShape, positive } from './model-shape.js'

export interface Tier {
  /** Inclusive upper bound; null for the last tier. */
  readonly upTo: Scaled | null
  readonly unitAmount: Scaled
  readonly flatAmount: Scaled
}

export interface Tiered<N extends string> {
  readonly model: N
  readonly tiers: readonly Tier[]
}

const tier = z.strictObject({
  up_to: positiveField.nullable().meta({ description: 'Inclusive; null in the last tier.' }),
  unit_amount: quantityField.optional(),
  flat_amount: quantityField.optional(),
})

export function tieredShape<N extends string>(model: N): ModelShape<Tiered<N>> {
  return {
    fields: { tiers: z.array(tier).min(1) },
    read(reader, problems) {
      const tiers = readTiers(reader, problems)
      return tiers === undefined ? undefined : { model, tiers }
    },
    toWire: ({ tiers }) => ({
      tiers: tiers.map(({ upTo, unitAmount, flatAmount }) => ({
        up_to: upTo === null ? null : formatScaled(upTo),
        ...decimal('unit_amount', unitAmount),
        ...(flatAmount === 0n ? {} : decimal('flat_amount', flatAmount)),
      })),
    }),
  }
}

type Amounts = Omit<Tier, 'upTo'>

function readAmounts(tier: FieldReader): Amounts {
  const unitAmount = tier.decimal('unit_amount', fromZero) ?? 0n
  return { unitAmount, flatAmount: tier.decimal('flat_amount', fromZero) ?? 0n }
}

/** Tiers have no gaps by their form: each begins where the one before ends. */
export function readTiers(
  reader: FieldReader,
  problems: Problems,
  amountsOf: (tier: FieldReader) => Amounts = readAmounts,
): Tier[] | undefined {
  const items = reader.list('tiers', reader.requiredField('tiers'))
  if (items === undefined) return undefined
  if (items.length === 0) return reader.fault('tiers', 'missing_field', 'There is at least one tier.')
  const tiers: Tier[] = []
  let previous: Scaled = 0n
  for (const [index, item] of items.entries()) {
    const map = asMap(item, 'A tier', problems)
    if (map === undefined) continue
    const tier = new FieldReader(map, problems)
    const upTo = readUpTo(tier, index === items.length - 1)
    const amounts = amountsOf(tier)
    tier.refuseOthers('a tier')
    if (upTo !== undefined && upTo !== null) {
      if (upTo <= previous && index > 0) {
        tier.fault('up_to', 'unsorted_tiers', 'The field up_to is greater than that of the tier before.')
      }
      previous = upTo
    }
    if (upTo !== undefined) tiers.push({ upTo, ...amounts })
  }
  return tiers.length === items.length ? tiers : undefined
}

function readUpTo(tier: FieldReader, last: boolean): Scaled | null | undefined {
  if (!tier.hasKey('up_to')) return tier.fault('up_to', 'missing_field', 'The field up_to is missing.')
  if (!tier.has('up_to')) {
    if (last) return null
    return tier.fault('up_to', 'open_tier_not_last', 'Only the last tier has up_to null.')
  }
  const upTo = tier.decimal('up_to', positive)
  if (!last) return upTo
  return tier.fault(
    'up_to',
    'last_tier_not_open',
    'The last tier has up_to null, so that every quantity has a price.',
  )
}
