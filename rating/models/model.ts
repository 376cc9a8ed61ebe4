// The interface of a price model: it compiles its terms, computes and explains an amount, and bounds it. Each model is
// one folder; registry.ts lists them. Contract section 3.
// Invariants: nothing is rounded inside a model; the amount follows from the terms and the set of samples alone.

import type { Scaled } from '../../schemas/money/decimal.js'
import type { Level } from '../aggregations/level.js'
import type { Aggregator } from '../aggregations/registry.js'
import type { UsageSample } from '../aggregations/sample.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { Part } from '../steps/part-of-period.js'
import type { Ratio } from '../steps/ratio.js'
import type { Step } from '../steps/step.js'
import type { Linear } from './linear.js'
import type { Scale } from './scale.js'

/** Upper bounds: what one unit costs, what one event costs, and a flat amount added once. Left out: 0. */
export interface Bound {
  readonly unit: Scaled
  readonly flat?: Scaled
  readonly perEvent?: Scaled
}

interface AnyModel<M> {
  bound(model: M): Bound
  /** For a model with flat amounts: the amount due without usage, and the model without it, for a suspension. */
  dueUnused?(model: M): Scaled
  withoutFlatAmounts?(model: M): M
}

/** `of` answers undefined where a figure is not exact as a double, or included units stand before tiers. */
export type LinearPart<T> =
  | { readonly why?: undefined; of(terms: T, included: Scaled): Linear | undefined }
  | { readonly why: string }

/** A model whose amount follows from one aggregated quantity. Methods, so that one is assignable to any. */
export interface TotalModel<M, T> extends AnyModel<M> {
  readonly kind: 'total'
  /** Computes once per charge basis what does not depend on usage. */
  compile(model: M, scale: Scale): T
  /** For units beyond the included ones. */
  amountOf(units: bigint, terms: T): bigint
  /** Where the amount is units times a price and nothing else, at a scale of one; else why it never is. */
  readonly linear: LinearPart<T>
  explain(steps: Step[], model: M, units: Ratio, part: Part): Ratio
}

/** The level in force when the segment begins, by matrix cell; cell 0 for any other model. */
export type Levels = ReadonlyMap<number, Level> | undefined

/** A charge basis compiled for its model. */
export interface Compiled<T> {
  readonly terms: T
  readonly aggregation: Aggregator
  /** Multiplies an aggregated quantity to the models' scale. */
  readonly factor: bigint
  /** At the models' scale. */
  readonly included: bigint
}

/** The aggregated quantity x `aggregationDenominator`, and the amount at the scale of the model. */
export interface Owed {
  readonly total: bigint
  readonly amount: bigint
}

/** The input of an explanation. */
export interface Used<M, U> {
  readonly basis: ChargeBasis
  readonly model: M
  readonly usage: U
  readonly levels: Levels
  readonly events: number
}

/** A model that keeps more of its usage than one aggregated quantity and subtracts the included units itself. */
export interface UsageModel<M, T, U> extends AnyModel<M> {
  readonly kind: 'usage'
  /** What it keeps of the events beyond one quantity, which makes each of them be rated by itself. */
  readonly keeps: string
  /** An amount a stands for a / (denominator x 10^12 x this) of the currency. */
  readonly amountScale: bigint
  /** The cell of an event with these dimensions; undefined: none. Left out: every event is in cell 0. */
  cellOf?(model: M, dimensions: ReadonlyMap<string, string>): number | undefined
  start(): U
  add(basis: ChargeBasis, compiled: Compiled<T>, usage: U, sample: UsageSample): void
  compile(model: M, scale: Scale, included: bigint): T
  owed(basis: ChargeBasis, compiled: Compiled<T>, usage: U, levels: Levels): Owed
  /** The sum that the next value is added to. */
  held(usage: U, levels: Levels): Scaled
  explainQuantity(steps: Step[], used: Used<M, U>): Ratio
  explain(steps: Step[], used: Used<M, U>, units: Ratio, part: Part): Ratio
}

export type ModelPart<M, T = unknown, U = unknown> = TotalModel<M, T> | UsageModel<M, T, U>
