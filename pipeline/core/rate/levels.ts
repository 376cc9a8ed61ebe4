// The level of a meter as usage is rated: what an event does to it, which level a segment begins with, and what a level
// that changed late changes in the charges after it. rating/charges/levels.ts says what a level is.

import { isLevel } from '../../../rating/aggregations/registry.js'
import { LevelsByCell, moveOf, stretchStart } from '../../../rating/charges/levels.js'
import { chargeOf } from '../../../rating/charges/rate.js'
import { levelWouldExceed } from '../../../rating/ranges/value-range.js'
import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import type { PriceLine, Segment } from '../../../rating/timeline/price-lines.js'
import type { UsagePrice } from '../../../schemas/catalog/catalog.js'
import type { MeterReading } from '../../../schemas/event/metered-event.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { beginninglessNs, compareInstants } from '../../../schemas/time.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { PartitionState } from '../state/partition-state.js'
import type { PriceBook } from '../state/price-book.js'
import type { UsageCharge } from '../state/records.js'
import { basisOf } from './basis.js'

/**
 * An event moves the level of the meter that a segment is of; not if that is where only earlier stretches count
 * (`fromNs`). To be called once for a reading, whatever number of prices it is on.
 */
export function moveLevel(
  event: KeyedEvent,
  reading: MeterReading,
  { line }: Segment<UsagePrice>,
  state: PartitionState,
  book: PriceBook,
  fromNs = beginninglessNs,
): void {
  const { aggregation } = book.catalog.meter(reading.meter)!
  if (!isLevel(aggregation)) return
  const { customerId, subscriptionId } = line
  const lines = book.ofSubscription(subscriptionId)?.usage.get(reading.meter) ?? []
  const startNs = stretchStart(lines, event.timeNs)
  if (startNs < fromNs) return
  const owner = { customerId, subscriptionId, meter: reading.meter }
  state.maps.levels.add(owner, startNs, moveOf(aggregation, event, reading))
}

/** Whether the reading could bring the level of its meter beyond what a price of the meter, of any time, can charge. */
export function exceedsLevel(
  { line }: Segment<UsagePrice>,
  quantity: Scaled,
  state: PartitionState,
  book: PriceBook,
): boolean {
  const { customerId, subscriptionId } = line
  const { meter } = line.price
  if (!isLevel(book.catalog.meter(meter)!.aggregation)) return false
  const lines = book.ofSubscription(subscriptionId)?.usage.get(meter) ?? []
  const reach = state.maps.levels.reach({ customerId, subscriptionId, meter })
  return levelWouldExceed(pricesOf(lines), reach, quantity)
}

/** Whether a level of the customer is beyond what a price can charge that came later. */
export function exceedsAnyLevel(customerId: string, state: PartitionState, book: PriceBook): boolean {
  for (const { timeline, usage } of book.ofCustomer(customerId)) {
    const { subscriptionId } = timeline
    for (const [meter, lines] of usage) {
      const reach = state.maps.levels.reach({ customerId, subscriptionId, meter })
      if (reach !== 0n && levelWouldExceed(pricesOf(lines), reach, 0n)) return true
    }
  }
  return false
}

function pricesOf(lines: readonly PriceLine<UsagePrice>[]): UsagePrice[] {
  return lines.map(line => line.price)
}

/** The levels in force when a segment begins, by cell; undefined for a meter without a level. */
export function levelsBefore(
  segment: Segment<UsagePrice>,
  state: PartitionState,
  catalog: CatalogIndex,
): ReadonlyMap<number, Scaled> | undefined {
  const { line } = segment
  const { price, meter } = basisOf(segment, catalog)
  if (!isLevel(meter.aggregation)) return undefined
  const byCell = new LevelsByCell(price)
  const { customerId, subscriptionId } = line
  for (const stretch of state.maps.levels.of({ customerId, subscriptionId, meter: meter.meter })) {
    if (stretch.fromNs < segment.fromNs) byCell.add(stretch)
  }
  return byCell.levels()
}

/** A level that an event changed changes the later charges of the meter, whatever their price: each is told its amount. */
export function carryLevel(
  event: KeyedEvent,
  { line }: Segment<UsagePrice>,
  state: PartitionState,
  book: PriceBook,
  restated: (charge: UsageCharge, amount: Scaled) => void,
): void {
  const { customerId, subscriptionId } = line
  const { meter } = line.price
  const later = state.maps.charges
    .stopRunningOf(customerId)
    .filter(one => one.subscriptionId === subscriptionId && one.meter === meter)
    .filter(one => one.fromNs > event.timeNs)
    .sort((a, b) => compareInstants(a.fromNs, b.fromNs))
  const stretches = state.maps.levels.of({ customerId, subscriptionId, meter })
  /** By price: the stretches so far, and how many they are. */
  const known = new Map<UsagePrice, { readonly byCell: LevelsByCell; count: number }>()
  for (const charge of later) {
    const segment = book.segmentOf(charge)
    if (segment === undefined) continue
    const basis = basisOf(segment, book.catalog)
    const at = known.get(basis.price) ?? { byCell: new LevelsByCell(basis.price), count: 0 }
    known.set(basis.price, at)
    for (; at.count < stretches.length && stretches[at.count]!.fromNs < charge.fromNs; at.count += 1) {
      at.byCell.add(stretches[at.count]!)
    }
    charge.accumulator.levelsAtStart = at.byCell.levels()
    state.maps.charges.touch(charge.chargeId)
    restated(charge, chargeOf(basis, charge.accumulator).amount)
  }
}
