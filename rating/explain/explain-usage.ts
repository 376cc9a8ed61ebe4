// Why a usage charge comes to what it does: quantity, part of the period, included, model, discount, minimum, maximum,
// roundings, one line each. Contract section 3.
// Invariant: computed apart from rate.ts, in plain fractions; `explainUsage` asserts that both come to the same.

import { formatScaled, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { aggregationDenominator } from '../aggregations/aggregation.js'
import { type Accumulator, levelAtStart } from '../charges/accumulator.js'
import { chargeOf } from '../charges/rate.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { loggedAggregation } from '../price-models/percentage-usage.js'
import { type CellUnits, explainCells, explainMatrix } from './explain-matrix.js'
import { explainPercentage } from './explain-percentage.js'
import { explainQuantity } from './explain-quantity.js'
import { explainGraduated, explainVolume } from './explain-tiers.js'
import { type Explanation, finishExplanation, type Payment } from './explanation.js'
import { explainProration, partOfPeriod, prorated } from './part-of-period.js'
import {
  ceilingOf,
  greater,
  isAbove,
  lesser,
  minus,
  ofScaled,
  over,
  type Ratio,
  times,
  zero,
} from './ratio.js'
import { money, quantity, type Step, type StepValue, scaledMoney, scaledQuantity } from './step.js'

type Part = StepValue | undefined

export function explainUsage(basis: ChargeBasis, accumulator: Accumulator, payment: Payment): Explanation {
  const steps: Step[] = []
  const { price } = basis
  const cells = cellsOf(steps, basis, accumulator)
  const units = cells === undefined ? explainWhole(steps, basis, accumulator) : zero
  let amount: Ratio
  if (basis.trial) amount = explainTrial(steps)
  else {
    const part = price.prorate ? partOfPeriod(basis.fraction, basis.period) : undefined
    if (basis.suspended) explainSuspension(steps)
    explainProration(steps, part)
    const modelled = explainModel(steps, basis, accumulator, part, units, cells)
    amount = explainAround(steps, basis, part, modelled)
  }
  const explanation = finishExplanation(steps, amount, payment)
  const charged = chargeOf(basis, accumulator).amount
  if (charged !== explanation.amount) {
    throw new Error(
      `A ${price.model.model} charge of ${formatScaled(charged)} was explained as ${formatScaled(explanation.amount)}.`,
    )
  }
  return explanation
}

/** In a trial nothing is owed. */
export function explainTrial(steps: Step[]): Ratio {
  steps.push({ what: 'trial', label: 'trial', formula: '0', values: {}, result: money(zero) })
  return zero
}

/** The price of the basis is without minimum and flat amounts; this says why. */
function explainSuspension(steps: Step[]): void {
  steps.push({
    what: 'suspension',
    label: 'suspended from end to end: no minimum and no flat amount is owed',
    formula: '0',
    values: {},
    result: money(zero),
  })
}

/** Undefined for any model but `matrix`. */
function cellsOf(steps: Step[], basis: ChargeBasis, accumulator: Accumulator): CellUnits[] | undefined {
  const { model } = basis.price
  const { state } = accumulator
  if (model.model !== 'matrix' || state.kind !== 'matrix') return undefined
  return explainCells(steps, basis, model, accumulator, state)
}

function explainWhole(steps: Step[], basis: ChargeBasis, accumulator: Accumulator): Ratio {
  const { state, events } = accumulator
  if (state.kind === 'matrix') throw new Error('matrix usage under another price model')
  const level = levelAtStart(accumulator, 0)
  if (state.kind !== 'percentage') return explainQuantity(steps, basis, { state, level, events, cell: '' })
  const logged = loggedAggregation(basis, state)
  // Of `sum` and `count` the later events are remembered as a total.
  const whole =
    logged.kind === 'sum' || logged.kind === 'count'
      ? { kind: logged.kind, total: state.headTotal + state.tailTotal }
      : logged
  return explainQuantity(steps, basis, { state: whole, level, events, cell: '' })
}

function explainModel(
  steps: Step[],
  basis: ChargeBasis,
  accumulator: Accumulator,
  part: Part,
  units: Ratio,
  cells: readonly CellUnits[] | undefined,
): Ratio {
  const { model, included } = basis.price
  if (model.model === 'matrix') {
    const free = included === 0n ? zero : explainIncludedInCells(steps, included, part)
    return explainMatrix(steps, model, cells ?? [], free)
  }
  const beyond = explainIncluded(steps, basis, part, units)
  switch (model.model) {
    case 'per_unit':
      return explainPerUnit(steps, beyond, ofScaled(model.unitAmount))
    case 'graduated':
      return explainGraduated(steps, model.tiers, beyond, part)
    case 'volume':
      return explainVolume(steps, model.tiers, beyond, part)
    case 'package':
      return explainPackages(steps, beyond, ofScaled(model.packageSize), ofScaled(model.packageAmount))
    case 'percentage': {
      const { state: usage } = accumulator
      if (usage.kind !== 'percentage') throw new Error('other usage under a percentage price')
      const level = levelAtStart(accumulator, 0)
      return explainPercentage(steps, { basis, model, usage, level, scale: scaleOf(basis), units: beyond })
    }
    default:
      return model satisfies never
  }
}

/** The scale in which rate.ts walks the events of a percentage price. */
function scaleOf(basis: ChargeBasis) {
  const quantityDenominator = aggregationDenominator(basis)
  const { numerator, denominator } = basis.price.prorate ? basis.fraction : { numerator: 1n, denominator: 1n }
  return { denominator: quantityDenominator * denominator, prorated: quantityDenominator * numerator }
}

function explainIncluded(steps: Step[], basis: ChargeBasis, part: Part, units: Ratio): Ratio {
  const { included } = basis.price
  if (included === 0n) return units
  const free = prorated('included', scaledQuantity(included), part)
  const isPositive = isAbove(units, zero)
  const result = isPositive ? greater(minus(units, free.exact), zero) : units
  steps.push({
    what: 'beyond_included',
    label: 'units beyond the included',
    formula: isPositive ? `max(quantity - ${free.formula}, 0)` : 'quantity',
    values: { quantity: quantity(units), ...free.values },
    result: quantity(result),
  })
  return result
}

/** The cells take from it one by one. */
function explainIncludedInCells(steps: Step[], included: Scaled, part: Part): Ratio {
  const { formula, values, exact } = prorated('included', scaledQuantity(included), part)
  steps.push({ what: 'free_units', label: 'units included', formula, values, result: quantity(exact) })
  return exact
}

function explainPerUnit(steps: Step[], units: Ratio, unitAmount: Ratio): Ratio {
  const result = times(units, unitAmount)
  steps.push({
    what: 'model',
    label: 'per_unit',
    formula: 'units * unit_amount',
    values: { units: quantity(units), unit_amount: money(unitAmount) },
    result: money(result),
  })
  return result
}

function explainPackages(steps: Step[], units: Ratio, size: Ratio, packageAmount: Ratio): Ratio {
  const packages = ceilingOf(over(units, size))
  steps.push({
    what: 'packages',
    label: 'packages begun',
    formula: 'ceil(units / package_size)',
    values: { units: quantity(units), package_size: quantity(size) },
    result: quantity(packages),
  })
  const result = times(packages, packageAmount)
  steps.push({
    what: 'model',
    label: 'package',
    formula: 'packages * package_amount',
    values: { packages: quantity(packages), package_amount: money(packageAmount) },
    result: money(result),
  })
  return result
}

/** Discount, then minimum, then maximum. */
function explainAround(steps: Step[], basis: ChargeBasis, part: Part, modelled: Ratio): Ratio {
  const { discountPercent, minimum, maximum } = basis.price
  let amount = explainDiscount(steps, discountPercent, modelled)
  if (minimum !== undefined) {
    const least = prorated('minimum', scaledMoney(minimum), part)
    const result = greater(amount, least.exact)
    steps.push({
      what: 'minimum',
      label: isAbove(result, amount) ? 'minimum' : 'minimum, reached without it',
      formula: `max(amount, ${least.formula})`,
      values: { amount: money(amount), ...least.values },
      result: money(result),
    })
    amount = result
  }
  if (maximum === undefined) return amount
  const most = prorated('maximum', scaledMoney(maximum), part)
  const result = lesser(amount, most.exact)
  steps.push({
    what: 'maximum',
    label: isAbove(amount, result) ? 'maximum' : 'maximum, not reached',
    formula: `min(amount, ${most.formula})`,
    values: { amount: money(amount), ...most.values },
    result: money(result),
  })
  return result
}

const wholePercent = 100n * scaledOne

/** A discount over 100 % is one of 100 %. */
export function explainDiscount(steps: Step[], discountPercent: bigint, amount: Ratio): Ratio {
  if (discountPercent === 0n) return amount
  const discount = ofScaled(discountPercent > wholePercent ? wholePercent : discountPercent)
  const hundred = ofScaled(wholePercent)
  const result = over(times(amount, minus(hundred, discount)), hundred)
  steps.push({
    what: 'discount',
    label: 'discount, per cent',
    formula: 'amount * (100 - discount_percent) / 100',
    values: { amount: money(amount), discount_percent: quantity(discount) },
    result: money(result),
  })
  return result
}
