// Whether one more value keeps a charge within the 38 digits, 26 of them before the point, in which quantities and amounts
// are written and read, also when it is rounded to be paid. Told before the value is added, because nothing is ever taken
// out of an accumulator. Exact where the amount follows from one total; elsewhere by a bound that is a little small.
// Invariant: what is not refused here never gives a quantity, an amount or a row that is cut off.

import type { Aggregation, PriceModel, UsagePrice } from '../../schemas/catalog/catalog.js'
import { type Rounding, type Scaled, scaledMax, scaledOne } from '../../schemas/money/decimal.js'
import type { Accumulator, AccumulatorState } from '../charges/accumulator.js'
import { amountOfTotal, isRatedByTotal, raterOf } from '../charges/rate.js'
import { roundToCurrency } from '../charges/rounding.js'
import type { ChargeBasis } from '../periods/charge-basis.js'

/** How an amount is rounded to be paid. */
export interface PaidIn {
  readonly currency: string
  readonly rounding: Rounding
}

/** What was there before a value came. */
export interface Held {
  /** What the charge's values come to, of which `heldBy` and `addedTo` tell. */
  readonly total: Scaled
  readonly events: number
  /** What its rows come to; 0 where they are written anew. */
  readonly emitted: Scaled
}

/** The largest whole number that is kept: whatever it is rounded to, it stays that. */
const largestWhole = scaledMax + 1n - scaledOne

/** Whether a quantity or an exact amount, also as a row carries it, has more than 38 digits. */
export function isBeyond(value: Scaled): boolean {
  return magnitude(value) > scaledMax
}

/** Whether an amount, or what is paid for it, has more than 38 digits. */
export function isBeyondPayable(amount: Scaled, { currency, rounding }: PaidIn): boolean {
  if (magnitude(amount) <= largestWhole) return false
  return isBeyond(amount) || isBeyond(roundToCurrency(amount, currency, rounding))
}

export function wouldExceed(basis: ChargeBasis, paidIn: PaidIn, held: Held, quantity: Scaled): boolean {
  if (!isRatedByTotal(basis)) {
    const { price, meter } = basis
    // From the lowest to the highest is twice as far, and a row is the step between two amounts.
    const sides = meter.allowNegative ? 2n : 1n
    const total = magnitude(held.total) + magnitude(quantity)
    const { unit, flat, perEvent } = steepest(price.model)
    const owed = (total * unit) / scaledOne + 1n + flat + perEvent * BigInt(held.events + 1)
    return total * sides > scaledMax || owed * sides > largestWhole
  }
  const total = held.total + quantity
  const owed = amountOfTotal(raterOf(basis), total)
  return isBeyond(total) || isBeyondPayable(owed, paidIn) || isBeyond(owed - held.emitted)
}

/**
 * Whether a value can bring the level of a meter beyond what one of the meter's prices can charge, be it the price of a later
 * segment; `reach`: the magnitudes of all that moved the level before.
 */
export function levelWouldExceed(prices: Iterable<UsagePrice>, reach: Scaled, quantity: Scaled): boolean {
  for (const price of prices) {
    if (reach + magnitude(quantity) > largestQuantity(price)) return true
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
    const { unit, flat, perEvent } = steepest(price.model)
    const room = largestWhole - flat - perEvent
    const priced = unit === 0n ? scaledMax : (room * scaledOne) / unit
    bound = room <= 0n ? 0n : priced < scaledMax ? priced : scaledMax
    bounds.set(price, bound)
  }
  return bound
}

/** The most that one unit and one event may cost, and what may come on top of them. */
interface Steepest {
  readonly unit: Scaled
  readonly flat: Scaled
  readonly perEvent: Scaled
}

const slopes = new WeakMap<PriceModel, Steepest>()

function steepest(model: PriceModel): Steepest {
  let slope = slopes.get(model)
  if (slope === undefined) {
    slope = { flat: 0n, perEvent: 0n, ...steepnessOf(model) }
    slopes.set(model, slope)
  }
  return slope
}

function steepnessOf(model: PriceModel): Pick<Steepest, 'unit'> & Partial<Steepest> {
  switch (model.model) {
    case 'per_unit':
      return { unit: magnitude(model.unitAmount) }
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
    case 'percentage': {
      const perEvent = magnitude(model.fixedAmount ?? 0n) + magnitude(model.perEventMinimum ?? 0n)
      return { unit: magnitude(model.rate) / 100n + 1n, perEvent }
    }
    case 'matrix':
      return { unit: largest([...model.cells.map(cell => cell.unitAmount), model.defaultUnitAmount ?? 0n]) }
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
