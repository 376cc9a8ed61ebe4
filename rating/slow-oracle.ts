// The slow and obvious way to the same amounts, for property tests alone: decimal.js at 120 digits, the whole set of
// events at once, units one by one. It is written from the contract's text and shares no code with what it tests.

import { Decimal as DecimalJs } from 'decimal.js'
import type { Meter, PriceModel, Tier } from '../schemas/catalog.js'
import type { Scaled } from '../schemas/decimal.js'
import type { ChargeBasis, UsageSample } from './accumulator.js'

const Decimal = DecimalJs.clone({ precision: 120, rounding: DecimalJs.ROUND_HALF_UP })
type Decimal = DecimalJs

export const toDecimal = (value: Scaled): Decimal => new Decimal(value.toString()).div('1e12')
const zero = new Decimal(0)

/** What a division left beyond 60 places is noise, which would push a quantity over an edge or a half. */
const clean = (value: Decimal): Decimal => value.toDecimalPlaces(60, DecimalJs.ROUND_HALF_UP)

/** To 12 places, half away from zero. */
export function toPlaces(value: Decimal): string {
  return clean(value).toDecimalPlaces(12, DecimalJs.ROUND_HALF_UP).toFixed().replace(/^-0$/, '0')
}

export function slowAmount(basis: ChargeBasis, samples: readonly UsageSample[], level: Decimal): Decimal {
  if (basis.trial) return zero
  const { price } = basis
  const part = price.prorate
    ? new Decimal(basis.fraction.numerator.toString()).div(basis.fraction.denominator.toString())
    : new Decimal(1)
  const discounted = modelled(basis, part, samples, level).mul(
    new Decimal(1).minus(toDecimal(price.discountPercent).div(100)),
  )
  const atLeast =
    price.minimum === undefined ? discounted : Decimal.max(discounted, toDecimal(price.minimum).mul(part))
  return price.maximum === undefined ? atLeast : Decimal.min(atLeast, toDecimal(price.maximum).mul(part))
}

function modelled(
  basis: ChargeBasis,
  part: Decimal,
  samples: readonly UsageSample[],
  level: Decimal,
): Decimal {
  const { price } = basis
  const { model } = price
  const included = toDecimal(price.included).mul(part)
  if (model.model === 'percentage') return slowPercentage(basis, model, included, byTime(samples), level)
  if (model.model === 'matrix') return slowMatrix(basis, model, included, samples, level)
  const quantity = slowQuantity(basis, samples, level)
  const beyond = clean(quantity.lt(0) ? quantity : Decimal.max(0, quantity.minus(included)))
  switch (model.model) {
    case 'per_unit':
      return beyond.mul(toDecimal(model.unitAmount))
    case 'graduated':
      return slowGraduated(model.tiers, part, beyond)
    case 'volume':
      return slowVolume(model.tiers, part, beyond)
    case 'package':
      return clean(beyond.div(toDecimal(model.packageSize)))
        .ceil()
        .mul(toDecimal(model.packageAmount))
    default:
      return model satisfies never
  }
}

/** Unit by unit: the n-th unit (or the last, broken one) costs what its tier says. Tier bounds are whole here. */
function slowGraduated(tiers: readonly Tier[], part: Decimal, quantity: Decimal): Decimal {
  let amount = toDecimal(tiers[0]!.flatAmount).mul(part)
  if (quantity.lt(0)) return amount.plus(quantity.mul(toDecimal(tiers[0]!.unitAmount)))
  let tier = 0
  for (let unit = 1; quantity.gt(unit - 1); unit += 1) {
    while (tiers[tier]!.upTo !== null && toDecimal(tiers[tier]!.upTo as Scaled).lt(unit)) {
      tier += 1
      amount = amount.plus(toDecimal(tiers[tier]!.flatAmount).mul(part))
    }
    const size = Decimal.min(1, quantity.minus(unit - 1))
    amount = amount.plus(size.mul(toDecimal(tiers[tier]!.unitAmount)))
  }
  return amount
}

function slowVolume(tiers: readonly Tier[], part: Decimal, quantity: Decimal): Decimal {
  const tier = tiers.find(({ upTo }) => upTo === null || quantity.lte(toDecimal(upTo)))!
  return quantity.mul(toDecimal(tier.unitAmount)).plus(toDecimal(tier.flatAmount).mul(part))
}

function slowMatrix(
  basis: ChargeBasis,
  model: Extract<PriceModel, { model: 'matrix' }>,
  included: Decimal,
  samples: readonly UsageSample[],
  level: Decimal,
): Decimal {
  let left = included
  let amount = zero
  for (const cell of [...model.cells.keys(), -1]) {
    const quantity = slowQuantity(
      basis,
      samples.filter(sample => sample.cell === cell),
      level,
    )
    const free = Decimal.max(0, Decimal.min(left, quantity))
    left = left.minus(free)
    const unitAmount = cell === -1 ? (model.defaultUnitAmount ?? 0n) : model.cells[cell]!.unitAmount
    amount = amount.plus(quantity.minus(free).mul(toDecimal(unitAmount)))
  }
  return amount
}

/** Every running total is aggregated anew from the first event on. */
function slowPercentage(
  basis: ChargeBasis,
  model: Extract<PriceModel, { model: 'percentage' }>,
  included: Decimal,
  events: readonly UsageSample[],
  level: Decimal,
): Decimal {
  const { freeEvents, fixedAmount } = model
  const freeUnits = model.freeUnits === undefined ? undefined : toDecimal(model.freeUnits)
  const gross = [...events.keys(), events.length].map(length =>
    slowQuantity(basis, events.slice(0, length), level),
  )
  const running = gross.map(total => clean(total.lt(0) ? total : Decimal.max(0, total.minus(included))))
  const beyond = running.map((total, index) => {
    let free = freeUnits ?? zero
    if (freeEvents !== undefined) {
      const ofFirst = running[Math.min(index, freeEvents)]!
      free = Decimal.max(0, freeUnits === undefined ? ofFirst : Decimal.min(freeUnits, ofFirst))
    }
    return total.gt(free) ? total.minus(free) : Decimal.min(total, 0)
  })
  const withinFree = (index: number): boolean =>
    (freeUnits !== undefined || freeEvents !== undefined) &&
    (freeUnits === undefined || running.slice(1, index + 1).every(total => total.lte(freeUnits))) &&
    (freeEvents === undefined || index <= freeEvents)
  let amount = beyond[0]!.mul(toDecimal(model.rate)).div(100)
  for (let index = 1; index <= events.length; index += 1) {
    const chargeable = beyond[index]!.minus(beyond[index - 1]!)
    const fixed = withinFree(index) ? zero : toDecimal(fixedAmount ?? 0n)
    const covered =
      included.gt(0) && gross[index]!.gt(gross[index - 1]!) && toDecimal(fixedAmount ?? 0n).eq(0)
    if (chargeable.eq(0) && (withinFree(index) || covered)) continue
    let fee = chargeable.mul(toDecimal(model.rate)).div(100).plus(fixed)
    if (model.perEventMinimum !== undefined) fee = Decimal.max(fee, toDecimal(model.perEventMinimum))
    if (model.perEventMaximum !== undefined) fee = Decimal.min(fee, toDecimal(model.perEventMaximum))
    amount = amount.plus(fee)
  }
  return amount
}

export function slowQuantity(basis: ChargeBasis, samples: readonly UsageSample[], level: Decimal): Decimal {
  const events = byTime(samples)
  const values = events.map(event => toDecimal(event.quantity))
  const sum = values.reduce((total, value) => total.plus(value), zero)
  const { aggregation } = basis.meter
  switch (aggregation) {
    case 'count':
      return new Decimal(events.length)
    case 'sum':
      return sum
    case 'max':
      return values.length === 0 ? zero : Decimal.max(...values)
    case 'min':
      return values.length === 0 ? zero : Decimal.min(...values)
    case 'latest':
      return values.at(-1) ?? zero
    case 'unique_count':
      return new Decimal(new Set(events.map(event => event.text)).size)
    case 'weighted_sum':
      return integral(basis, events, level, (before, value) => before.plus(value))
    case 'time_average':
      return integral(basis, events, level, (_before, value) => value)
    case 'percentile':
      return nearestRank(basis.meter, values)
    default:
      return aggregation satisfies never
  }
}

function integral(
  basis: ChargeBasis,
  events: readonly UsageSample[],
  level: Decimal,
  next: (before: Decimal, value: Decimal) => Decimal,
): Decimal {
  let area = zero
  let current = level
  let atMs = basis.fromMs
  for (const event of events) {
    area = area.plus(current.mul(event.timeMs - atMs))
    current = next(current, toDecimal(event.quantity))
    atMs = event.timeMs
  }
  area = area.plus(current.mul(basis.untilMs - atMs))
  return clean(area.div(basis.period.untilMs - basis.period.fromMs))
}

function nearestRank(meter: Meter, values: readonly Decimal[]): Decimal {
  const ascending = [...values].sort((a, b) => a.comparedTo(b))
  const percent = toDecimal(meter.percentile ?? 0n)
  // The least value such that at least so many per cent of all values are not above it.
  const enough = ascending.find(value =>
    new Decimal(ascending.filter(other => other.lte(value)).length)
      .mul(100)
      .gte(percent.mul(ascending.length)),
  )
  return enough ?? zero
}

/** Keys of the property tests are zero-padded ids of one source, so text order is id order. */
function byTime(samples: readonly UsageSample[]): UsageSample[] {
  return [...samples].sort((a, b) => a.timeMs - b.timeMs || (a.key < b.key ? -1 : 1))
}
