// What runs left out because people held it back, and no later run has billed. Pure.
// Invariant: what a run left out is billed by the first run after it that reaches as far, takes in its entity and customer, and
// does not leave it out again; so it is counted once, as the last run tells it.

import type { BillingRunProgress, BillingRunRecord } from './billing-run.js'
import type { HeldBack } from './held-back.js'

export interface KeptRun {
  readonly record: BillingRunRecord
  /** Undefined: nothing is known of it yet. */
  readonly progress: BillingRunProgress | undefined
}

export interface NotBilled extends HeldBack {
  /** The last run that left it out. */
  readonly billing_run_id: string
  readonly cutoff: string
}

/** In the order of the runs' requests. */
export function notBilled(runs: readonly KeptRun[]): readonly NotBilled[] {
  const open = new Map<string, NotBilled>()
  for (const { record, progress } of runs) {
    if (record.preview || progress?.batches === undefined) continue
    const { billing_run_id, cutoff } = record
    for (const [key, one] of open) if (takesIn(record, one)) open.delete(key)
    for (const held of progress.held_back ?? []) open.set(keyOf(held), { ...held, billing_run_id, cutoff })
  }
  return [...open.values()]
}

function takesIn(record: BillingRunRecord, { customer_id, entity_id, cutoff }: NotBilled): boolean {
  return (
    Date.parse(record.cutoff) >= Date.parse(cutoff) &&
    (record.entity_id === null || record.entity_id === entity_id) &&
    (record.customer_id === null || record.customer_id === customer_id)
  )
}

function keyOf({ customer_id, subscription_id, entity_id, currency }: HeldBack): string {
  return JSON.stringify([customer_id, subscription_id, entity_id, currency])
}
