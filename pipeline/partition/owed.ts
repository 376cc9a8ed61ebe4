// What a customer owes as of an instant: the charges of all its subscriptions, usage from the kept accumulators.

import { newAccumulator } from '../../rating/accumulator.js'
import { chargesOf } from '../../rating/close.js'
import type { Segment } from '../../rating/price-lines.js'
import { chargeOf } from '../../rating/rate.js'
import type { UsagePrice } from '../../schemas/catalog.js'
import type { Charge } from '../../schemas/charge.js'
import { basisOf, levelsBefore } from '../stages/rate.js'
import type { PartitionState } from './state/partition-state.js'
import type { PriceBook } from './state/price-book.js'

/** Every segment that began before `asOfMs`, in the order of subscription ids. */
export function chargesOwed(
  state: PartitionState,
  book: PriceBook,
  customerId: string,
  asOfMs: number,
): Charge[] {
  const usage = (segment: Segment<UsagePrice>) => usageTotals(state, book, segment)
  return book.ofCustomer(customerId).flatMap(prices => chargesOf(prices, book.catalog, asOfMs, usage))
}

function usageTotals(state: PartitionState, book: PriceBook, segment: Segment<UsagePrice>) {
  const basis = basisOf(segment, book.catalog)
  const charge = state.maps.charges.get(segment.chargeId)
  let accumulator = charge?.accumulator
  if (accumulator === undefined) {
    // Nothing came in this period, yet a flat amount, a minimum or a level carried over may be owed.
    accumulator = newAccumulator(basis)
    accumulator.levelsAtStart = levelsBefore(segment, state, book.catalog)
  }
  return { ...chargeOf(basis, accumulator), events: accumulator.events }
}
