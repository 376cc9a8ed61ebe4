// The slow and obvious way to the same amounts, for property tests alone: exact fractions, the whole set of
// events at once, units one by one. It is written from the contract's text and shares no code with what it
// tests.

import type { Aggregation } from '../../schemas/catalog/aggregations.js'
import type { Meter, PriceModel } from '../../schemas/catalog/catalog.js'
import type { CellPrice } from '../../schemas/catalog/models/matrix-cell.js'
import type { Tier } from '../../schemas/catalog/models/tiers.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import type { ChargeBasis, UsageSample } from '../charges/accumulator.js'
import { Exact } from './exact.js'
import { slowWindow } from './slow-windows.js'

export const exactly = (value: Scaled): Exact => Exact.of(value).div(10n ** 12n)
const zero = Exact.of(0)

/** To 12 places, half away from zero. */
export function toPlaces(value: Exact): string {
  return value.toPlaces(12)
}

/** The level in force when the segment begins, by matrix cell; cell 0 for any other model. */
export type LevelOf = (cell: number) => SlowLevel
/** Of a persistent `unique_count` the values that are present. */
export type SlowLevel = Exact | ReadonlySet<string>

export function slowAmount(basis: ChargeBasis, samples: readonly UsageSample[], levelOf: LevelOf): Exact {
  if (basis.trial) return zero
  const { price } = basis
  const part = price.prorate
    ? Exact.of(basis.fraction.numerator).div(basis.fraction.denominator)
    : Exact.of(1)
  const discounted = byGroup(basis, samples, its => modelled(basis, part, its, levelOf)).times(
    Exact.of(1).minus(exactly(price.discountPercent).div(100)),
  )
  const atLeast =
    price.minimum === undefined ? discounted : Exact.max(discounted, exactly(price.minimum).times(part))
  return price.maximum === undefined ? atLeast : Exact.min(atLeast, exactly(price.maximum).times(part))
}

/** With `group_by` each group by itself, as if its usage were all; without usage there is none. */
function byGroup(
  { price }: ChargeBasis,
  samples: readonly UsageSample[],
  of: (samples: readonly UsageSample[]) => Exact,
): Exact {
  if (price.groupBy === undefined) return of(samples)
  const groups = [...new Set(samples.map(one => one.group))]
  return groups.reduce((sum, group) => sum.plus(of(samples.filter(one => one.group === group))), zero)
}

function modelled(basis: ChargeBasis, part: Exact, samples: readonly UsageSample[], levelOf: LevelOf): Exact {
  const { price } = basis
  const { model } = price
  const included = exactly(price.included).times(part)
  if (model.model === 'percentage') return slowPercentage(basis, model, included, byTime(samples), levelOf(0))
  if (model.model === 'matrix') return slowMatrix(basis, model, { included, part }, samples, levelOf)
  const quantity = aggregate(basis, samples, levelOf(0))
  const beyond = quantity.lt(0) ? quantity : Exact.max(0, quantity.minus(included))
  return slowModel(model, part, beyond)
}

type OfOneQuantity = Exclude<PriceModel, { model: 'percentage' | 'matrix' }>

/** What a quantity costs by a model, its flat amounts for that part of the period. */
export function slowModel(model: OfOneQuantity, part: Exact, beyond: Exact): Exact {
  switch (model.model) {
    case 'per_unit':
      return beyond.times(exactly(model.unitAmount))
    case 'stairstep':
      return exactly(
        model.tiers.find(({ upTo }) => upTo === null || beyond.lte(exactly(upTo)))!.flatAmount,
      ).times(part)
    case 'graduated':
      return slowGraduated(model.tiers, part, beyond)
    case 'volume':
      return slowVolume(model.tiers, part, beyond)
    case 'package':
      return beyond.div(exactly(model.packageSize)).ceil().times(exactly(model.packageAmount))
    default:
      return model satisfies never
  }
}

/** Unit by unit: the n-th unit (or the last fraction) has its tier's price. Tier bounds are whole here. */
function slowGraduated(tiers: readonly Tier[], part: Exact, quantity: Exact): Exact {
  let amount = exactly(tiers[0]!.flatAmount).times(part)
  if (quantity.lt(0)) return amount.plus(quantity.times(exactly(tiers[0]!.unitAmount)))
  let tier = 0
  for (let unit = 1; quantity.gt(unit - 1); unit += 1) {
    while (tiers[tier]!.upTo !== null && exactly(tiers[tier]!.upTo as Scaled).lt(unit)) {
      tier += 1
      amount = amount.plus(exactly(tiers[tier]!.flatAmount).times(part))
    }
    const rest = quantity.minus(unit - 1)
    // The last tier may hold too many units to count one by one.
    if (tiers[tier]!.upTo === null) return amount.plus(rest.times(exactly(tiers[tier]!.unitAmount)))
    const size = Exact.min(1, rest)
    amount = amount.plus(size.times(exactly(tiers[tier]!.unitAmount)))
  }
  return amount
}

function slowVolume(tiers: readonly Tier[], part: Exact, quantity: Exact): Exact {
  const tier = tiers.find(({ upTo }) => upTo === null || quantity.lte(exactly(upTo)))!
  return quantity.times(exactly(tier.unitAmount)).plus(exactly(tier.flatAmount).times(part))
}

function slowMatrix(
  basis: ChargeBasis,
  model: Extract<PriceModel, { model: 'matrix' }>,
  { included, part }: { readonly included: Exact; readonly part: Exact },
  samples: readonly UsageSample[],
  levelOf: LevelOf,
): Exact {
  let left = included
  let amount = zero
  for (const cell of cellsOf(model)) {
    const quantity = aggregate(basis, inCell(samples, cell), levelOf(cell))
    const free = Exact.max(0, Exact.min(left, quantity))
    left = left.minus(free)
    const price =
      cell === -1 ? (model.default ?? { unitAmount: model.defaultUnitAmount ?? 0n }) : model.cells[cell]!
    amount = amount.plus(slowCell(price, part, quantity.minus(free)))
  }
  return amount
}

function slowCell(price: CellPrice, part: Exact, beyond: Exact): Exact {
  if (price.model !== undefined) return slowModel(price.model, part, beyond)
  return beyond.times(exactly(price.unitAmount)).plus(exactly(price.flatAmount ?? 0n).times(part))
}

/** In the catalog's order, the default last. */
const cellsOf = (model: Extract<PriceModel, { model: 'matrix' }>) => [...model.cells.keys(), -1]
const inCell = (samples: readonly UsageSample[], cell: number) => samples.filter(one => one.cell === cell)

/** Every running total is aggregated anew from the first event on. */
function slowPercentage(
  basis: ChargeBasis,
  model: Extract<PriceModel, { model: 'percentage' }>,
  included: Exact,
  events: readonly UsageSample[],
  level: SlowLevel,
): Exact {
  const { freeEvents, fixedAmount } = model
  const freeUnits = model.freeUnits === undefined ? undefined : exactly(model.freeUnits)
  const gross = [...events.keys(), events.length].map(length =>
    aggregate(basis, events.slice(0, length), level),
  )
  const running = gross.map(total => (total.lt(0) ? total : Exact.max(0, total.minus(included))))
  const beyond = running.map((total, index) => {
    let free = freeUnits ?? zero
    if (freeEvents !== undefined) {
      const ofFirst = running[Math.min(index, freeEvents)]!
      free = Exact.max(0, freeUnits === undefined ? ofFirst : Exact.min(freeUnits, ofFirst))
    }
    return total.gt(free) ? total.minus(free) : Exact.min(total, 0)
  })
  const withinFree = (index: number): boolean =>
    (freeUnits !== undefined || freeEvents !== undefined) &&
    (freeUnits === undefined || running.slice(1, index + 1).every(total => total.lte(freeUnits))) &&
    (freeEvents === undefined || index <= freeEvents)
  let amount = beyond[0]!.times(exactly(model.rate)).div(100)
  for (let index = 1; index <= events.length; index += 1) {
    const chargeable = beyond[index]!.minus(beyond[index - 1]!)
    const fixed = withinFree(index) ? zero : exactly(fixedAmount ?? 0n)
    const covered = included.gt(0) && gross[index]!.gt(gross[index - 1]!) && exactly(fixedAmount ?? 0n).eq(0)
    if (chargeable.eq(0) && (withinFree(index) || covered)) continue
    let fee = chargeable.times(exactly(model.rate)).div(100).plus(fixed)
    if (model.perEventMinimum !== undefined) fee = Exact.max(fee, exactly(model.perEventMinimum))
    if (model.perEventMaximum !== undefined) fee = Exact.min(fee, exactly(model.perEventMaximum))
    amount = amount.plus(fee)
  }
  return amount
}

/** What the charge says was used: of a matrix, the sum over its cells. */
export function slowQuantity(basis: ChargeBasis, samples: readonly UsageSample[], levelOf: LevelOf): Exact {
  return byGroup(basis, samples, its => quantityOf(basis, its, levelOf))
}

function quantityOf(basis: ChargeBasis, samples: readonly UsageSample[], levelOf: LevelOf): Exact {
  const { model } = basis.price
  if (model.model !== 'matrix') return aggregate(basis, samples, levelOf(0))
  return cellsOf(model)
    .map(cell => aggregate(basis, inCell(samples, cell), levelOf(cell)))
    .reduce((sum, quantity) => sum.plus(quantity), zero)
}

/** In the unit that is priced. */
function aggregate(basis: ChargeBasis, samples: readonly UsageSample[], level: SlowLevel): Exact {
  const { convert } = basis.meter
  const read = aggregateRead(basis, samples, level)
  return convert === undefined || convert.round !== undefined ? read : read.div(exactly(convert.divideBy))
}

function aggregateRead(basis: ChargeBasis, samples: readonly UsageSample[], level: SlowLevel): Exact {
  const { window, aggregation } = basis.meter
  if (window === undefined) return aggregateEvents(aggregation, basis, byTime(samples), level)
  const windows = new Map<string, UsageSample[]>()
  for (const event of byTime(samples)) {
    const key = slowWindow(event.timeNs, window.unit, basis.timezone!)
    windows.set(key, [...(windows.get(key) ?? []), event])
  }
  const each = [...windows.values()].map(events => aggregateEvents(window.aggregation, basis, events, level))
  return aggregateValues(aggregation, basis, each)
}

/** Of what windows come to. */
function aggregateValues(aggregation: Aggregation, basis: ChargeBasis, values: readonly Exact[]): Exact {
  const sum = values.reduce((total, value) => total.plus(value), zero)
  if (aggregation === 'percentile') return nearestRank(basis.meter, values)
  if (aggregation === 'sum' || values.length === 0) return sum
  if (aggregation === 'average') return sum.div(values.length)
  return values.reduce((found, value) =>
    aggregation === 'max' ? Exact.max(found, value) : Exact.min(found, value),
  )
}

function aggregateEvents(
  aggregation: Aggregation,
  basis: ChargeBasis,
  events: readonly UsageSample[],
  level: SlowLevel,
): Exact {
  const values = events.map(event => exactly(event.quantity))
  const sum = values.reduce((total, value) => total.plus(value), zero)
  switch (aggregation) {
    case 'count':
      return Exact.of(events.length)
    case 'sum':
      return sum
    case 'max':
      return values.length === 0 ? zero : values.reduce((most, value) => Exact.max(most, value))
    case 'min':
      return values.length === 0 ? zero : values.reduce((least, value) => Exact.min(least, value))
    case 'latest':
      return values.at(-1) ?? zero
    case 'first':
      return values[0] ?? zero
    case 'average':
      return values.length === 0 ? zero : sum.div(values.length)
    case 'unique_count':
      return Exact.of(new Set(events.map(event => event.text)).size)
    case 'persistent_unique_count':
      return presence(basis, events, level)
    case 'weighted_sum':
      return integral(basis, events, level as Exact, (before, value) => before.plus(value))
    case 'time_average':
      return integral(basis, events, level as Exact, (_before, value) => value)
    case 'percentile':
      return nearestRank(basis.meter, values)
    default:
      return aggregation satisfies never
  }
}

function integral(
  basis: ChargeBasis,
  events: readonly UsageSample[],
  level: Exact,
  next: (before: Exact, value: Exact) => Exact,
): Exact {
  let area = zero
  let current = level
  let atNs = basis.fromNs
  for (const event of events) {
    area = area.plus(current.times(event.timeNs - atNs))
    current = next(current, exactly(event.quantity))
    atNs = event.timeNs
  }
  area = area.plus(current.times(basis.untilNs - atNs))
  return area.div(basis.period.untilNs - basis.period.fromNs)
}

/** Who is present, from one event to the next. */
function presence(basis: ChargeBasis, events: readonly UsageSample[], level: SlowLevel): Exact {
  const present = new Set(level instanceof Set ? (level as ReadonlySet<string>) : [])
  let area = zero
  let atNs = basis.fromNs
  for (const event of events) {
    area = area.plus(Exact.of(present.size).times(event.timeNs - atNs))
    if (event.quantity > 0n) present.add(event.text)
    else present.delete(event.text)
    atNs = event.timeNs
  }
  area = area.plus(Exact.of(present.size).times(basis.untilNs - atNs))
  return area.div(basis.period.untilNs - basis.period.fromNs)
}

function nearestRank(meter: Meter, values: readonly Exact[]): Exact {
  const ascending = [...values].sort((a, b) => a.comparedTo(b))
  const percent = exactly(meter.percentile ?? 0n)
  // The least value such that at least so many per cent of all values are not above it.
  const enough = ascending.find(value =>
    Exact.of(ascending.filter(other => other.lte(value)).length)
      .times(100)
      .gte(percent.times(ascending.length)),
  )
  return enough ?? zero
}

/** Keys of the property tests are zero-padded ids of one source, so text order is id order. */
function byTime(samples: readonly UsageSample[]): UsageSample[] {
  return [...samples].sort((a, b) => {
    if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs ? -1 : 1
    return a.key < b.key ? -1 : 1
  })
}
