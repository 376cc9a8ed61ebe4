// Replays one partition: opens a shadow of it, brings the usage of the stretch from the input or from history, and takes the
// differences page by page.
// Invariants: it only reads; both sides are as of one commit, which the answer names.

import { isLevel } from '../../rating/aggregations/registry.js'
import { longestDaysOf } from '../../schemas/catalog/billing-period.js'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { parseInstant } from '../../schemas/time.js'
import { readingsPages, readReadings } from '../../sinks/clickhouse/rated-readings.js'
import type { FeatureParts } from '../feature/feature.js'
import type { ComparedCommit, OpenedReplay } from '../shadow/opened-replay.js'
import type { ChangesFrom, DifferencePage, Stretch } from '../shadow/replay-protocol.js'
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

export interface PartitionTask {
  readonly request: KeptRequest
  readonly partition: number
  readonly signal: AbortSignal
  /** Takes the differences, as lines. */
  readonly write: (lines: Uint8Array) => Promise<void>
}

type Parts = Pick<FeatureParts, 'shadows' | 'queries'>

export async function replayPartition(parts: Parts, task: PartitionTask): Promise<ReplayedPartitionAnswer> {
  const { partition, signal } = task
  return parts.shadows.replayOf(partition, signal, replay => compared(parts.queries, task, replay))
}

/** As of a commit of which the live build told what is owed. Undefined: its snapshot was replaced meanwhile. */
export async function replayPartitionAt(
  parts: Parts,
  task: PartitionTask,
  at: ComparedCommit,
  owed: Uint8Array,
): Promise<ReplayedPartitionAnswer | undefined> {
  const { request, partition, signal } = task
  return parts.shadows.replayAt(partition, at, changesOf(request), signal, replay =>
    compared(parts.queries, task, replay, owed),
  )
}

function changesOf({ source }: KeptRequest): ChangesFrom {
  return source === 'input' ? 'read' : 'copied'
}

async function compared(
  queries: Parts['queries'],
  task: PartitionTask,
  replay: OpenedReplay,
  owed?: Uint8Array,
): Promise<ReplayedPartitionAnswer> {
  const { request, partition, write } = task
  const stretch = stretchOf(request)
  const published = await replay.publishedCatalog()
  const catalog = catalogOf(request, published)
  const ownDays = await replay.thread.openReplay({ catalog, changes: changesOf(request), ...stretch })
  if (owed !== undefined) await replay.thread.takeOwed(owed)
  if (request.source === 'input') await replay.feedInput(stretch.fromNs)
  else await feedHistory(queries, task, replay, catalog ?? published, ownDays)
  const totals = await takeDifferences(replay, write)
  return { partition, commit: replay.commit, totals }
}

export function stretchOf({ from, until, customer_id: customerId }: RequestedStretch): Stretch {
  const customer = customerId === null ? {} : { customerId }
  return { fromNs: parseInstant(from)!, untilNs: parseInstant(until)!, ...customer }
}

type RequestedStretch = Pick<KeptRequest, 'from' | 'until' | 'customer_id'>

async function feedHistory(
  queries: Parts['queries'],
  { request, partition, signal }: PartitionTask,
  replay: OpenedReplay,
  catalog: Catalog,
  overrideDays: number,
): Promise<void> {
  await replay.thread.beginUsage()
  const days = BigInt(Math.max(longestDaysOf(catalog.plans), overrideDays) + 1)
  const stretch = stretchOf(request)
  const usage = {
    ...stretch,
    partition,
    commit: replay.commit,
    // A period that begins in the stretch may end after it.
    untilNs: stretch.untilNs + days * dayNs,
    metersFromBefore: levelMeters(catalog),
  }
  await replay.delivered()
  for (const page of await readingsPages(queries, usage, signal)) {
    for await (const lines of readReadings(queries, usage, page, signal)) await replay.placeReadings(lines)
  }
  await replay.endReadings()
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

function levelMeters({ meters }: Catalog): string[] {
  return meters.filter(({ aggregation }) => isLevel(aggregation)).map(({ meter }) => meter)
}
