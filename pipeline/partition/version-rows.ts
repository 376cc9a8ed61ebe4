// The rows of `subscription_versions`: one version is one applied change, in force from its `effective_from` until a
// higher sequence takes over. A row is written again, with a higher revision, when what it says has changed.

import { mrrTimeline } from '../../rating/mrr.js'
import type { SubscriptionPrices } from '../../rating/price-lines.js'
import { type Version, versionAt } from '../../rating/timeline.js'
import { formatScaled, type Scaled } from '../../schemas/decimal.js'
import type { SubscriptionChange } from '../../schemas/lifecycle-event.js'
import type { SubscriptionVersionRow } from '../../schemas/tables.js'
import type { SubscriptionRecord } from './state/records.js'

export type VersionRow = Omit<SubscriptionVersionRow, 'revision' | 'partition' | 'ledgerSequence'>

export function appliedChanges(record: SubscriptionRecord): readonly SubscriptionChange[] {
  return record.changes
    .filter(one => one.state.kind === 'applied')
    .map(one => one.change)
    .sort((a, b) => a.sequence - b.sequence)
}

/** All versions of one subscription, in ascending sequence. */
export function versionRows(
  changes: readonly SubscriptionChange[],
  prices: SubscriptionPrices | undefined,
): VersionRow[] {
  if (prices === undefined) return []
  const steps = mrrTimeline(prices)
  return changes.map((change, index) => {
    // A higher sequence that is effective no later supersedes the version from its first instant on.
    const later = changes.slice(index + 1).map(one => Math.max(one.effectiveFromMs, change.effectiveFromMs))
    const version = versionAt(prices.timeline, change.effectiveFromMs) ?? versionBefore(prices, change)
    const inForce = change.kind === 'cancelled' ? undefined : version
    const endMs = Math.min(...later, inForce?.terms.effectiveUntilMs ?? Number.POSITIVE_INFINITY)
    const mrr = steps.findLast(step => step.atMs <= change.effectiveFromMs)?.mrr ?? 0n
    return rowOf(change, version, endMs, mrr, currencyOf(prices))
  })
}

/** Those of `after` that say something else than their row in `before`. */
export function changedRows(before: readonly VersionRow[], after: readonly VersionRow[]): VersionRow[] {
  const known = new Map(before.map(row => [row.sequence, contentOf(row)]))
  return after.filter(row => known.get(row.sequence) !== contentOf(row))
}

function contentOf(row: VersionRow): string {
  return JSON.stringify({ ...row, quantities: [...row.quantities] }, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
}

function versionBefore(prices: SubscriptionPrices, change: SubscriptionChange): Version | undefined {
  return prices.timeline.versions.findLast(version => version.fromMs <= change.effectiveFromMs)
}

function currencyOf(prices: SubscriptionPrices): string {
  const usage = [...prices.usage.values()].flat()
  return prices.recurring[0]?.currency ?? usage[0]?.currency ?? ''
}

function rowOf(
  change: SubscriptionChange,
  version: Version | undefined,
  endMs: number,
  mrr: Scaled,
  currency: string,
): VersionRow {
  const terms = version?.terms
  const quantities = [...(terms?.quantities ?? [])].map(([price, quantity]) => [
    price,
    formatScaled(quantity),
  ])
  return {
    subscriptionId: change.subscriptionId,
    customerId: change.customerId,
    sequence: change.sequence,
    change: change.kind,
    status: change.kind === 'cancelled' ? 'cancelled' : (terms?.status ?? 'active'),
    plan: terms?.plan ?? change.plan ?? '',
    planVersion: terms?.planVersion ?? change.planVersion ?? 0,
    effectiveFromMs: change.effectiveFromMs,
    effectiveUntilMs: Number.isFinite(endMs) ? endMs : undefined,
    quantities: new Map(quantities as [string, string][]),
    mrr,
    currency,
    entityId: terms?.entityId ?? '',
    contractId: terms?.contractId ?? '',
    eventSource: change.eventSource,
    eventId: change.eventId,
    correlationId: change.correlationId,
  }
}
