// Replays one partition: opens a shadow of it, brings the usage of the stretch from the input or from history, and takes the
// differences page by page.
// Invariants: it only reads; both sides are as of one commit, which the answer names.

import { isLevel } from '../../rating/aggregations/registry.js'
import type { BillingPeriod, Catalog } from '../../schemas/catalog/catalog.js'
import { parseInstant } from '../../schemas/time.js'
import { readingsPages, readReadings } from '../../sinks/clickhouse/rated-readings.js'
import type { FeatureParts } from '../feature/feature.js'
import type { OpenedReplay } from '../shadow/opened-replay.js'
import type { DifferencePage } from '../shadow/replay-protocol.js'
import { catalogOf, type KeptRequest } from './replay-request.js'

export type ReplayTotals = NonNullable<DifferencePage['totals']>

export interface ReplayedPartitionAnswer {
  readonly partition: number
  /** The commit that both sides are of. */
  readonly commit: number
  readonly totals: ReplayTotals
}

/** Differences in one page. */
const linesEach = 500
const dayNs = 86_400_000_000_000n
const daysOf: Readonly<Record<BillingPeriod, bigint>> = {
  day: 1n,
  week: 7n,
  month: 31n,
  quarter: 92n,
  year: 366n,
}

export async function replayPartition(
  { shadows, queries }: Pick<FeatureParts, 'shadows' | 'queries'>,
  request: KeptRequest,
  partition: number,
  signal: AbortSignal,
  write: (lines: Uint8Array) => Promise<void>,
): Promise<ReplayedPartitionAnswer> {
  return shadows.replayOf(partition, signal, async replay => {
    const [fromNs, untilNs] = [parseInstant(request.from)!, parseInstant(request.until)!]
    const published = await replay.publishedCatalog()
    const catalog = catalogOf(request, published)
    await replay.thread.openReplay({
      catalog,
      changes: request.source === 'input' ? 'read' : 'copied',
      fromNs,
      untilNs,
      ...(request.customer_id === null ? {} : { customerId: request.customer_id }),
    })
    if (request.source === 'input') await replay.feedInput(fromNs)
    else {
      await replay.thread.beginUsage()
      const usage = {
        partition,
        commit: replay.commit,
        fromNs,
        // A period that begins in the stretch may end after it.
        untilNs: untilNs + (longestDays(catalog ?? published) + 1n) * dayNs,
        metersFromBefore: levelMeters(catalog ?? published),
        ...(request.customer_id === null ? {} : { customerId: request.customer_id }),
      }
      await replay.delivered()
      for (const page of await readingsPages(queries, usage, signal)) {
        for await (const lines of readReadings(queries, usage, page, signal))
          await replay.placeReadings(lines)
      }
      await replay.endReadings()
    }
    const totals = await takeDifferences(replay, write)
    return { partition, commit: replay.commit, totals }
  })
}

async function takeDifferences(
  { thread }: OpenedReplay,
  write: (lines: Uint8Array) => Promise<void>,
): Promise<ReplayTotals> {
  for (;;) {
    const { lines, totals } = await thread.differences(linesEach)
    await write(lines)
    if (totals !== undefined) return totals
  }
}

function longestDays({ plans }: Catalog): bigint {
  return plans.reduce((most, { billingPeriod }) => {
    const days = daysOf[billingPeriod]
    return days > most ? days : most
  }, 1n)
}

function levelMeters({ meters }: Catalog): string[] {
  return meters.filter(({ aggregation }) => isLevel(aggregation)).map(({ meter }) => meter)
}
