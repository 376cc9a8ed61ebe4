// The billing runs as the bucket `weir_runs` keeps them: each record with what the billing sink told of it.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV, KvEntry } from '@nats-io/kv'
import {
  billingRunProgressSchema,
  billingRunRecordSchema,
  runKeys,
  runsBucket,
} from '../../schemas/billing/billing-run.js'
import type { KeptRun } from '../../schemas/billing/not-billed.js'
import { bucketKeys } from './bucket-keys.js'

/** All runs, previews too, in the order of their requests. */
export async function keptRuns(jsm: JetStreamManager, runs: KV): Promise<readonly KeptRun[]> {
  const found: (KeptRun & { readonly revision: number })[] = []
  for (const key of await bucketKeys(jsm, runsBucket, 'run.*')) {
    const entry = await runs.get(key)
    if (entry === null) continue
    const record = billingRunRecordSchema.parse(entry.json())
    const told = await runs.get(runKeys.progress(record.billing_run_id))
    found.push({ record, progress: progressOf(told), revision: entry.revision })
  }
  return found.sort(byRequest)
}

function progressOf(entry: KvEntry | null): KeptRun['progress'] {
  return entry === null ? undefined : billingRunProgressSchema.parse(entry.json())
}

function byRequest(
  a: { readonly record: KeptRun['record']; readonly revision: number },
  b: { readonly record: KeptRun['record']; readonly revision: number },
): number {
  return a.record.requested_at < b.record.requested_at
    ? -1
    : a.record.requested_at > b.record.requested_at
      ? 1
      : a.revision - b.revision
}
