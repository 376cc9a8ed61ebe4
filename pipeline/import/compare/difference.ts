// What a comparison finds: per customer, subscription and price what they billed, what is owed here, and why they differ.
// Invariant: the parts of a difference add up to it, to the last digit; what nothing explains is a part of its own.

import type { Scaled } from '../../../schemas/money/decimal.js'

export const reasons = [
  'usage_missing_here',
  'usage_missing_there',
  'duplicate_counted_there',
  'late_event',
  'period_boundary',
  'price_differs',
  'quantity_differs',
  'proration',
  'minimum',
  'rounding',
  'credit_or_coupon',
  'tax',
  'manual_line',
  'not_expressible',
  'not_billed_there',
  'unexplained',
] as const
export type Reason = (typeof reasons)[number]

export interface Part {
  readonly reason: Reason
  /** What it makes ours more than theirs; below 0: less. */
  readonly amount: Scaled
  readonly evidence: string
  /** Some of the events that it rests on. */
  readonly events?: readonly string[]
}

export interface Compared {
  readonly customer: string
  readonly subscription: string
  readonly price: string
  readonly currency: string
  readonly theirs: Scaled
  readonly ours: Scaled
  readonly parts: readonly Part[]
}

export function differenceOf({ ours, theirs }: Pick<Compared, 'ours' | 'theirs'>): Scaled {
  return ours - theirs
}

/** The parts that move something, and what they leave over as `unexplained`. */
export function completed(difference: Scaled, parts: readonly Part[], evidence: string): readonly Part[] {
  const kept = parts.filter(({ amount }) => amount !== 0n)
  const rest = difference - kept.reduce((sum, { amount }) => sum + amount, 0n)
  return rest === 0n ? kept : [...kept, { reason: 'unexplained', amount: rest, evidence }]
}
