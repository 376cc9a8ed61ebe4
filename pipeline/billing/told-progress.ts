// What the billing sink has told of a run, as whoever asks for its batches needs it.
// Invariant: a run that is read page by page, or acknowledged batch by batch, is fetched and parsed once. What is told of a run
// whose batches are all published never changes again; of any other run it is fetched each time.

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

const runsKept = 4

export class ProgressReader {
  readonly #runs: KV
  /** The runs that were asked for last and are told in full. */
  readonly #whole = new Map<string, ToldProgress>()

  constructor(runs: KV) {
    this.#runs = runs
  }

  /** Undefined: nothing is known of the run yet. */
  async of(runId: string): Promise<ToldProgress | undefined> {
    if (!/^br_[0-9a-f]+$/.test(runId)) return undefined
    const known = this.#whole.get(runId)
    if (known !== undefined) return known
    const entry = await this.#runs.get(runKeys.progress(runId))
    if (entry === null) return undefined
    const progress = billingRunProgressSchema.parse(entry.json())
    const published = (progress.batches ?? []).filter(batch => batch.held === undefined)
    const places = new Map(published.map((batch, at) => [batch.batch_id, at]))
    const told = { progress, published, places }
    if (progress.batches !== undefined && published.length === progress.batches.length)
      this.#keep(runId, told)
    return told
  }

  #keep(runId: string, told: ToldProgress): void {
    this.#whole.set(runId, told)
    for (const oldest of this.#whole.keys()) {
      if (this.#whole.size <= runsKept) return
      this.#whole.delete(oldest)
    }
  }
}
