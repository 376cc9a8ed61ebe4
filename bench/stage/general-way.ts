// Times, stage by stage, usage that is handled as objects: every event that is not rated on running totals
// (other aggregations, matrix and percentage prices, parked or held events). Each stage gets the output of
// the one before it; the state is the one that the whole core left.

import type { InputMessage } from '../../pipeline/core/decode/decode.js'
import { type Attachment, attachEvent } from '../../pipeline/core/rate/attach.js'
import { Normalizer } from '../../pipeline/core/rate/normalize.js'
import { type RatedRow, rateEvent } from '../../pipeline/core/rate/rate.js'
import { EventOutcomeColumns } from '../../pipeline/core/rows/event-outcome-columns.js'
import { LedgerWriter } from '../../pipeline/core/rows/ledger-writer.js'
import { RatedUsageColumns } from '../../pipeline/core/rows/rated-usage-columns.js'
import { ScanLayout } from '../../pipeline/core/scan/layout.js'
import { MeterCatalog, MeterMatch } from '../../pipeline/core/scan/meter-slots.js'
import { UsageScanner } from '../../pipeline/core/scan/scanner.js'
import type { KeyedEvent } from '../../pipeline/core/state/metered-event.js'
import type { PartitionState } from '../../pipeline/core/state/partition-state.js'
import type { PriceBook } from '../../pipeline/core/state/price-book.js'
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
  const read = readerOf(book)
  const { outputChunkRows, outputChunkBytes } = coreConfig.limits
  const columns = new RatedUsageColumns(outputChunkRows, outputChunkBytes)
  const outcomes = new EventOutcomeColumns(outputChunkRows, outputChunkBytes)
  let last: Attached = { events: [], attached: [] }
  batches.forEach(({ messages, events: count }, index) => {
    const events = clock.time('scan and normalize', count, () => messages.flatMap(read))
    for (const event of events) book.ofCustomer(event.customerId) // resolved once, not per event
    const attached = clock.time('attach', count, () => attachAll(events, book))
    const rows: RatedRow[] = []
    clock.time('rate', count, () => rateAll(events, attached, state, book, rows))
    const writer = new LedgerWriter(coreConfig, { nowMs, commit: index + 2 }, undefined, columns, outcomes)
    clock.time('rows', count, () => {
      for (const row of rows) writer.rated(row)
    })
    clock.time('encode Arrow', count, () => writer.take())
    clock.time('state delta', count, () => state.takeDelta())
    last = { events, attached }
  })
  return last
}

/** Reads usage as objects; all of the traffic is of one type. */
function readerOf({ catalog }: PriceBook): (message: InputMessage) => KeyedEvent[] {
  const { paths, types } = new MeterCatalog(catalog)
  const scanner = new UsageScanner(new ScanLayout(paths))
  const normalizer = new Normalizer(scanner)
  return ({ arrivedAtMs, bytes, contentType, seq: sequence }) => {
    const input = { stream: 'METERING', sequence } as const
    const scan = scanner.scan(bytes, contentType)
    if (scan === undefined) throw new Error('the traffic of the benchmark is plain usage')
    return Array.from({ length: scan.count }, (_, event) => {
      const match = normalizer.read(scan, event, types[0]!)
      if (!(match instanceof MeterMatch)) throw new Error(match.detail)
      return normalizer.meteredEvent(scan, event, match, arrivedAtMs, input)
    })
  }
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
