// The rows of `subscription_versions`: one version is one applied change, in force from its `effective_from` until a
// higher sequence takes over. A row is written again, with a higher revision, when its content has changed.

import { mrrTimeline } from '../../../rating/mrr/mrr.js'
import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { planIn } from '../../../rating/timeline/plan-currency.js'
import { type SubscriptionPrices, unitPrices } from '../../../rating/timeline/price-lines.js'
import { type Version, versionAt } from '../../../rating/timeline/timeline.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { formatScaled } from '../../../schemas/money/decimal.js'
import type { SubscriptionVersionRow } from '../../../schemas/tables.js'
import { earlier, endlessNs, later } from '../../../schemas/time.js'
import type { SubscriptionRecord } from '../state/records.js'
import { noticesOf } from './notices.js'

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
  catalog: CatalogIndex,
): VersionRow[] {
  if (prices === undefined) return []
  const steps = mrrTimeline(prices)
  return changes.map((change, index) => {
    // A higher sequence that is effective no later supersedes the version from its first instant on.
    const laterFrom = changes.slice(index + 1).map(one => one.effectiveFromNs)
    const version = versionAt(prices.timeline, change.effectiveFromNs) ?? versionBefore(prices, change)
    const inForce = change.kind === 'cancelled' ? undefined : version
    const untilNs = inForce?.terms.effectiveUntilNs ?? endlessNs
    const endNs = laterFrom.reduce((end, from) => earlier(end, later(from, change.effectiveFromNs)), untilNs)
    const currency = currencyOf(change, version ?? prices.timeline.versions[0], prices, catalog)
    // A subscription that went from one currency to another has steps of both.
    const mrr = steps.findLast(step => step.currency === currency && step.atNs <= change.effectiveFromNs)?.mrr
    const notices = noticesOf(change, prices, catalog)
    const correlationId = change.correlationId || correlationIdOfCreated(changes, change)
    return { ...rowOf(change, version, endNs, catalog), mrr: mrr ?? 0n, currency, correlationId, notices }
  })
}

/** The rows of `after` whose content differs from their row in `before`. */
export function changedRows(before: readonly VersionRow[], after: readonly VersionRow[]): VersionRow[] {
  const known = new Map(before.map(row => [row.sequence, contentOf(row)]))
  return after.filter(row => known.get(row.sequence) !== contentOf(row))
}

function contentOf(row: VersionRow): string {
  return JSON.stringify(
    { ...row, quantities: [...row.quantities], notices: [...row.notices] },
    (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
  )
}

function versionBefore(prices: SubscriptionPrices, change: SubscriptionChange): Version | undefined {
  return prices.timeline.versions.findLast(version => version.fromNs <= change.effectiveFromNs)
}

/** The correlation id of a version's `created`: the newest up to the version's sequence, else the first. */
function correlationIdOfCreated(
  changes: readonly SubscriptionChange[],
  { sequence }: SubscriptionChange,
): string {
  const created = changes.filter(one => one.kind === 'created')
  return (created.findLast(one => one.sequence <= sequence) ?? created[0])?.correlationId ?? ''
}

/** The currency of the plan in force; if no plan ever is, of the plan that the change names. */
function currencyOf(
  change: SubscriptionChange,
  version: Version | undefined,
  { timeline }: SubscriptionPrices,
  catalog: CatalogIndex,
): string {
  const plan = version?.terms.plan ?? change.plan ?? ''
  const planVersion = version?.terms.planVersion ?? change.planVersion ?? 0
  const published = catalog.plan(plan, planVersion)
  return published === undefined ? '' : planIn(published, timeline.currency).currency
}

/** The stated quantities, and the defaults of the prices in force without one. */
function quantitiesOf(version: Version | undefined, catalog: CatalogIndex): Map<string, string> {
  if (version === undefined) return new Map()
  const quantities = new Map(version.terms.quantities)
  for (const { price, defaultQuantity } of unitPrices(version.terms, catalog)) {
    if (defaultQuantity !== undefined && !quantities.has(price)) quantities.set(price, defaultQuantity)
  }
  return new Map([...quantities].map(([price, quantity]) => [price, formatScaled(quantity)]))
}

function rowOf(
  change: SubscriptionChange,
  version: Version | undefined,
  endNs: bigint,
  catalog: CatalogIndex,
): Omit<VersionRow, 'mrr' | 'currency' | 'correlationId' | 'notices'> {
  const terms = version?.terms
  return {
    subscriptionId: change.subscriptionId,
    customerId: change.customerId,
    sequence: change.sequence,
    change: change.kind,
    status: change.kind === 'cancelled' ? 'cancelled' : (terms?.status ?? 'active'),
    plan: terms?.plan ?? change.plan ?? '',
    planVersion: terms?.planVersion ?? change.planVersion ?? 0,
    effectiveFromNs: change.effectiveFromNs,
    effectiveUntilNs: endNs === endlessNs ? undefined : endNs,
    quantities: quantitiesOf(version, catalog),
    entityId: terms?.entityId ?? '',
    contractId: terms?.contractId ?? '',
    poNumber: change.poNumber ?? '',
    metadata: change.metadata ?? '',
    eventSource: change.eventSource,
    eventId: change.eventId,
  }
}
