// The billing sink: sealed charges in, billing batches out.
// Invariants:
// 1. A run becomes billing batches only when every partition has sealed it, and always the same batches: the
//    lines are sorted, the cut is fixed, the ids are computed from the run.
// 2. A batch is in `BILLING` once. A batch that is not on its subject is appended after the last one there under a fence; a
//    second process reads which batches are there and appends the others. What a rule holds waits (held-batches.ts).
// 3. The batches of a preview are made in the same way, kept in `weir_runs` for a day, and never published.
// 4. No lines are kept in memory: they are read from the ledger again whenever a partition's `end` line
//    arrives.
// 5. A line that cannot be read is set aside alone when its run is published; the others become batches.

import { Buffer } from 'node:buffer'
import type { JetStreamClient } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { type BillingBatch, batchToWire } from '../../schemas/billing/billing-batch.js'
import {
  type BillingRunProgress,
  type BillingRunRecord,
  billingRunRecordSchema,
  type PublishedBatch,
  runKeys,
  type SealedEnd,
} from '../../schemas/billing/billing-run.js'
import type { ReleaseOrder } from '../../schemas/billing/release-order.js'
import { entityToken, stableId } from '../../schemas/identifiers.js'
import type { FeedRange, RefusedRecord, Sink, SinkOutcome } from '../../sinks/sink.js'
import { publishBatch } from '../broker/atomic-batch.js'
import { brokerUnavailable } from '../broker/broker-outcome.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { readStretch } from '../broker/read-stream.js'
import { natsSubjects } from '../broker/topology.js'
import { batchesOf, type SealedLine, SealedLinesError, sealedMessageLines } from './batches.js'
import { type HoldOptions, holdIfAsked, inOrder, releaseHeld } from './held-batches.js'

export interface BillingSinkOptions {
  readonly bulk: BulkTransport
  readonly js: JetStreamClient
  /** The bucket `weir_runs`. */
  readonly runs: KV
  readonly linesPerBatch: number
  readonly timeoutMs: number
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
        for (const runId of runsEndedIn(range)) {
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
    attend: attendance =>
      releaseHeld(options.hold, attendance, (natsSubject, batch) =>
        publishReleased(options, natsSubject, batch, attendance.aborting),
      ),
  }
}

function runsEndedIn(range: FeedRange): string[] {
  const runs = new Set<string>()
  for (const message of range.messages) {
    for (const line of sealedMessageLines(message.bytes))
      if (line.kind === 'end') runs.add(line.end.billing_run_id)
  }
  return [...runs]
}

interface PublishedRun {
  /** How many lines the batches hold. */
  readonly rows: number
  readonly refused: readonly RefusedRecord[]
}

/** Publishes the run's batches when it is complete up to the end of the range. */
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
  const sealed = await readSealed(options.js, record, range.to, signal)
  assertComplete(runId, sealed)
  const { lines, ends, unreadable } = sealed
  const progress: BillingRunProgress = {
    billing_run_id: runId,
    sealed_partitions: [...ends.keys()].sort((a, b) => a - b),
  }
  if (ends.size < record.partitions) {
    await saveProgress(options.runs, progress)
    return { rows: 0, refused: [] }
  }
  const known = [...ends.values()].some(end => end.entity_known)
  const published: PublishedBatch[] = []
  const heldOf = (batch: BillingBatch) => holdIfAsked(options.hold, record, batch, range.to)
  for (const [entityId, batches] of batchesOf(record, lines, options.linesPerBatch)) {
    const natsSubject = `billing.${entityToken(entityId)}.${runId}`
    published.push(
      ...(record.preview
        ? await keepPreview(options, batches)
        : await publishBatches(options, natsSubject, batches, one => heldOf(one), signal)),
    )
  }
  // Before the progress: what ends in the middle is done again, and an order may come twice.
  if (!record.preview) await orderReleases(options, record, published)
  await saveProgress(options.runs, { ...progress, entity_known: known, batches: inOrder(published) })
  return { rows: lines.length, refused: unreadable.map(one => refusedLine(one, range.token)) }
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

interface UnreadableLine {
  readonly partition: number
  readonly sequence: number
  /** Index among the lines of its message. */
  readonly index: number
  readonly content: string
  readonly detail: string
}

interface Sealed {
  readonly lines: readonly SealedLine[]
  readonly unreadable: readonly UnreadableLine[]
  readonly ends: ReadonlyMap<number, SealedEnd>
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

async function readSealed(
  js: JetStreamClient,
  record: BillingRunRecord,
  ledgerTo: number,
  signal: AbortSignal,
): Promise<Sealed> {
  const stretch = {
    stream: 'LEDGER',
    filterSubject: 'ledger.*.sealed',
    from: record.ledger_after + 1,
    to: ledgerTo,
  }
  const lines: SealedLine[] = []
  const unreadable: UnreadableLine[] = []
  const ends = new Map<number, SealedEnd>()
  /** Unreadable lines by partition; the `end` line that follows tells which run they belong to. */
  const pending = new Map<number, UnreadableLine[]>()
  for await (const message of readStretch(js, stretch, signal)) {
    const partition = Number(message.subject.split('.')[1])
    for (const [index, line] of sealedMessageLines(message.data).entries()) {
      if (line.kind === 'unreadable') {
        const { content, detail } = line
        const before = pending.get(partition) ?? []
        pending.set(partition, [...before, { partition, sequence: message.seq, index, content, detail }])
      } else if (line.kind === 'end') {
        const own = pending.get(partition) ?? []
        pending.delete(partition)
        if (line.end.billing_run_id !== record.billing_run_id) continue
        ends.set(partition, line.end)
        unreadable.push(...own)
      } else if (line.runId === record.billing_run_id) lines.push({ ...line, partition })
    }
  }
  return { lines, unreadable, ends }
}

/** Asserts that the lines read are as many as each partition says it sealed. */
function assertComplete(runId: string, { lines, unreadable, ends }: Sealed): void {
  for (const [partition, end] of ends) {
    const found = [...lines, ...unreadable].filter(line => line.partition === partition).length
    if (found !== end.line_count) {
      throw new SealedLinesError(
        `partition ${partition} sealed ${end.line_count} lines of billing run ${runId}, the ledger holds ${found}`,
      )
    }
  }
}

/**
 * Appends the batches that are missing and not held (invariant 2); returns the position of every batch.
 */
async function publishBatches(
  options: BillingSinkOptions,
  natsSubject: string,
  batches: readonly BillingBatch[],
  heldOf: (batch: BillingBatch) => Promise<PublishedBatch['held']>,
  signal: AbortSignal,
): Promise<PublishedBatch[]> {
  const ids = new Set(batches.map(batch => batch.batchId))
  for (;;) {
    const there = await readBatches(options.js, natsSubject, signal)
    const stray = there.find(one => !ids.has(one.batchId))
    if (stray !== undefined)
      throw new SealedLinesError(
        `${natsSubject} holds batch ${stray.batchId}, which the ledger does not yield`,
      )
    const sequences = new Map(there.map(one => [one.batchId, one.sequence]))
    const published = await appendMissing(options, natsSubject, batches, heldOf, sequences)
    if (published !== undefined) return published
  }
}

/** Undefined when another process appended meanwhile. */
async function appendMissing(
  options: BillingSinkOptions,
  natsSubject: string,
  batches: readonly BillingBatch[],
  heldOf: (batch: BillingBatch) => Promise<PublishedBatch['held']>,
  sequences: ReadonlyMap<string, number>,
): Promise<PublishedBatch[] | undefined> {
  const published: PublishedBatch[] = []
  let last = Math.max(0, ...sequences.values())
  for (const batch of batches) {
    const there = sequences.get(batch.batchId)
    const held = there === undefined ? await heldOf(batch) : undefined
    if (there !== undefined || held !== undefined) {
      published.push(publishedBatch(batch, there ?? 0, held))
      continue
    }
    const bytes = new TextEncoder().encode(JSON.stringify(batchToWire(batch)))
    const message = { natsSubject, bytes, headers: { 'weir-batch': batch.batchId } }
    const fence = { lastSubjectSequence: last }
    const outcome = await publishBatch(options.bulk, [message], fence, options.timeoutMs)
    if (outcome.kind === 'fenced') return undefined
    if (outcome.kind !== 'stored') throw new Error(`${outcome.kind}: ${outcome.detail}`)
    last = outcome.seq
    published.push(publishedBatch(batch, outcome.seq))
  }
  return published
}

/** Appends a batch that was released, unless it is there. */
async function publishReleased(
  options: BillingSinkOptions,
  natsSubject: string,
  batch: BillingBatch,
  signal: AbortSignal,
): Promise<PublishedBatch> {
  for (;;) {
    const there = await readBatches(options.js, natsSubject, signal)
    const sequences = new Map(there.map(one => [one.batchId, one.sequence]))
    const [published] =
      (await appendMissing(options, natsSubject, [batch], async () => undefined, sequences)) ?? []
    if (published === undefined) continue
    const entry = await options.runs.get(runKeys.record(batch.billingRunId))
    if (entry !== null) await orderReleases(options, billingRunRecordSchema.parse(entry.json()), [published])
    return published
  }
}

async function keepPreview(
  options: BillingSinkOptions,
  batches: readonly BillingBatch[],
): Promise<PublishedBatch[]> {
  for (const batch of batches) {
    const key = runKeys.preview(batch.billingRunId, batch.batchId)
    if ((await options.runs.get(key)) !== null) continue
    await options.runs.create(key, JSON.stringify(batchToWire(batch)), previewTtl)
  }
  return batches.map(batch => publishedBatch(batch, 0))
}

async function readBatches(
  js: JetStreamClient,
  natsSubject: string,
  signal: AbortSignal,
): Promise<{ readonly batchId: string; readonly sequence: number }[]> {
  const found: { batchId: string; sequence: number }[] = []
  for await (const message of readStretch(
    js,
    { stream: 'BILLING', filterSubject: natsSubject, from: 1 },
    signal,
  )) {
    found.push({ batchId: message.headers?.get('weir-batch') ?? '', sequence: message.seq })
  }
  return found
}

function publishedBatch(
  batch: BillingBatch,
  sequence: number,
  held?: PublishedBatch['held'],
): PublishedBatch {
  const { batch_id, entity_id, currency, number, of, control } = batchToWire(batch)
  const { line_count, amount_total, amount_rounded_total, sha256 } = control
  return {
    batch_id,
    entity_id,
    currency,
    number,
    of,
    line_count,
    amount_total,
    amount_rounded_total,
    sha256,
    stream_sequence: sequence,
    ...(held === undefined ? {} : { held }),
  }
}

async function saveProgress(runs: KV, progress: BillingRunProgress): Promise<void> {
  await runs.put(runKeys.progress(progress.billing_run_id), JSON.stringify(progress))
}
