// The charges that a customer owes as of an instant, over all its subscriptions; usage comes from the state's accumulators.

import { type Accumulator, newAccumulator } from '../../../rating/charges/accumulator.js'
import { chargesOf } from '../../../rating/charges/close.js'
import { chargeOf } from '../../../rating/charges/rate.js'
import type { Segment } from '../../../rating/timeline/price-lines.js'
import type { Charge } from '../../../schemas/billing/charge.js'
import type { UsagePrice } from '../../../schemas/catalog/catalog.js'
import { addedChargesOwed } from '../lifecycle/added-charges.js'
import { basisOf } from '../rate/basis.js'
import { levelsBefore } from '../rate/levels.js'
import type { PartitionState } from '../state/partition-state.js'
import type { PriceBook } from '../state/price-book.js'

/** Every segment that began before `asOfNs`, in the order of subscription ids, then what was added beside the plans. */
export function chargesOwed(
  state: PartitionState,
  book: PriceBook,
  customerId: string,
  asOfNs: bigint,
): Charge[] {
  const usage = (segment: Segment<UsagePrice>) => usageTotals(state, book, segment)
  const ofPlans = book.ofCustomer(customerId).flatMap(prices => chargesOf(prices, asOfNs, usage))
  const added = addedChargesOwed(state, book, customerId, asOfNs)
  return added.length === 0 ? ofPlans : [...ofPlans, ...added]
}

function usageTotals(state: PartitionState, book: PriceBook, segment: Segment<UsagePrice>) {
  const accumulator = accumulatorOf(state, book, segment)
  return { ...chargeOf(basisOf(segment, book.catalog), accumulator), events: accumulator.events }
}

/** The accumulator of a segment's usage in the state, or a new one when the segment has no usage. */
export function accumulatorOf(
  state: PartitionState,
  book: PriceBook,
  segment: Segment<UsagePrice>,
): Accumulator {
  const charge = state.maps.charges.stopRunning(segment.chargeId)
  if (charge !== undefined) return charge.accumulator
  // A flat amount, a minimum or a level carried over may be owed without usage.
  const accumulator = newAccumulator(basisOf(segment, book.catalog))
  accumulator.levelsAtStart = levelsBefore(segment, state, book.catalog)
  return accumulator
}
