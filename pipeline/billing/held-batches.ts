// Batches that a rule holds back: asked for before they are published, kept in `weir_runs` while they wait, published when a
// second person has released them.
// Invariants:
// 1. A batch that is on its subject of BILLING is never asked for again, and one that is not is asked for before every
//    attempt: so what was released goes out once, whatever ends in the middle (billing-sink.ts keeps it once).
// 2. A held batch is kept whole before the progress of its run names it, so that it can go out when the ledger has been
//    purged of its lines.
// 3. One process at a time looks after held batches: the one that owns the feed.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { type BillingBatch, batchFromWire, batchToWire } from '../../schemas/billing/billing-batch.js'
import {
  type BillingRunProgress,
  type BillingRunRecord,
  billingRunProgressSchema,
  type PublishedBatch,
  runKeys,
  runsBucket,
} from '../../schemas/billing/billing-run.js'
import type { Attendance } from '../../sinks/sink.js'
import { pauseFor } from '../broker/back-off.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import type { ApprovalAnswer, ApprovalGate } from '../gateway/approval-gate.js'
import type { BatchFacts } from './batch-facts.js'

export type HeldState = NonNullable<PublishedBatch['held']>

export interface HoldOptions {
  readonly jsm: JetStreamManager
  /** The bucket `weir_runs`. */
  readonly runs: KV
  readonly approvals: ApprovalGate
  readonly facts: BatchFacts
}

/** Undefined: it is free. Else it is kept, and must not be published. `ledgerTo`: where its last line lies. */
export async function holdIfAsked(
  { runs, approvals, facts }: HoldOptions,
  record: BillingRunRecord,
  batch: BillingBatch,
  ledgerTo: number,
): Promise<HeldState | undefined> {
  if (!approvals.concerns('billing_batch'))
    return stateOf(await approvals.answerOf('billing_batch', batch.batchId))
  const before = await approvals.answerOf('billing_batch', batch.batchId)
  const answer =
    before ??
    (await approvals.ask({
      kind: 'billing_batch',
      id: batch.batchId,
      facts: await facts.of(record, batch, ledgerTo),
      evidence: facts.evidenceOf(record, batch),
      requestedBy: requesterOf(record),
    }))
  const held = stateOf(answer)
  if (held === undefined) return undefined
  await runs.put(runKeys.held(batch.billingRunId, batch.batchId), JSON.stringify(batchToWire(batch))) // invariant 2
  return held
}

function requesterOf({ requested_by: by }: BillingRunRecord) {
  return by === null ? ('process' as const) : { keyId: by.key_id, keyName: by.name }
}

function stateOf(answer: ApprovalAnswer | undefined): HeldState | undefined {
  if (answer === undefined || answer.kind === 'free') return undefined
  return { approval_id: answer.approvalId, state: answer.kind === 'held' ? 'waiting' : 'rejected' }
}

/** How long a decision may go unnoticed when the watch misses it. */
const lookMs = 10_000

/** Publishes what is released, until told to stop. `publish` appends a batch unless it is there. */
export async function releaseHeld(
  options: HoldOptions,
  attendance: Attendance,
  publish: (batch: BillingBatch) => Promise<PublishedBatch>,
): Promise<void> {
  const { stopping } = attendance
  while (!stopping.aborted) {
    const decided = new AbortController()
    const forget = options.approvals.onDecision(({ kind }) => {
      if (kind === 'billing_batch') decided.abort()
    })
    try {
      if (!attendance.isPaused())
        for (const one of await heldRuns(options)) await releaseOf(options, one, publish)
      await pauseFor(lookMs, AbortSignal.any([stopping, decided.signal]))
    } finally {
      forget()
    }
  }
}

async function heldRuns({ jsm, runs }: HoldOptions): Promise<readonly BillingRunProgress[]> {
  const held: BillingRunProgress[] = []
  for (const key of await bucketKeys(jsm, runsBucket, 'progress.*')) {
    const progress = await readProgress(runs, key)
    if (progress?.batches?.some(batch => batch.held?.state === 'waiting')) held.push(progress)
  }
  return held
}

async function readProgress(runs: KV, key: string): Promise<BillingRunProgress | undefined> {
  const entry = await runs.get(key)
  return entry === null ? undefined : billingRunProgressSchema.parse(entry.json())
}

async function releaseOf(
  { runs, approvals }: HoldOptions,
  progress: BillingRunProgress,
  publish: (batch: BillingBatch) => Promise<PublishedBatch>,
): Promise<void> {
  const runId = progress.billing_run_id
  const after: PublishedBatch[] = []
  for (const one of progress.batches ?? []) {
    const answer =
      one.held === undefined ? undefined : await approvals.answerOf('billing_batch', one.batch_id)
    if (answer === undefined) after.push(one)
    else if (answer.kind === 'free') after.push(await publish(await keptBatch(runs, runId, one)))
    else after.push({ ...one, held: stateOf(answer) })
  }
  if (JSON.stringify(after) === JSON.stringify(progress.batches)) return
  const next: BillingRunProgress = { ...progress, batches: inOrder(after) }
  await runs.put(runKeys.progress(runId), JSON.stringify(next))
}

async function keptBatch(runs: KV, runId: string, { batch_id }: PublishedBatch): Promise<BillingBatch> {
  const entry = await runs.get(runKeys.held(runId, batch_id))
  const parsed = batchFromWire(entry?.json())
  if (parsed.kind === 'rejected') throw new Error(`the held batch ${batch_id}: ${parsed.rejection.detail}`)
  return parsed.value
}

/** As they were published, those that are held last: so a page goes on behind the last one that was seen. */
export function inOrder(batches: readonly PublishedBatch[]): PublishedBatch[] {
  const place = ({ held, stream_sequence }: PublishedBatch) =>
    held === undefined ? stream_sequence : Infinity
  return batches.toSorted((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)))
}
