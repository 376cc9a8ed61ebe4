// What an amount depends on beside the usage itself: the price, its meter and the segment that it is owed for.
// Invariants: a basis never changes once it was used (it is compiled once, by identity: keep one per segment and
// reuse it); `fromNs` and `untilNs` bound the segment, `period` the whole service period that it is part of.

import type { Meter, UsagePrice } from '../../schemas/catalog/catalog.js'
import type { Fraction } from './proration.js'

export interface ChargeBasis {
  /** As it is owed: without what a suspension waives. */
  readonly price: UsagePrice
  readonly meter: Meter
  /** The segment's part of the service period, by the plan's proration unit. Only `prorate: true` looks at it. */
  readonly fraction: Fraction
  readonly trial: boolean
  /** The segment lies in a suspension from end to end, and the price is without minimum and flat amounts for that. */
  readonly suspended?: true
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** The whole service period: what `weighted_sum` and `time_average` divide by. */
  readonly period: { readonly fromNs: bigint; readonly untilNs: bigint }
}
