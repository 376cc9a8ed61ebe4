// A compiled charge basis: the functions and constants that rate its usage, looked up once and not per event. Constants
// are at the scale of the final division, so that an event costs a few multiplications and one division of integers.
// It owns the proration of a part period; rate.ts owns the order in which the rater's fields are applied.
// Invariant: it follows from the basis alone.

import type { PriceModel, UsagePrice } from '../../schemas/catalog/catalog.js'
import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { conversionOf } from '../aggregations/convert.js'
import { aggregationDenominator, aggregatorOfMeter, isLevel } from '../aggregations/registry.js'
import { keptPercent, wholePercent } from '../models/kept-percent.js'
import type { Linear } from '../models/linear.js'
import type { Compiled, ModelPart, UsageModel } from '../models/model.js'
import { partOf } from '../models/registry.js'
import type { Scale } from '../models/scale.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { windowsIn } from '../periods/windows.js'
import { one, ratio } from '../steps/ratio.js'

export interface Rater extends Compiled<unknown> {
  readonly trial: boolean
  /** The number of an instant's window; undefined: the meter has none. */
  readonly windowOf: ((atNs: bigint) => number) | undefined
  /** The model has one of these two. */
  readonly amountOf: ((units: bigint, terms: unknown) => bigint) | undefined
  readonly usage: UsageModel<PriceModel, unknown, unknown> | undefined
  /** These turn an aggregated total into a `Scaled`: it is multiplied by the one and divided by the other. */
  readonly quantityFactor: bigint
  readonly quantityDenominator: bigint
  /** 100 % less the discount, in 10^-14; undefined without discount. */
  readonly kept: bigint | undefined
  /** At the scale of the discounted amount. */
  readonly minimum: bigint | undefined
  readonly maximum: bigint | undefined
  /** Discounted amount / divisor = scaled amount. Even, so that its half is whole. */
  readonly divisor: bigint
  readonly half: bigint
  /** Set where the amount is units times a price and nothing else. */
  readonly linear: Linear | undefined
  /** Why it is not set. */
  readonly notLinear: NotLinear | undefined
}

/** Why an amount is not units times a price and nothing else. */
export type NotLinear =
  | 'model_keeps_usage'
  | 'model_not_linear'
  | 'trial'
  | 'discount'
  | 'part_of_a_period'
  | 'converted'
  | 'minimum'
  | 'maximum'
  | 'inexact_or_included'

const raters = new WeakMap<ChargeBasis, Rater>()
/** For prices whose rater depends on nothing else of the basis than `trial`: many customers share one. */
const sharedRaters = { paid: new WeakMap<UsagePrice, Rater>(), trial: new WeakMap<UsagePrice, Rater>() }

/** Compiled once per basis object, or once per price where the result depends on the price and trial alone. */
export function raterOf(basis: ChargeBasis): Rater {
  const { price, trial, meter } = basis
  const shared = trial ? sharedRaters.trial : sharedRaters.paid
  let rater = price.prorate ? undefined : shared.get(price)
  rater ??= raters.get(basis)
  if (rater === undefined) {
    rater = compileRater(basis)
    if (price.prorate || isLevel(meter.aggregation) || meter.window !== undefined) raters.set(basis, rater)
    else shared.set(price, rater)
  }
  return rater
}

const dividedRaters = new WeakMap<ChargeBasis, { readonly divisor: bigint; readonly rater: Rater }>()

/** For a quantity that is divided by `divisor` besides: the last one of a basis is kept. */
export function raterDividedBy(basis: ChargeBasis, divisor: bigint): Rater {
  const known = dividedRaters.get(basis)
  if (known?.divisor === divisor) return known.rater
  const rater = compileRater(basis, divisor)
  dividedRaters.set(basis, { divisor, rater })
  return rater
}

function compileRater(basis: ChargeBasis, divisor = 1n): Rater {
  const { price, meter } = basis
  const { numerator, denominator } = price.prorate
    ? ratio(basis.fraction.numerator, basis.fraction.denominator)
    : one
  const quantityDenominator = aggregationDenominator(basis) * divisor
  const quantityFactor = conversionOf(basis.meter).numerator
  const scale: Scale = {
    denominator: quantityDenominator * denominator,
    prorated: quantityDenominator * numerator,
  }
  const part = partOf(price)
  const modelScale = part.kind === 'usage' ? part.amountScale : scaledOne
  const included = price.included * scale.prorated
  const kept = price.discountPercent === 0n ? undefined : keptPercent(price)
  const amountDivisor = scale.denominator * modelScale * (kept === undefined ? 1n : wholePercent)
  // A scaled amount x divisor is at the scale of the discounted amount; the fraction's denominator divides it.
  const limit = (amount: Scaled | undefined): bigint | undefined =>
    amount === undefined ? undefined : (amount * amountDivisor * numerator) / denominator
  const terms = part.compile(price.model, scale, included)
  const linear = linearOf(basis, part, terms, amountDivisor)
  return {
    trial: basis.trial,
    amountOf: part.kind === 'total' ? part.amountOf : undefined,
    usage: part.kind === 'usage' ? part : undefined,
    aggregation: aggregatorOfMeter(basis.meter),
    windowOf: meter.window && windowsIn(meter.window.unit, basis.timezone ?? 'UTC'),
    terms,
    quantityFactor,
    quantityDenominator,
    factor: denominator * quantityFactor,
    included,
    kept,
    minimum: limit(price.minimum),
    maximum: limit(price.maximum),
    divisor: amountDivisor,
    half: amountDivisor / 2n,
    linear: typeof linear === 'string' ? undefined : linear,
    notLinear: typeof linear === 'string' ? linear : undefined,
  }
}

/** Units times a price and nothing else, or why it is more. Only at a scale of one are the model's units whole units. */
function linearOf(
  { price, trial, meter }: ChargeBasis,
  part: ModelPart<PriceModel>,
  terms: unknown,
  divisor: bigint,
): Linear | NotLinear {
  if (part.kind === 'usage') return 'model_keeps_usage'
  if (part.linear.why !== undefined) return 'model_not_linear'
  if (trial) return 'trial'
  if (price.discountPercent !== 0n) return 'discount'
  if (conversionOf(meter).denominator !== 1n) return 'converted'
  if (divisor !== scaledOne) return 'part_of_a_period'
  if (price.minimum !== undefined) return 'minimum'
  if (price.maximum !== undefined) return 'maximum'
  return part.linear.of(terms, price.included) ?? 'inexact_or_included'
}
