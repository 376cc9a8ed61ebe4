// Which billing runs are on their way: their charges are sealed, and their batches not all published.

import type { KV } from '@nats-io/kv'
import { billingRunProgressSchema } from '../../schemas/billing-run.js'

/** Billing runs whose batches are not all published yet: their charges are on the way. */
export async function openBillingRuns(runs: KV): Promise<string[]> {
  const ids: string[] = []
  for await (const key of await runs.keys('run.>')) ids.push(key.slice('run.'.length))
  const open = await Promise.all(ids.map(async id => ((await isBatched(runs, id)) ? undefined : id)))
  return open.filter(id => id !== undefined).sort()
}

async function isBatched(runs: KV, id: string): Promise<boolean> {
  const entry = await runs.get(`progress.${id}`)
  const progress = entry === null ? undefined : billingRunProgressSchema.safeParse(entry.json())
  return progress?.success === true && progress.data.batches !== undefined
}
