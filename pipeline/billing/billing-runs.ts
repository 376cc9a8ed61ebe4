// Orders billing runs, and reports their progress.
// Invariants:
// 1. The same request always means the same run: the run's id is computed from the request.
// 2. A run includes everything that the broker had acknowledged when the run was requested, and waits until what UNPLACED held
//    is in its partitions. The exception is a message that lies unread in another partition than its customer's
//    (pipeline/engine/misplaced.ts): the next run adjusts for it.
// 3. After a crash between the record and the order, the next request, or `resume` at start, publishes the
//    order; partitions ignore an order that they have seen.
// 4. While the flow gate holds it no run is taken, and batches that are sealed are not handed out: a page ends before the
//    first that is held.
// 5. A run of an entity without customers does nothing, and is reported as `unknown_entity` once every
//    partition has answered. A later request for that entity is a new run.

import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import {
  type BillingRunOrder,
  type BillingRunProgress,
  type BillingRunRecord,
  billingRunRecordSchema,
  runKeys,
} from '../../schemas/billing/billing-run.js'
import type { KeptRun } from '../../schemas/billing/not-billed.js'
import { stableId } from '../../schemas/identifiers.js'
import { formatInstant, formatInstantMs, instantKey, nsOf } from '../../schemas/time.js'
import { keptRuns } from '../broker/kept-runs.js'
import { natsSubjects } from '../broker/topology.js'
import type { FlowGate, Hold } from '../deliver/flow-gate.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import { anybodyAllowed, type Caller } from '../gateway/scopes.js'
import { Acknowledgements, isOnStream } from './acknowledgements.js'
import type { BillingHolds } from './holds.js'
import type {
  BillingAnswer,
  BillingApi,
  BillingBatchPage,
  BillingBatchView,
  BillingRunRequest,
  BillingRunView,
} from './routes.js'
import { heldBatches, viewOf } from './run-view.js'
import { ProgressReader } from './told-progress.js'

export interface BillingRunsOptions {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** The bucket `weir_runs`. */
  readonly runs: KV
  readonly partitions: number
  readonly nowMs: () => number
  readonly gate: Pick<FlowGate, 'billingRun' | 'batches'>
  readonly holds: Pick<BillingHolds, 'list'>
  readonly audit: AuditTrail
  /** Stopped partitions, each with the reason. */
  readonly stoppedPartitions: () => ReadonlyMap<number, string>
  /** How long a request of one entity, or of a preview, waits for the partitions. */
  readonly answerWithinMs?: number
}

const batchesPerPage = 20
const defaultAnswerWithinMs = 10_000
const pollMs = 20

export class BillingRuns implements BillingApi {
  readonly #options: BillingRunsOptions
  readonly #acknowledgements: Acknowledgements
  readonly #told: ProgressReader

  constructor(options: BillingRunsOptions) {
    this.#options = options
    this.#told = new ProgressReader(options.runs)
    this.#acknowledgements = new Acknowledgements(options)
  }

  async create(
    request: BillingRunRequest,
    caller: Caller = anybodyAllowed,
  ): Promise<BillingAnswer<{ readonly run: BillingRunView; readonly created: boolean }>> {
    const nowMs = this.#options.nowMs()
    if (request.cutoffNs > nsOf(nowMs)) {
      const cutoff = formatInstant(request.cutoffNs)
      const detail = `The cutoff ${cutoff} lies in the future; events up to it may still come. It is now ${formatInstantMs(nowMs)}.`
      return { kind: 'refused', code: 'cutoff_in_future', detail, pointer: '/cutoff' }
    }
    for (let attempt = 0; ; attempt += 1) {
      const runId = runIdOf(request, attempt, nowMs) // invariant 1
      const before = await this.#record(runId)
      const isNew = before === undefined && request.preview !== true
      const hold = isNew ? this.#options.gate.billingRun(request.entityId) : undefined
      if (hold !== undefined) return frozen(hold) // invariant 4
      const unplaced = before === undefined ? await this.#untilPlaced() : undefined
      if (unplaced !== undefined) return unplaced
      const record = before ?? (await this.#createRecord(runId, request, caller, nowMs))
      const detail = differenceOf(record, request)
      if (detail !== undefined) return { kind: 'refused', code: 'idempotency_key_reused', detail }
      if (!record.ordered) await this.#publishOrder(record)
      const isAwaited = record.entity_id !== null || record.customer_id !== null || record.preview
      const progress = isAwaited ? await this.#untilSealed(runId) : undefined
      if (progress?.entity_known !== false) {
        return { kind: 'ok', value: { run: await this.#view(record), created: before === undefined } }
      }
      if (before === undefined) return noEntity(record) // invariant 5
    }
  }

  /** Waits until what UNPLACED holds now is in its partitions; the refusal when that takes too long (invariant 2). */
  async #untilPlaced(): Promise<BillingAnswer<never> | undefined> {
    const unplaced = async () => (await this.#options.jsm.streams.info('UNPLACED')).state
    const { messages, last_seq: last } = await unplaced()
    if (messages === 0) return undefined
    const deadline = performance.now() + (this.#options.answerWithinMs ?? defaultAnswerWithinMs)
    for (;;) {
      const { messages, first_seq: first } = await unplaced()
      if (messages === 0 || first > last) return undefined
      if (performance.now() > deadline) return notPlaced(messages)
      await sleep(pollMs)
    }
  }

  async #untilSealed(runId: string): Promise<BillingRunProgress | undefined> {
    const deadline = performance.now() + (this.#options.answerWithinMs ?? defaultAnswerWithinMs)
    for (;;) {
      const progress = (await this.#told.of(runId))?.progress
      if (progress?.batches !== undefined || performance.now() > deadline) return progress
      await sleep(pollMs)
    }
  }

  /** Publishes orders that a crash left unpublished (invariant 3). */
  async resume(): Promise<void> {
    for (const { record } of await this.#kept()) if (!record.ordered) await this.#publishOrder(record)
  }

  async get(runId: string): Promise<BillingAnswer<BillingRunView>> {
    const record = await this.#record(runId)
    return record === undefined ? noRun(runId) : { kind: 'ok', value: await this.#view(record) }
  }

  async list(): Promise<readonly BillingRunView[]> {
    const runs = await this.#kept()
    return Promise.all(runs.map(({ record, progress }) => this.#view(record, progress)))
  }

  async batches(
    runId: string,
    after?: string,
    limit = batchesPerPage,
  ): Promise<BillingAnswer<BillingBatchPage>> {
    const record = await this.#record(runId)
    if (record === undefined) return noRun(runId)
    const told = await this.#told.of(runId)
    const published = told?.published ?? []
    const at = after === undefined ? -1 : told?.places.get(after)
    if (at === undefined) {
      return { kind: 'refused', code: 'not_found', detail: `The run ${runId} has no batch ${after}.` }
    }
    const page = published.slice(at + 1, at + 1 + limit)
    const acknowledged = await this.#acknowledgements.of(runId, page)
    const batches: BillingBatchView[] = []
    let held: BillingBatchPage['held'] = null
    for (const { batch_id, entity_id, stream_sequence } of page) {
      const hold = record.preview ? undefined : this.#options.gate.batches(entity_id)
      if (hold !== undefined) {
        held = heldView(hold) // invariant 4
        break
      }
      const batch = record.preview
        ? await this.#previewed(runId, batch_id)
        : await this.#batch(stream_sequence)
      if (batch === undefined) return record.preview ? previewExpired(record) : batchPurged(runId, batch_id)
      batches.push({ ...batch, acknowledgement: acknowledged.get(batch_id) ?? null })
    }
    const more = at + 1 + page.length < published.length
    const nextAfter = more && held === null ? (page.at(-1)?.batch_id ?? null) : null
    return {
      kind: 'ok',
      value: {
        batches,
        next_after: nextAfter,
        held,
        held_batches: heldBatches(told?.progress.batches ?? []),
      },
    }
  }

  async ack(
    runId: string,
    batchId: string,
    caller: Caller = anybodyAllowed,
  ): Promise<BillingAnswer<Readonly<Record<string, unknown>>>> {
    if ((await this.#record(runId))?.preview === true) {
      const detail = `The run ${runId} is a preview: there is nothing to acknowledge.`
      return { kind: 'refused', code: 'preview', detail }
    }
    const isThere =
      (await this.#told.of(runId))?.places.has(batchId) === true ||
      (await isOnStream(this.#options.js, runId, batchId))
    if (!isThere) {
      return { kind: 'refused', code: 'not_found', detail: `The run ${runId} has no batch ${batchId}.` }
    }
    const kept = await this.#acknowledgements.keep(runId, batchId, caller)
    return { kind: 'ok', value: { batch_id: batchId, ...kept } }
  }

  async #createRecord(
    runId: string,
    request: BillingRunRequest,
    caller: Caller,
    nowMs: number,
  ): Promise<BillingRunRecord> {
    const { jsm, partitions } = this.#options
    const partitionList = Array.from({ length: partitions }, (_, partition) => partition)
    const lastOf = (stream: string, subject: (partition: number) => string): Promise<number[]> =>
      Promise.all(partitionList.map(partition => this.#lastSequence(stream, subject(partition))))
    const record: BillingRunRecord = {
      billing_run_id: runId,
      cutoff: formatInstant(request.cutoffNs),
      entity_id: request.entityId ?? null,
      customer_id: request.customerId ?? null,
      held: await this.#heldNow(request),
      preview: request.preview ?? false,
      requested_at: formatInstantMs(nowMs),
      after: {
        METERING: await lastOf('METERING', natsSubjects.metering), // invariant 2
        LIFECYCLE: await lastOf('LIFECYCLE', natsSubjects.lifecycle),
      },
      partitions,
      ledger_after: (await jsm.streams.info('LEDGER')).state.last_seq,
      ordered: false,
      requested_by: caller.keyId === undefined ? null : { key_id: caller.keyId, name: caller.keyName ?? '' },
    }
    const { cutoff, entity_id, customer_id, preview } = record
    const object = { kind: 'billing_run', id: runId }
    const act = 'billing_run.created'
    await this.#options.audit.record({
      caller,
      act,
      object,
      after: { cutoff, entity_id, customer_id, preview },
    })
    await this.#createKey(runKeys.record(runId), JSON.stringify(record))
    // Another process may have written the record first; the record in the bucket counts.
    const kept = await this.#record(runId)
    if (kept === undefined) throw new Error(`the record of billing run ${runId} vanished`)
    return kept
  }

  async #heldNow({ customerId }: BillingRunRequest): Promise<BillingRunRecord['held']> {
    const holds = await this.#options.holds.list()
    return holds
      .filter(one => customerId === undefined || one.customer_id === customerId)
      .map(({ customer_id, subscription_id }) => ({ customer_id, subscription_id }))
  }

  async #publishOrder(record: BillingRunRecord): Promise<void> {
    const { partitions: _, ledger_after: __, ordered: ___, requested_by: ____, ...order } = record
    await this.#options.js.publish(natsSubjects.billingRun, JSON.stringify(order satisfies BillingRunOrder))
    await this.#options.runs.put(
      runKeys.record(record.billing_run_id),
      JSON.stringify({ ...record, ordered: true }),
    )
  }

  async #lastSequence(stream: string, natsSubject: string): Promise<number> {
    const message = await this.#options.jsm.streams.getMessage(stream, { last_by_subj: natsSubject })
    return message?.seq ?? 0
  }

  async #batch(sequence: number): Promise<BillingBatchView | undefined> {
    const message = await this.#options.jsm.streams.getMessage('BILLING', { seq: sequence })
    return message?.json<BillingBatchView>()
  }

  async #previewed(runId: string, batchId: string): Promise<BillingBatchView | undefined> {
    const entry = await this.#options.runs.get(runKeys.preview(runId, batchId))
    // When a key expires, the bucket holds an entry without a value for a while.
    return entry?.operation === 'PUT' ? entry.json<BillingBatchView>() : undefined
  }

  #kept(): Promise<readonly KeptRun[]> {
    return keptRuns(this.#options.jsm, this.#options.runs)
  }

  async #view(record: BillingRunRecord, known?: BillingRunProgress): Promise<BillingRunView> {
    const progress = known ?? (await this.#told.of(record.billing_run_id))?.progress
    const published = progress?.batches?.filter(batch => batch.held === undefined) ?? []
    const acknowledged = await this.#acknowledgements.countOf(record.billing_run_id, published)
    return viewOf(record, progress, acknowledged, this.#options.stoppedPartitions())
  }

  async #record(runId: string): Promise<BillingRunRecord | undefined> {
    if (!/^br_[0-9a-f]+$/.test(runId)) return undefined
    const entry = await this.#options.runs.get(runKeys.record(runId))
    return entry === null ? undefined : billingRunRecordSchema.parse(entry.json())
  }

  /** Writes a key that does not exist yet; leaves an existing one unchanged. */
  async #createKey(key: string, value: string): Promise<void> {
    try {
      await this.#options.runs.create(key, value)
    } catch (error) {
      if ((await this.#options.runs.get(key)) === null) throw error
    }
  }
}

/**
 * `attempt`: how often the request met an unknown entity before. Every request for a preview is a new run.
 */
function runIdOf(request: BillingRunRequest, attempt: number, nowMs: number): string {
  const again = attempt === 0 ? [] : ['again', attempt]
  if (request.idempotencyKey !== undefined) return stableId('br', 'key', request.idempotencyKey, ...again)
  const { cutoffNs, entityId, customerId, preview = false } = request
  const what = preview ? (['preview', nowMs] as const) : (['request'] as const)
  return stableId(
    'br',
    ...what,
    instantKey(cutoffNs),
    entityId ?? '',
    entityId === undefined ? 0 : 1,
    ...(customerId === undefined ? [] : ['customer', customerId]),
    ...again,
  )
}

/** How the record of an Idempotency-Key differs from the request with the same key. */
function differenceOf(record: BillingRunRecord, request: BillingRunRequest): string | undefined {
  const isSame =
    record.cutoff === formatInstant(request.cutoffNs) &&
    record.entity_id === (request.entityId ?? null) &&
    record.customer_id === (request.customerId ?? null) &&
    record.preview === (request.preview ?? false)
  if (isSame) return undefined
  const what = record.preview ? 'preview' : 'run'
  return `This Idempotency-Key belongs to the ${what} with cutoff ${record.cutoff} and entity ${record.entity_id ?? '(all)'}.`
}

function frozen({ detail }: Hold): BillingAnswer<never> {
  return { kind: 'refused', code: 'frozen', detail: `No billing run is taken: ${detail}.` }
}

function heldView({ code, detail, untilMs }: Hold): BillingBatchPage['held'] {
  return { code, detail, until: untilMs === undefined ? null : formatInstantMs(untilMs) }
}

function notPlaced(messages: number): BillingAnswer<never> {
  const detail = `${messages} messages of UNPLACED wait for their partition, and a run would leave them out; /readyz says why they wait. Nothing is billed; ask again.`
  return { kind: 'refused', code: 'usage_not_placed', detail }
}

function noEntity({ entity_id }: BillingRunRecord): BillingAnswer<never> {
  const detail = `No subscription and no customer has or had the entity ${entity_id}. Nothing is billed.`
  return { kind: 'refused', code: 'unknown_entity', detail }
}

function previewExpired({ billing_run_id, requested_at }: BillingRunRecord): BillingAnswer<never> {
  const detail = `The batches of the preview ${billing_run_id}, asked for at ${requested_at}, were kept for a day and are gone. Ask for another preview.`
  return { kind: 'refused', code: 'preview_expired', detail }
}

function batchPurged(runId: string, batchId: string): BillingAnswer<never> {
  const detail = `BILLING no longer holds the batch ${batchId} of the run ${runId}.`
  return { kind: 'refused', code: 'batch_purged', detail }
}

function noRun(runId: string): BillingAnswer<never> {
  return { kind: 'refused', code: 'not_found', detail: `There is no billing run ${runId}.` }
}
