// The level of a meter while usage is rated: how an event changes it, which level a segment begins with, and
// how a late change of the level changes later charges. rating/charges/levels.ts defines a level.

import type { Level } from '../../../rating/aggregations/level.js'
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
 * Applies an event to the level of the segment's meter, unless the event's range begins before `fromNs`. Call
 * it once per reading, however many prices the reading is on.
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

/**
 * Whether the reading could raise the level of its meter beyond what any price of the meter, at any time, can
 * charge.
 */
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

/** Whether a level of the customer exceeds what a price that was added later can charge. */
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

/** The levels in force when a segment begins, by matrix cell; undefined for a meter without a level. */
export function levelsBefore(
  segment: Segment<UsagePrice>,
  state: PartitionState,
  catalog: CatalogIndex,
): ReadonlyMap<number, Level> | undefined {
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

/**
 * A level that an event changed changes all later charges of the meter, whatever their price. `restated` gets
 * the new amount of each.
 */
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
  /** By price: the ranges so far, and how many there are. */
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
