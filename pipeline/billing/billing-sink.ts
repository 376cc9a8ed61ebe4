// The billing sink: sealed charges in, billing batches out.
// Invariants:
// 1. A run becomes billing batches only when every partition has sealed it, and always the same batches: the order of the
//    lines is that of the ledger, the cut is fixed, the ids are computed from the run.
// 2. A batch is in `BILLING` once (publish-batches.ts). What a rule holds waits (held-batches.ts).
// 3. The batches of a preview are made in the same way, kept in `weir_runs` for a day, and never published.
// 4. The ledger's lines are read twice, when the last partition has sealed: once to count them, once to fill batches. Only
//    the lines of open batches are held, one for each entity and currency.
// 5. A line that cannot be read is set aside alone when its run is published; the others become batches.

import { Buffer } from 'node:buffer'
import { type BillingBatch, batchToWire } from '../../schemas/billing/billing-batch.js'
import {
  type BillingRunProgress,
  type BillingRunRecord,
  billingRunRecordSchema,
  type FoundEnd,
  type PublishedBatch,
  runKeys,
} from '../../schemas/billing/billing-run.js'
import type { ReleaseOrder } from '../../schemas/billing/release-order.js'
import { stableId } from '../../schemas/identifiers.js'
import type { FeedRange, RefusedRecord, Sink, SinkOutcome } from '../../sinks/sink.js'
import { brokerUnavailable } from '../broker/broker-outcome.js'
import { natsSubjects } from '../broker/topology.js'
import { BatchPlan, SealedLinesError } from './batches.js'
import { type HoldOptions, holdIfAsked, inOrder, releaseHeld } from './held-batches.js'
import { BatchesOfRun, type PublishOptions, publishedBatch } from './publish-batches.js'
import { endsOf, keepEnds, linesOf, type SealedSource, type UnreadableLine } from './sealed-run.js'

export interface BillingSinkOptions extends SealedSource, PublishOptions {
  readonly linesPerBatch: number
  readonly hold: HoldOptions
}

export const defaultLinesPerBatch = 500
/** A Go duration. */
const previewTtl = '24h'

export function createBillingSink(options: BillingSinkOptions): Sink {
  return {
    name: 'billing',
    async apply(range, signal): Promise<SinkOutcome> {
      try {
        let rows = 0
        const refused: RefusedRecord[] = []
        for (const runId of await keepEnds(options.runs, range.messages)) {
          const published = await publishRun(options, runId, range, signal)
          rows += published.rows
          refused.push(...published.refused)
        }
        return { kind: 'ok', rows, ...(refused.length === 0 ? {} : { refused }) }
      } catch (error) {
        if (error instanceof SealedLinesError) {
          return { kind: 'rejected', code: 'sealed_lines_incomplete', detail: error.message }
        }
        return brokerUnavailable(error)
      }
    },
    attend(attendance) {
      const read = batchesReader(options, attendance.aborting)
      return releaseHeld(options.hold, attendance, batch => publishReleased(options, batch, read))
    },
  }
}

interface PublishedRun {
  /** How many lines the batches hold. */
  readonly rows: number
  readonly refused: readonly RefusedRecord[]
}

/** A run that every partition has sealed. */
interface WholeRun {
  readonly record: BillingRunRecord
  readonly ends: readonly FoundEnd[]
  readonly plan: BatchPlan
  readonly signal: AbortSignal
  readonly onProgress: () => void
}

/** Publishes the run's batches when it is complete. */
async function publishRun(
  options: BillingSinkOptions,
  runId: string,
  range: FeedRange,
  signal: AbortSignal,
): Promise<PublishedRun> {
  const entry = await options.runs.get(runKeys.record(runId))
  if (entry === null)
    throw new SealedLinesError(`the ledger names billing run ${runId}, which nobody asked for`)
  const record = billingRunRecordSchema.parse(entry.json())
  const ends = await endsOf(options, record)
  const progress: BillingRunProgress = {
    billing_run_id: runId,
    sealed_partitions: ends.map(end => end.partition),
  }
  if (ends.length < record.partitions) {
    await saveProgress(options, progress)
    return { rows: 0, refused: [] }
  }
  const plan = new BatchPlan(runId, options.linesPerBatch)
  const run: WholeRun = { record, ends, plan, signal, onProgress: range.onProgress ?? (() => undefined) }
  const refused: RefusedRecord[] = []
  for await (const line of linesOf(options, record, ends, signal, run.onProgress)) {
    if (line.kind === 'line') plan.add(line.charge)
    else refused.push(refusedLine(line, range.token))
  }
  const published = record.preview ? await keepPreview(options, run) : await publishBatches(options, run)
  // Before the progress: what ends in the middle is done again, and an order may come twice.
  if (!record.preview) await orderReleases(options, record, published)
  await saveProgress(options, {
    ...progress,
    entity_known: ends.some(end => end.entity_known),
    held_back: ends.flatMap(end => end.held_back ?? []),
    batches: inOrder(published),
  })
  return { rows: plan.lines, refused }
}

/** The batches of the run, one after another. */
async function* batchesOf(
  options: BillingSinkOptions,
  { record, ends, plan, signal, onProgress }: WholeRun,
): AsyncGenerator<BillingBatch, void, undefined> {
  const fill = plan.filler()
  for await (const line of linesOf(options, record, ends, signal, onProgress)) {
    const batch = line.kind === 'line' ? fill(line.charge) : undefined
    if (batch !== undefined) yield batch
  }
}

async function publishBatches(options: BillingSinkOptions, run: WholeRun): Promise<PublishedBatch[]> {
  const batchIds = run.plan.batchIds
  for (;;) {
    const there = await BatchesOfRun.read(options, run.record.billing_run_id, run.signal)
    there.assertAmong(batchIds)
    const published = await appendMissing(options, run, there)
    if (published !== undefined) return published
  }
}

/** Undefined when another process appended meanwhile. */
async function appendMissing(
  options: BillingSinkOptions,
  run: WholeRun,
  there: BatchesOfRun,
): Promise<PublishedBatch[] | undefined> {
  const ledgerTo = Math.max(...run.ends.map(end => end.sequence))
  const published: PublishedBatch[] = []
  for await (const batch of batchesOf(options, run)) {
    const held = there.has(batch) ? undefined : await holdIfAsked(options.hold, run.record, batch, ledgerTo)
    const one = held === undefined ? await there.append(batch) : publishedBatch(batch, 0, held)
    if (one === undefined) return undefined
    published.push(one)
    run.onProgress()
  }
  return published
}

async function keepPreview(options: BillingSinkOptions, run: WholeRun): Promise<PublishedBatch[]> {
  const kept: PublishedBatch[] = []
  for await (const batch of batchesOf(options, run)) {
    const key = runKeys.preview(batch.billingRunId, batch.batchId)
    if ((await options.runs.get(key)) === null)
      await options.runs.create(key, JSON.stringify(batchToWire(batch)), previewTtl)
    kept.push(publishedBatch(batch, 0))
    run.onProgress()
  }
  return kept
}

type ReadBatches = (runId: string, isStale: boolean) => Promise<BatchesOfRun>

/** What is there of a run is read once for all of its batches, and again when another process has appended. */
function batchesReader(options: BillingSinkOptions, signal: AbortSignal): ReadBatches {
  let last: { readonly runId: string; readonly there: BatchesOfRun } | undefined
  return async (runId, isStale) => {
    if (isStale || last?.runId !== runId)
      last = { runId, there: await BatchesOfRun.read(options, runId, signal) }
    return last.there
  }
}

/** Appends a batch that was released, unless it is there. */
async function publishReleased(
  options: BillingSinkOptions,
  batch: BillingBatch,
  read: ReadBatches,
): Promise<PublishedBatch> {
  for (let isStale = false; ; isStale = true) {
    const there = await read(batch.billingRunId, isStale)
    const published = await there.append(batch)
    if (published === undefined) continue
    const entry = await options.runs.get(runKeys.record(batch.billingRunId))
    if (entry !== null) await orderReleases(options, billingRunRecordSchema.parse(entry.json()), [published])
    return published
  }
}

/** Orders the release of what is earned by the cutoff, behind the batches of the run. */
async function orderReleases(
  { js }: BillingSinkOptions,
  { billing_run_id, cutoff, entity_id }: BillingRunRecord,
  batches: readonly PublishedBatch[],
): Promise<void> {
  const order: ReleaseOrder = {
    release_id: stableId('ro', billing_run_id),
    until: null,
    cutoff,
    entity_id,
    billing_run_id,
    after_billing: Math.max(0, ...batches.map(one => one.stream_sequence)),
  }
  await js.publish(natsSubjects.release, JSON.stringify(order))
}

function refusedLine({ sequence, index, content, detail }: UnreadableLine, token: string): RefusedRecord {
  const bytes = Buffer.from(content).toString('base64')
  const name = `sealed:${sequence}:${index}`
  const table = 'billing_batches'
  return {
    name,
    sequence,
    table,
    code: 'sealed_line_unreadable',
    detail,
    content,
    bytes,
    token: `${token}:${name}`,
  }
}

async function saveProgress({ runs }: BillingSinkOptions, progress: BillingRunProgress): Promise<void> {
  await runs.put(runKeys.progress(progress.billing_run_id), JSON.stringify(progress))
}
