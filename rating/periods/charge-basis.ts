// The charge basis: everything but usage that an amount depends on: the price, its meter and the segment that it is owed for.
// Invariants: a basis never changes after its first use (it is compiled once per object: keep and reuse one per
// segment); `fromNs` and `untilNs` bound the segment, `period` the whole service period that it is part of.

import type { Meter, UsagePrice } from '../../schemas/catalog/catalog.js'
import type { Fraction } from './proration.js'

export interface ChargeBasis {
  /** Without minimum and flat amounts where a suspension waives them. */
  readonly price: UsagePrice
  readonly meter: Meter
  /** The segment's part of the service period, by the plan's proration unit. Only `prorate: true` looks at it. */
  readonly fraction: Fraction
  readonly trial: boolean
  /** The segment lies in a suspension from end to end, and the price is without minimum and flat amounts for that. */
  readonly suspended?: true
  /** Set where the meter has windows: the subscription's, in which they begin and end. */
  readonly timezone?: string
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** The whole service period: a level over time is divided by its length. */
  readonly period: { readonly fromNs: bigint; readonly untilNs: bigint }
}
