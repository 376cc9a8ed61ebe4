// A billing run as the API shows it: status, what it waits for, and totals by entity and currency. Pure.

import type {
  BillingRunProgress,
  BillingRunRecord,
  PublishedBatch,
} from '../../schemas/billing/billing-run.js'
import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import type { BillingRunView, HeldBatchView } from './routes.js'

export function viewOf(
  record: BillingRunRecord,
  progress: BillingRunProgress | undefined,
  acknowledged: number,
  stopped: ReadonlyMap<number, string>,
): BillingRunView & Readonly<Record<string, unknown>> {
  const batches = progress?.batches
  const held = batches?.filter(batch => batch.held !== undefined).length ?? 0
  const sealed = progress?.sealed_partitions.length ?? 0
  const done = batches !== undefined && batches.length > 0 && acknowledged === batches.length
  return {
    billing_run_id: record.billing_run_id,
    cutoff: record.cutoff,
    entity_id: record.entity_id,
    customer_id: record.customer_id,
    preview: record.preview,
    requested_at: record.requested_at,
    status: statusOf(record, progress, done),
    partitions: { sealed, of: record.partitions },
    waiting_for: batches === undefined ? waitingFor(record, progress, stopped) : [],
    batches: { published: (batches?.length ?? 0) - held, acknowledged, held },
    totals: totalsOf(batches ?? []),
    held_back: progress?.held_back ?? [],
  }
}

/** Partitions that have not sealed yet; `stopped` gives the reason when one has stopped. */
function waitingFor(
  record: BillingRunRecord,
  progress: BillingRunProgress | undefined,
  stopped: ReadonlyMap<number, string>,
): { readonly partition: number; readonly stopped: string | null }[] {
  const sealed = new Set(progress?.sealed_partitions)
  return Array.from({ length: record.partitions }, (_, partition) => partition)
    .filter(partition => !sealed.has(partition))
    .map(partition => ({ partition, stopped: stopped.get(partition) ?? null }))
}

function statusOf(
  { preview }: BillingRunRecord,
  progress: BillingRunProgress | undefined,
  isDone: boolean,
): string {
  if (progress?.batches === undefined) return preview ? 'previewing' : 'sealing'
  if (progress.entity_known === false) return 'unknown_entity'
  if (preview) return 'previewed'
  if (progress.batches.some(batch => batch.held !== undefined)) return 'held'
  return isDone ? 'acknowledged' : 'published'
}

function totalsOf(batches: NonNullable<BillingRunProgress['batches']>): Readonly<Record<string, unknown>>[] {
  const totals = new Map<
    string,
    { entity: string; currency: string; lines: number; exact: Scaled; rounded: Scaled }
  >()
  for (const batch of batches) {
    const key = JSON.stringify([batch.entity_id, batch.currency])
    const total = totals.get(key) ?? {
      entity: batch.entity_id,
      currency: batch.currency,
      lines: 0,
      exact: 0n,
      rounded: 0n,
    }
    totals.set(key, total)
    total.lines += batch.line_count
    total.exact += scaled(batch.amount_total)
    total.rounded += scaled(batch.amount_rounded_total)
  }
  return [...totals.values()].map(total => ({
    entity_id: total.entity,
    currency: total.currency,
    line_count: total.lines,
    amount_total: formatScaled(total.exact),
    amount_rounded_total: formatScaled(total.rounded),
  }))
}

function scaled(text: string): Scaled {
  const result = parseDecimal(text)
  if (result.kind !== 'ok') throw new Error(`${text} is not a decimal`)
  return result.value
}

/** The batches that a rule holds for a second person, or that person has rejected. */
export function heldBatches(batches: readonly PublishedBatch[]): readonly HeldBatchView[] {
  return batches.flatMap(({ batch_id, entity_id, currency, line_count, amount_rounded_total, held }) =>
    held === undefined ? [] : [{ batch_id, entity_id, currency, line_count, amount_rounded_total, ...held }],
  )
}
