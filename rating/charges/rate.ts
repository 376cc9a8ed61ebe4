// From usage to money: what a charge amounts to, exactly, from its aggregated quantity. It owns the order
// included -> model -> discount_percent -> minimum -> maximum, the proration of a part period, and the one rounding,
// to 12 places, half away from zero. Contract section 3.
// Invariants: nothing is rounded before the end; a charge follows from (basis, samples) alone.
//
// What does not depend on the usage is compiled once per basis (`Rater`), with every constant already at the scale of
// the final division, so that an event costs a few multiplications and one division of integers.

import type { UsagePrice } from '../../schemas/catalog/catalog.js'
import { divideRounded, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { aggregated, aggregationDenominator, isLevel, newAggregation } from '../aggregations/aggregation.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { Fraction } from '../periods/proration.js'
import { graduatedAmount } from '../price-models/graduated.js'
import { beyondIncluded } from '../price-models/included.js'
import { type Linear, linearPerUnit, linearTiers } from '../price-models/linear.js'
import { cellUnitAmount, defaultCell, type MatrixModel } from '../price-models/matrix.js'
import { compilePackage, type Package, packageAmountOf } from '../price-models/package.js'
import { perUnitAmount } from '../price-models/per-unit.js'
import { compilePercentage, type PercentageTerms, percentageScale } from '../price-models/percentage.js'
import {
  isAllFree,
  type PercentageUsage,
  percentageAmount,
  percentageQuantity,
} from '../price-models/percentage-usage.js'
import type { Scale } from '../price-models/scale.js'
import { compileTiers, type TierTable } from '../price-models/tier-table.js'
import { volumeAmount } from '../price-models/volume.js'
import { type Accumulator, levelAtStart, type MatrixUsage } from './accumulator.js'

export { matrixCell } from '../price-models/matrix.js'

export interface Rated {
  /** Aggregated, before `included`; rounded to 12 places if it does not end. */
  readonly quantity: Scaled
  readonly amount: Scaled
}

type CompiledModel =
  | { readonly model: 'per_unit'; readonly unitAmount: Scaled }
  | { readonly model: 'graduated'; readonly tiers: TierTable }
  | { readonly model: 'volume'; readonly tiers: TierTable }
  | { readonly model: 'package'; readonly packages: Package }
  | { readonly model: 'percentage'; readonly terms: PercentageTerms }
  | { readonly model: 'matrix'; readonly cells: MatrixModel }

/** A basis compiled. */
export interface Rater {
  readonly trial: boolean
  readonly compiled: CompiledModel
  /** What an aggregated quantity is divided by to be a `Scaled`. */
  readonly quantityDenominator: bigint
  /** What an aggregated quantity is multiplied by to be at the models' scale. */
  readonly factor: bigint
  readonly included: bigint
  /** 100 % less the discount, in 10^-14; undefined without discount. */
  readonly kept: bigint | undefined
  /** At the scale of the discounted amount. */
  readonly minimum: bigint | undefined
  readonly maximum: bigint | undefined
  /** Discounted amount / divisor = scaled amount. Even, so that its half is whole. */
  readonly divisor: bigint
  readonly half: bigint
  /** Where an amount is nothing but units times a price; undefined where there is more to it. */
  readonly linear: Linear | undefined
}

const wholePercent = 100n * scaledOne
const raters = new WeakMap<ChargeBasis, Rater>()
/** Of prices that ask nothing of the basis but whether it is in a trial: many customers share one. */
const sharedRaters = { paid: new WeakMap<UsagePrice, Rater>(), trial: new WeakMap<UsagePrice, Rater>() }

/** What is owed for the accumulated usage; without any, what is owed for zero. In a trial the amount is 0. */
export function chargeOf(basis: ChargeBasis, accumulator: Accumulator): Rated {
  const rater = raterOf(basis)
  const { state } = accumulator
  if (state.kind === 'matrix') return matrixCharge(basis, rater, accumulator, state)
  const level = levelAtStart(accumulator, 0)
  if (state.kind === 'percentage') return percentageCharge(basis, rater, state, level)
  const total = aggregated(basis, state, level)
  const quantity = rater.quantityDenominator === 1n ? total : divideRounded(total, rater.quantityDenominator)
  return { quantity, amount: amountOfTotal(rater, total) }
}

/** Compiled once per basis, by identity, or once for all that would be compiled alike. */
export function raterOf(basis: ChargeBasis): Rater {
  const { price, meter } = basis
  if (price.prorate || isLevel(meter.aggregation)) return compiledOnce(raters, basis, basis)
  return compiledOnce(basis.trial ? sharedRaters.trial : sharedRaters.paid, price, basis)
}

function compiledOnce<K extends object>(known: WeakMap<K, Rater>, key: K, basis: ChargeBasis): Rater {
  let rater = known.get(key)
  if (rater === undefined) {
    rater = compileRater(basis)
    known.set(key, rater)
  }
  return rater
}

/** Whether the amount follows from one aggregated quantity alone, as `amountOfTotal` has it. */
export function isRatedByTotal({ price, meter }: ChargeBasis): boolean {
  const { model } = price.model
  return model !== 'matrix' && model !== 'percentage' && !isLevel(meter.aggregation)
}

/** What is owed for an aggregated quantity, for a basis that `isRatedByTotal`. */
export function amountOfTotal(rater: Rater, total: bigint): Scaled {
  if (rater.trial) return 0n
  const units = rater.factor === 1n ? total : total * rater.factor
  const beyond = rater.included === 0n ? units : beyondIncluded(units, rater.included)
  return adjusted(rater, modelAmount(rater.compiled, beyond))
}

function modelAmount(compiled: CompiledModel, units: bigint): bigint {
  switch (compiled.model) {
    case 'per_unit':
      return perUnitAmount(units, compiled.unitAmount)
    case 'graduated':
      return graduatedAmount(units, compiled.tiers)
    case 'volume':
      return volumeAmount(units, compiled.tiers)
    case 'package':
      return packageAmountOf(units, compiled.packages)
    case 'percentage':
    case 'matrix':
      throw new Error(`a ${compiled.model} price cannot be rated from one quantity`)
    default:
      return unknownModel(compiled)
  }
}

/** discount_percent, minimum, maximum, then the one rounding. */
function adjusted(rater: Rater, modelled: bigint): Scaled {
  let amount = rater.kept === undefined ? modelled : modelled * rater.kept
  if (rater.minimum !== undefined && amount < rater.minimum) amount = rater.minimum
  if (rater.maximum !== undefined && amount > rater.maximum) amount = rater.maximum
  // Half away from zero: bigint division goes towards zero, so half a divisor is added away from it.
  return amount >= 0n ? (amount + rater.half) / rater.divisor : (amount - rater.half) / rater.divisor
}

function matrixCharge(basis: ChargeBasis, rater: Rater, accumulator: Accumulator, usage: MatrixUsage): Rated {
  const { compiled, factor } = rater
  if (compiled.model !== 'matrix') throw new Error('matrix usage under another price model')
  let total = 0n
  let amount = 0n
  let included = rater.included
  for (const cell of cellsInOrder(accumulator, usage)) {
    const state = usage.cells.get(cell) ?? newAggregation(basis.meter.aggregation)
    const cellTotal = aggregated(basis, state, levelAtStart(accumulator, cell))
    total += cellTotal
    const units = cellTotal * factor
    const beyond = beyondIncluded(units, included)
    included -= units - beyond
    amount += perUnitAmount(beyond, cellUnitAmount(compiled.cells, cell))
  }
  const quantity = divideRounded(total, rater.quantityDenominator)
  return { quantity, amount: basis.trial ? 0n : adjusted(rater, amount) }
}

/** Cells with usage or a level carried over, in the catalog's order, the default last. */
export function cellsInOrder(accumulator: Accumulator, usage: MatrixUsage): number[] {
  const cells = new Set([...usage.cells.keys(), ...(accumulator.levelsAtStart?.keys() ?? [])])
  const hasDefault = cells.delete(defaultCell)
  const ordered = [...cells].sort((a, b) => a - b)
  return hasDefault ? [...ordered, defaultCell] : ordered
}

function percentageCharge(basis: ChargeBasis, rater: Rater, usage: PercentageUsage, level: Scaled): Rated {
  const { compiled } = rater
  if (compiled.model !== 'percentage') throw new Error('percentage usage under another price model')
  const quantity = divideRounded(percentageQuantity(basis, usage, level), rater.quantityDenominator)
  if (basis.trial) return { quantity, amount: 0n }
  const amount = isAllFree(basis, usage)
    ? 0n
    : percentageAmount(basis, compiled.terms, rater.factor, usage, level)
  return { quantity, amount: adjusted(rater, amount) }
}

function compileRater(basis: ChargeBasis): Rater {
  const { price } = basis
  const { numerator, denominator } = price.prorate ? reduced(basis.fraction) : whole
  const quantityDenominator = aggregationDenominator(basis)
  const scale: Scale = {
    denominator: quantityDenominator * denominator,
    prorated: quantityDenominator * numerator,
  }
  const modelScale = price.model.model === 'percentage' ? percentageScale : scaledOne
  const kept = keptOf(price.discountPercent)
  const divisor = scale.denominator * modelScale * (kept === undefined ? 1n : wholePercent)
  // A scaled amount x divisor is at the scale of the discounted amount; the fraction's denominator divides it.
  const limit = (amount: Scaled | undefined): bigint | undefined =>
    amount === undefined ? undefined : (amount * divisor * numerator) / denominator
  const compiled = compileModel(price, scale)
  const isPlain =
    !basis.trial && divisor === scaledOne && price.minimum === undefined && price.maximum === undefined
  return {
    trial: basis.trial,
    compiled,
    quantityDenominator,
    factor: denominator,
    included: price.included * scale.prorated,
    kept,
    minimum: limit(price.minimum),
    maximum: limit(price.maximum),
    divisor,
    half: divisor / 2n,
    linear: isPlain ? linearOf(compiled, price.included) : undefined,
  }
}

/** At a scale of one: a unit of the model is one of ours. */
function linearOf(compiled: CompiledModel, included: Scaled): Linear | undefined {
  if (compiled.model === 'per_unit') return linearPerUnit(compiled.unitAmount, included)
  return compiled.model === 'graduated' && included === 0n ? linearTiers(compiled.tiers) : undefined
}

function compileModel(price: UsagePrice, scale: Scale): CompiledModel {
  const { model } = price
  switch (model.model) {
    case 'per_unit':
      return { model: 'per_unit', unitAmount: model.unitAmount }
    case 'graduated':
    case 'volume':
      return { model: model.model, tiers: compileTiers(model.tiers, scale) }
    case 'package':
      return { model: 'package', packages: compilePackage(scale, model.packageSize, model.packageAmount) }
    case 'percentage':
      return { model: 'percentage', terms: compilePercentage(model, scale, price.included * scale.prorated) }
    case 'matrix':
      return { model: 'matrix', cells: model }
    default:
      return unknownModel(model)
  }
}

/** 100 % less the discount, at most the whole: a discount over 100 % is one of 100 %. */
function keptOf(discountPercent: Scaled): bigint | undefined {
  if (discountPercent === 0n) return undefined
  return discountPercent > wholePercent ? 0n : wholePercent - discountPercent
}

const whole: Fraction = { numerator: 1n, denominator: 1n }

function reduced(fraction: Fraction): Fraction {
  const divisor = greatestCommonDivisor(fraction.numerator, fraction.denominator)
  return { numerator: fraction.numerator / divisor, denominator: fraction.denominator / divisor }
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b)
}

function unknownModel(value: never): never {
  throw new Error(`unknown price model ${String(value)}`)
}
