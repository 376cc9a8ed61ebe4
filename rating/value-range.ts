// Whether one more value keeps a charge within the 128 bits in which quantities and amounts are stored and written:
// 38 digits and a little more. Told before the value is added, because nothing is ever taken out of an accumulator.
// Exact where the amount follows from one total; elsewhere by a bound that is a little small: nobody is owed 10^26.
// Invariant: what is not refused here never gives a quantity, an amount or a row that is cut off.

import type { Aggregation, PriceModel, UsagePrice } from '../schemas/catalog.js'
import { type Scaled, scaledOne } from '../schemas/decimal.js'
import type { Accumulator, AccumulatorState } from './accumulator.js'
import type { ChargeBasis } from './charge-basis.js'
import { amountOfTotal, isRatedByTotal, raterOf } from './rate.js'

export const largestKept = 2n ** 127n - 1n

/**
 * `held`: what the charge's values come to, of which `heldBy` and `addedTo` tell; `emitted`: what its rows come to.
 */
export function wouldExceed(
  basis: ChargeBasis,
  held: Scaled,
  quantity: Scaled,
  emitted: Scaled = 0n,
): boolean {
  if (!isRatedByTotal(basis)) {
    // From the lowest to the highest is twice as far, and a row is the step between two amounts.
    const room = largestQuantity(basis.price) / (basis.meter.allowNegative ? 2n : 1n)
    return magnitude(held) + magnitude(quantity) > room
  }
  const total = held + quantity
  const owed = amountOfTotal(raterOf(basis), total)
  return [total, owed, owed - emitted].some(amount => magnitude(amount) > largestKept)
}

/**
 * Whether a value can bring the level of a meter beyond what one of the meter's prices can charge, be it the price of a later
 * segment; `reach`: the magnitudes of all that moved the level before.
 */
export function levelWouldExceed(prices: Iterable<UsagePrice>, reach: Scaled, quantity: Scaled): boolean {
  for (const price of prices) {
    if (reach + magnitude(quantity) > largestQuantity(price) / 2n) return true
  }
  return false
}

/** What a further value is added to; 0 where values are not added up. */
export function heldBy({ state, levelsAtStart }: Accumulator): Scaled {
  let held = addedUp(state)
  if (state.kind === 'weighted_sum' || state.kind === 'matrix') {
    for (const level of levelsAtStart?.values() ?? []) held = magnitude(held) + magnitude(level)
  }
  return held
}

/** The same, value by value. */
export function addedTo(held: Scaled, aggregation: Aggregation, quantity: Scaled): Scaled {
  switch (aggregation) {
    case 'sum':
    case 'count':
      return held + quantity
    case 'weighted_sum':
      return magnitude(held) + magnitude(quantity)
    default:
      return 0n
  }
}

function addedUp(state: AccumulatorState): bigint {
  switch (state.kind) {
    case 'sum':
    case 'count':
      return state.total
    case 'weighted_sum':
      return magnitude(state.changes)
    case 'percentage':
      return magnitude(state.headTotal) + magnitude(state.tailTotal)
    case 'matrix': {
      let total = 0n
      for (const cell of state.cells.values()) total += magnitude(addedUp(cell))
      return total
    }
    default:
      return 0n
  }
}

const bounds = new WeakMap<UsagePrice, Scaled>()

/** Up to which no part of what the price comes to can exceed. Compiled once per price, by identity. */
function largestQuantity(price: UsagePrice): Scaled {
  let bound = bounds.get(price)
  if (bound === undefined) {
    const { unit, flat } = steepest(price.model)
    const room = largestKept - flat
    const priced = unit === 0n ? largestKept : (room * scaledOne) / unit
    bound = room <= 0n ? 0n : priced < largestKept ? priced : largestKept
    bounds.set(price, bound)
  }
  return bound
}

/** The most that one unit may cost, and what may come on top of the units. */
function steepest(model: PriceModel): { readonly unit: Scaled; readonly flat: Scaled } {
  switch (model.model) {
    case 'per_unit':
      return { unit: magnitude(model.unitAmount), flat: 0n }
    case 'graduated':
    case 'volume': {
      const flat = model.tiers.reduce((sum, tier) => sum + magnitude(tier.flatAmount), 0n)
      return { unit: largest(model.tiers.map(tier => tier.unitAmount)), flat }
    }
    case 'package': {
      // Rounded up to whole packages, the last of which may be nearly empty.
      const unit = (magnitude(model.packageAmount) * scaledOne) / model.packageSize + 1n
      return { unit, flat: magnitude(model.packageAmount) }
    }
    case 'percentage':
      return {
        unit: magnitude(model.rate) / 100n + 1n,
        flat: magnitude(model.fixedAmount ?? 0n) + magnitude(model.perEventMinimum ?? 0n),
      }
    case 'matrix':
      return {
        unit: largest([...model.cells.map(cell => cell.unitAmount), model.defaultUnitAmount ?? 0n]),
        flat: 0n,
      }
    default:
      return model satisfies never
  }
}

function largest(amounts: readonly Scaled[]): Scaled {
  let most = 0n
  for (const amount of amounts) if (magnitude(amount) > most) most = magnitude(amount)
  return most
}

function magnitude(value: Scaled): Scaled {
  return value < 0n ? -value : value
}
