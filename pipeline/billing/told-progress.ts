// What the billing sink has told of a run, as whoever asks for its batches needs it.
// Invariant: a run that is read page by page, or acknowledged batch by batch, is parsed once: the run that was asked for last
// stays as long as the bucket has the same revision of it.

import type { KV } from '@nats-io/kv'
import {
  type BillingRunProgress,
  billingRunProgressSchema,
  type PublishedBatch,
  runKeys,
} from '../../schemas/billing/billing-run.js'

export interface ToldProgress {
  readonly progress: BillingRunProgress
  /** Its batches that are not held, in the order in which they were published. */
  readonly published: readonly PublishedBatch[]
  /** The place of each of these by its id. */
  readonly places: ReadonlyMap<string, number>
}

export class ProgressReader {
  readonly #runs: KV
  #last: { readonly runId: string; readonly revision: number; readonly told: ToldProgress } | undefined

  constructor(runs: KV) {
    this.#runs = runs
  }

  /** Undefined: nothing is known of the run yet. */
  async of(runId: string): Promise<ToldProgress | undefined> {
    if (!/^br_[0-9a-f]+$/.test(runId)) return undefined
    const entry = await this.#runs.get(runKeys.progress(runId))
    if (entry === null) return undefined
    const { revision } = entry
    if (this.#last?.runId === runId && this.#last.revision === revision) return this.#last.told
    const progress = billingRunProgressSchema.parse(entry.json())
    const published = (progress.batches ?? []).filter(batch => batch.held === undefined)
    const places = new Map(published.map((batch, at) => [batch.batch_id, at]))
    const told = { progress, published, places }
    this.#last = { runId, revision, told }
    return told
  }
}
