// Appends billing batches to their subject of BILLING.
// Invariant: a batch is there once. One that is missing is appended behind the last one of its subject under a fence; when the
// fence has moved, another process appends, and what is there is read again.

import type { JetStreamClient } from '@nats-io/jetstream'
import { type BillingBatch, batchToWire } from '../../schemas/billing/billing-batch.js'
import type { PublishedBatch } from '../../schemas/billing/billing-run.js'
import { entityToken } from '../../schemas/identifiers.js'
import { publishBatch } from '../broker/atomic-batch.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { readStretch } from '../broker/read-stream.js'
import { SealedLinesError } from './batches.js'

export interface PublishOptions {
  readonly bulk: BulkTransport
  readonly js: JetStreamClient
  readonly timeoutMs: number
}

/** The batches of one run that are on their subjects. */
export class BatchesOfRun {
  readonly #options: PublishOptions
  readonly #runId: string
  readonly #sequences = new Map<string, number>()
  /** By subject. */
  readonly #last = new Map<string, number>()

  private constructor(options: PublishOptions, runId: string) {
    this.#options = options
    this.#runId = runId
  }

  static async read(options: PublishOptions, runId: string, signal: AbortSignal): Promise<BatchesOfRun> {
    const there = new BatchesOfRun(options, runId)
    const stretch = {
      stream: 'BILLING',
      filterSubject: `billing.*.${runId}`,
      from: 1,
      headersOnly: true,
    } as const
    for await (const { headers, seq, subject } of readStretch(options.js, stretch, signal)) {
      there.#sequences.set(headers?.get('weir-batch') ?? '', seq)
      there.#last.set(subject, seq)
    }
    return there
  }

  /** Throws when a batch is there that the ledger does not yield. */
  assertAmong(batchIds: ReadonlySet<string>): void {
    for (const batchId of this.#sequences.keys())
      if (!batchIds.has(batchId))
        throw new SealedLinesError(
          `BILLING holds batch ${batchId} of ${this.#runId}, which the ledger does not yield`,
        )
  }

  has({ batchId }: BillingBatch): boolean {
    return this.#sequences.has(batchId)
  }

  /** Appends it unless it is there; undefined when another process appended meanwhile. */
  async append(batch: BillingBatch): Promise<PublishedBatch | undefined> {
    const there = this.#sequences.get(batch.batchId)
    if (there !== undefined) return publishedBatch(batch, there)
    const { bulk, timeoutMs } = this.#options
    const natsSubject = `billing.${entityToken(batch.entityId)}.${this.#runId}`
    const bytes = new TextEncoder().encode(JSON.stringify(batchToWire(batch)))
    const message = { natsSubject, bytes, headers: { 'weir-batch': batch.batchId } }
    const fence = { lastSubjectSequence: this.#last.get(natsSubject) ?? 0 }
    const outcome = await publishBatch(bulk, [message], fence, timeoutMs)
    if (outcome.kind === 'fenced') return undefined
    if (outcome.kind !== 'stored') throw new Error(`${outcome.kind}: ${outcome.detail}`)
    this.#sequences.set(batch.batchId, outcome.seq)
    this.#last.set(natsSubject, outcome.seq)
    return publishedBatch(batch, outcome.seq)
  }
}

export function publishedBatch(
  batch: BillingBatch,
  sequence: number,
  held?: PublishedBatch['held'],
): PublishedBatch {
  const { batch_id, entity_id, currency, number, of, control } = batchToWire({ ...batch, lines: [] })
  const { line_count, amount_total, amount_rounded_total, sha256 } = control
  return {
    ...{ batch_id, entity_id, currency, number, of },
    ...{ line_count, amount_total, amount_rounded_total, sha256 },
    stream_sequence: sequence,
    ...(held === undefined ? {} : { held }),
  }
}
