// From usage to money: what a charge amounts to, exactly, from its aggregated quantity. It owns the order
// included -> model -> discount_percent -> minimum -> maximum, the proration of a part period, and the one rounding,
// to 12 places, half away from zero. Contract section 3.
// Invariants: nothing is rounded before the end; a charge follows from (basis, samples) alone.
//
// What does not depend on the usage is compiled once per basis (`Rater`), with every constant already at the scale of
// the final division, so that an event costs a few multiplications and one division of integers.

import type { PriceModel, UsagePrice } from '../../schemas/catalog/catalog.js'
import { divideRounded, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { AggregationPart } from '../aggregations/aggregation.js'
import {
  type AggregationState,
  aggregationDenominator,
  aggregationPart,
  isLevel,
} from '../aggregations/registry.js'
import { beyondIncluded } from '../models/included.js'
import type { Linear } from '../models/linear.js'
import type { Compiled, UsageModel } from '../models/model.js'
import { modelPart } from '../models/registry.js'
import type { Scale } from '../models/scale.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { Fraction } from '../periods/proration.js'
import { type Accumulator, soleAggregation } from './accumulator.js'

export interface Rated {
  /** Aggregated, before `included`; rounded to 12 places if it does not end. */
  readonly quantity: Scaled
  readonly amount: Scaled
}

/** A basis compiled. */
export interface Rater extends Compiled<unknown> {
  readonly trial: boolean
  /** One of these two, of the model: what is asked for each event is found without a look-up, whatever the model. */
  readonly amountOf: ((units: bigint, terms: unknown) => bigint) | undefined
  readonly usage: UsageModel<PriceModel, unknown, unknown> | undefined
  readonly aggregation: AggregationPart<AggregationState>
  /** What an aggregated quantity is divided by to be a `Scaled`. */
  readonly quantityDenominator: bigint
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
export function chargeOf(basis: ChargeBasis, { state, levelsAtStart }: Accumulator): Rated {
  const rater = raterOf(basis)
  const { usage, aggregation, quantityDenominator } = rater
  if (usage !== undefined) {
    const { total, amount } = usage.owed(basis, rater, state, levelsAtStart)
    const quantity = divideRounded(total, quantityDenominator)
    return { quantity, amount: basis.trial ? 0n : adjusted(rater, amount) }
  }
  const total = aggregation.total(soleAggregation(state), basis, levelsAtStart?.get(0) ?? 0n)
  const quantity = quantityDenominator === 1n ? total : divideRounded(total, quantityDenominator)
  return { quantity, amount: amountOfTotal(rater, total) }
}

/** Compiled once per basis, by identity, or once for all that would be compiled alike. */
export function raterOf(basis: ChargeBasis): Rater {
  const { price, trial, meter } = basis
  const shared = trial ? sharedRaters.trial : sharedRaters.paid
  let rater = price.prorate ? undefined : shared.get(price)
  rater ??= raters.get(basis)
  if (rater === undefined) {
    rater = compileRater(basis)
    if (price.prorate || isLevel(meter.aggregation)) raters.set(basis, rater)
    else shared.set(price, rater)
  }
  return rater
}

/** Whether the amount follows from one aggregated quantity alone, as `amountOfTotal` has it. */
export function isRatedByTotal({ price, meter }: ChargeBasis): boolean {
  return modelPart(price.model).kind === 'total' && !isLevel(meter.aggregation)
}

/** What is owed for an aggregated quantity, for a basis that `isRatedByTotal`. */
export function amountOfTotal(rater: Rater, total: bigint): Scaled {
  const { amountOf } = rater
  if (amountOf === undefined) throw new Error('The amount does not follow from one quantity.')
  if (rater.trial) return 0n
  const units = rater.factor === 1n ? total : total * rater.factor
  const beyond = rater.included === 0n ? units : beyondIncluded(units, rater.included)
  return adjusted(rater, amountOf(beyond, rater.terms))
}

/** discount_percent, minimum, maximum, then the one rounding. */
function adjusted(rater: Rater, modelled: bigint): Scaled {
  let amount = rater.kept === undefined ? modelled : modelled * rater.kept
  if (rater.minimum !== undefined && amount < rater.minimum) amount = rater.minimum
  if (rater.maximum !== undefined && amount > rater.maximum) amount = rater.maximum
  // Half away from zero: bigint division goes towards zero, so half a divisor is added away from it.
  return amount >= 0n ? (amount + rater.half) / rater.divisor : (amount - rater.half) / rater.divisor
}

function compileRater(basis: ChargeBasis): Rater {
  const { price } = basis
  const { numerator, denominator } = price.prorate ? reduced(basis.fraction) : whole
  const quantityDenominator = aggregationDenominator(basis)
  const scale: Scale = {
    denominator: quantityDenominator * denominator,
    prorated: quantityDenominator * numerator,
  }
  const part = modelPart(price.model)
  const modelScale = part.kind === 'usage' ? part.amountScale : scaledOne
  const included = price.included * scale.prorated
  const kept = keptOf(price.discountPercent)
  const divisor = scale.denominator * modelScale * (kept === undefined ? 1n : wholePercent)
  // A scaled amount x divisor is at the scale of the discounted amount; the fraction's denominator divides it.
  const limit = (amount: Scaled | undefined): bigint | undefined =>
    amount === undefined ? undefined : (amount * divisor * numerator) / denominator
  const terms = part.compile(price.model, scale, included)
  const isPlain =
    !basis.trial && divisor === scaledOne && price.minimum === undefined && price.maximum === undefined
  return {
    trial: basis.trial,
    amountOf: part.kind === 'total' ? part.amountOf : undefined,
    usage: part.kind === 'usage' ? part : undefined,
    aggregation: aggregationPart(basis.meter.aggregation),
    terms,
    quantityDenominator,
    factor: denominator,
    included,
    kept,
    minimum: limit(price.minimum),
    maximum: limit(price.maximum),
    divisor,
    half: divisor / 2n,
    // At a scale of one a unit of the model is one of ours.
    linear: isPlain && part.kind === 'total' ? part.linear?.(terms, price.included) : undefined,
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
