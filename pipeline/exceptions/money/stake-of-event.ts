// What one event would owe: the amount of its charge after it, less the amount before, at what the charge holds now.
// Invariant: the arithmetic is that of `rating/`, so that the amount is what the event would in fact be rated at, were
// it the next one.

import { type Accumulator, addSample } from '../../../rating/charges/accumulator.js'
import { amountOfTotal, chargeOf } from '../../../rating/charges/rate.js'
import { raterOf } from '../../../rating/charges/rater.js'
import type { ChargeBasis } from '../../../rating/periods/charge-basis.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import type { ChargeUsage } from './charge-usage.js'
import type { PricedReading } from './nearest-terms.js'

export interface StakedEvent {
  readonly source: string
  readonly id: string
  readonly timeNs: bigint
}

/** Undefined: the charge has more events than are read. */
export function stakeOf(
  event: StakedEvent,
  { reading, cell, group }: PricedReading,
  basis: ChargeBasis,
  usage: ChargeUsage,
): Scaled | undefined {
  const rater = raterOf(basis)
  switch (usage.kind) {
    case 'total':
      return amountOfTotal(rater, usage.total + reading.quantity) - amountOfTotal(rater, usage.total)
    case 'events': {
      const before = usage.accumulator
      const after: Accumulator = structuredClone(before)
      const key = compositeKey(event.source, event.id)
      const { quantity, text } = reading
      addSample(basis, after, { timeNs: event.timeNs, quantity, text, key, cell, group }, rater)
      return chargeOf(basis, after, rater).amount - chargeOf(basis, before, rater).amount
    }
    case 'too_many':
      return undefined
    default:
      return usage satisfies never
  }
}
