// What a price model is to the rest of rating: how it is compiled, what it owes, how that is explained, and how steep it
// is. A folder each has all that knows it; registry.ts lists them. Contract section 3.
// Invariants: nothing is rounded inside a model; what is owed follows from the terms and the set of samples alone.

import type { Scaled } from '../../schemas/money/decimal.js'
import type { Aggregator } from '../aggregations/registry.js'
import type { UsageSample } from '../aggregations/sample.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { Part } from '../steps/part-of-period.js'
import type { Ratio } from '../steps/ratio.js'
import type { Step } from '../steps/step.js'
import type { Linear } from './linear.js'
import type { Scale } from './scale.js'

/** The most that one unit and one event may cost, and what may come on top of them. Left out: 0. */
export interface Bound {
  readonly unit: Scaled
  readonly flat?: Scaled
  readonly perEvent?: Scaled
}

interface AnyModel<M> {
  bound(model: M): Bound
  /** Of a model with flat amounts: what is due without usage, and the model where a suspension waives it. */
  dueUnused?(model: M): Scaled
  withoutFlatAmounts?(model: M): M
}

/** A model whose amount follows from one aggregated quantity. Its parts are methods on purpose: one then passes for any. */
export interface TotalModel<M, T> extends AnyModel<M> {
  readonly kind: 'total'
  /** What does not depend on usage, once for a charge basis. */
  compile(model: M, scale: Scale): T
  /** For units beyond the included ones. */
  amountOf(units: bigint, terms: T): bigint
  /** Where the amount is nothing but units times a price, at a scale of one. */
  linear?(terms: T, included: Scaled): Linear | undefined
  explain(steps: Step[], model: M, units: Ratio, part: Part): Ratio
}

/** The level in force when the segment begins, by matrix cell; cell 0 for any other model. */
export type Levels = ReadonlyMap<number, Scaled> | undefined

/** A basis as a model compiled it. */
export interface Compiled<T> {
  readonly terms: T
  readonly aggregation: Aggregator
  /** What an aggregated quantity is multiplied by to be at the models' scale. */
  readonly factor: bigint
  /** At that scale. */
  readonly included: bigint
}

/** The aggregated quantity x `aggregationDenominator`, and the amount at the scale of the model. */
export interface Owed {
  readonly total: bigint
  readonly amount: bigint
}

/** What an explanation starts from. */
export interface Used<M, U> {
  readonly basis: ChargeBasis
  readonly model: M
  readonly usage: U
  readonly levels: Levels
  readonly events: number
}

/** A model that remembers more of its usage than one aggregated quantity, and sees to the included units itself. */
export interface UsageModel<M, T, U> extends AnyModel<M> {
  readonly kind: 'usage'
  /** An amount a stands for a / (denominator x 10^12 x this) of the currency. */
  readonly amountScale: bigint
  /** Where an event with these dimensions belongs; undefined: nowhere. Left out: all in cell 0. */
  cellOf?(model: M, dimensions: ReadonlyMap<string, string>): number | undefined
  start(): U
  add(basis: ChargeBasis, compiled: Compiled<T>, usage: U, sample: UsageSample): void
  compile(model: M, scale: Scale, included: bigint): T
  owed(basis: ChargeBasis, compiled: Compiled<T>, usage: U, levels: Levels): Owed
  /** What a further value is added to. */
  held(usage: U, levels: Levels): Scaled
  explainQuantity(steps: Step[], used: Used<M, U>): Ratio
  explain(steps: Step[], used: Used<M, U>, units: Ratio, part: Part): Ratio
}

export type ModelPart<M, T = unknown, U = unknown> = TotalModel<M, T> | UsageModel<M, T, U>
