// The general way, verb by verb: what every event takes that is not plain usage on running totals (other aggregations,
// matrix and percentage prices, escapes in its texts, an event that is parked or held). Each stage gets what the one
// before it made, on the state that the whole core left.

import { type Decoded, decodeMessages, type ReceivedEvent } from '../../pipeline/core/decode/decode.js'
import { type Attachment, attachEvent } from '../../pipeline/core/rate/attach.js'
import { normalizeEvents } from '../../pipeline/core/rate/normalize.js'
import { type RatedRow, rateEvent } from '../../pipeline/core/rate/rate.js'
import { LedgerWriter } from '../../pipeline/core/rows/ledger-writer.js'
import { RatedUsageColumns } from '../../pipeline/core/rows/rated-usage-columns.js'
import { DedupeTable } from '../../pipeline/core/state/dedupe-table.js'
import type { KeyedEvent } from '../../pipeline/core/state/metered-event.js'
import { daysKept, type PartitionState } from '../../pipeline/core/state/partition-state.js'
import type { PriceBook } from '../../pipeline/core/state/price-book.js'
import { dedupeEvents } from '../../pipeline/core/step/dedupe.js'
import type { StageClock } from './stage-clock.js'
import { type Batch, coreConfig } from './whole-core.js'

export interface Attached {
  readonly events: readonly KeyedEvent[]
  readonly attached: readonly Attachment[]
}

/** Returns the last batch. */
export function runGeneralWay(
  state: PartitionState,
  book: PriceBook,
  batches: readonly Batch[],
  nowMs: number,
  clock: StageClock,
): Attached {
  const dedupe = new DedupeTable(daysKept(coreConfig.limits.dedupeHorizonMs))
  const columns = new RatedUsageColumns(coreConfig.limits.outputChunkRows, coreConfig.limits.outputChunkBytes)
  let last: Attached = { events: [], attached: [] }
  batches.forEach(({ messages, events: count }, index) => {
    const decoded = clock.time('decode', count, () => decodeMessages(messages))
    const received = decoded.filter(isEvent)
    clock.time('dedupe', count, () => dedupeEvents(received, dedupe))
    const normalized = clock.time('normalize', count, () => normalizeEvents(received, book.catalog))
    const events = normalized.flatMap(one => (one.kind === 'metered' ? [one.event] : []))
    for (const event of events) book.ofCustomer(event.customerId) // resolved once, not per event
    const attached = clock.time('attach', count, () => attachAll(events, book))
    const rows: RatedRow[] = []
    clock.time('rate', count, () => rateAll(events, attached, state, book, rows))
    const writer = new LedgerWriter(coreConfig, { nowMs, commit: index + 2 }, undefined, columns)
    clock.time('rows', count, () => {
      for (const row of rows) writer.rated(row)
    })
    clock.time('encode Arrow', count, () => writer.take())
    clock.time('state delta', count, () => state.takeDelta())
    last = { events, attached }
  })
  return last
}

function isEvent(decoded: Decoded): decoded is ReceivedEvent {
  return decoded.kind === 'event'
}

function attachAll(events: readonly KeyedEvent[], book: PriceBook): Attachment[] {
  return events.map(event => attachEvent(event, book.ofCustomer(event.customerId)))
}

function rateAll(
  events: readonly KeyedEvent[],
  attached: readonly Attachment[],
  state: PartitionState,
  book: PriceBook,
  rows: RatedRow[],
): void {
  const write = (row: RatedRow): unknown => rows.push(row)
  for (let i = 0; i < events.length; i += 1) {
    const attachment = attached[i]!
    if (attachment.kind !== 'attached') throw new Error('every event of the benchmark has a subscription')
    rateEvent(events[i]!, attachment.assignments, attachment.unwanted, state, book, write)
  }
}
