// Lists the open billing runs: those whose billing batches are not all published.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { billingRunProgressSchema, runsBucket } from '../../schemas/billing/billing-run.js'
import { bucketKeys } from '../broker/bucket-keys.js'

/** The ids of billing runs whose billing batches are not all published yet; a batch that is held for approval is not. */
export async function openBillingRuns(jsm: JetStreamManager, runs: KV): Promise<string[]> {
  const keys = await bucketKeys(jsm, runsBucket, 'run.*')
  const ids = keys.map(key => key.slice('run.'.length))
  const open = await Promise.all(ids.map(async id => ((await isBatched(runs, id)) ? undefined : id)))
  return open.filter(id => id !== undefined).sort()
}

async function isBatched(runs: KV, id: string): Promise<boolean> {
  const entry = await runs.get(`progress.${id}`)
  const progress = entry === null ? undefined : billingRunProgressSchema.safeParse(entry.json())
  const batches = progress?.success === true ? progress.data.batches : undefined
  return batches?.every(batch => batch.held === undefined) ?? false
}
