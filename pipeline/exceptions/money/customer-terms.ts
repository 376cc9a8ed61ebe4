// The subscriptions of customers with their prices, from the changes that took effect: which ones, ClickHouse tells; what
// each says, the stream LIFECYCLE holds. A message never changes, so what was read of it is kept.
// Invariant: a customer whose changes cannot be read in full has terms that are not known, rather than other ones.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { resolvePrices, type SubscriptionPrices } from '../../../rating/timeline/price-lines.js'
import { resolveTimeline } from '../../../rating/timeline/timeline.js'
import { parseLifecycleEvent, type SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { QueryParameters } from '../query-parameters.js'
import { askRows } from '../read-exceptions.js'
import { storedEvents } from '../stored-events.js'

/** `undefined`: they cannot be told. */
export type CustomerTerms = ReadonlyMap<string, readonly SubscriptionPrices[] | undefined>

interface AppliedRow {
  readonly customer_id: string
  readonly event_source: string
  readonly event_id: string
  readonly input_sequence: number
  readonly plan: string
  readonly plan_version: number
  readonly currency: string
}

/** Messages whose changes are kept in memory. */
const keptMessages = 5_000

export class TermsReader {
  readonly #clickhouse: ClickHouseClient
  readonly #jsm: JetStreamManager
  readonly #messages = new Map<number, readonly SubscriptionChange[] | undefined>()

  constructor(clickhouse: ClickHouseClient, jsm: JetStreamManager) {
    this.#clickhouse = clickhouse
    this.#jsm = jsm
  }

  async read(customers: readonly string[], catalog: CatalogIndex): Promise<CustomerTerms> {
    const terms = new Map<string, readonly SubscriptionPrices[] | undefined>(customers.map(id => [id, []]))
    if (customers.length === 0) return terms
    const applied = grouped(await this.#applied(customers), row => row.customer_id)
    for (const [customer, rows] of applied) {
      const changes = await this.#changes(rows, catalog)
      terms.set(
        customer,
        changes === undefined ? undefined : pricesOf(changes, rows.at(-1)?.currency ?? '', catalog),
      )
    }
    return terms
  }

  #applied(customers: readonly string[]): Promise<AppliedRow[]> {
    const parameters = new QueryParameters()
    const list = parameters.add('Array(String)', customers)
    const query = `SELECT o.customer_id AS customer_id, event_source, event_id, o.input_sequence AS input_sequence,
  v.plan AS plan, v.plan_version AS plan_version, v.currency AS currency
FROM event_outcomes AS o
LEFT JOIN (
  SELECT event_source, event_id, argMax(toString(s.plan), s.revision) AS plan, argMax(s.plan_version, s.revision) AS plan_version,
    argMax(toString(s.currency), s.revision) AS currency
  FROM subscription_versions AS s WHERE has(${list}, customer_id) GROUP BY event_source, event_id
) AS v USING (event_source, event_id)
WHERE disposition = 'applied' AND event_count > 0 AND has(${list}, customer_id) AND startsWith(event_type, 'weir.subscription.')`
    return askRows<AppliedRow>(this.#clickhouse, query, parameters)
  }

  async #changes(
    rows: readonly AppliedRow[],
    catalog: CatalogIndex,
  ): Promise<readonly SubscriptionChange[] | undefined> {
    const changes: SubscriptionChange[] = []
    for (const row of rows) {
      const stored = await this.#ofMessage(row.input_sequence)
      const change = stored?.find(one => one.eventSource === row.event_source && one.eventId === row.event_id)
      if (change === undefined) return undefined
      changes.push(withPlanVersion(change, row, catalog))
    }
    return changes
  }

  async #ofMessage(sequence: number): Promise<readonly SubscriptionChange[] | undefined> {
    if (this.#messages.has(sequence)) return this.#messages.get(sequence)
    const stored = await storedEvents(this.#jsm, 'LIFECYCLE', sequence)
    const changes = stored.kind === 'gone' ? undefined : stored.events.flatMap(changeOf)
    if (this.#messages.size >= keptMessages) this.#messages.clear()
    this.#messages.set(sequence, changes)
    return changes
  }
}

type Stored = Extract<Awaited<ReturnType<typeof storedEvents>>, { kind: 'ok' }>['events'][number]

function changeOf(stored: Stored): readonly SubscriptionChange[] {
  const parsed = stored.kind === 'event' ? parseLifecycleEvent(stored.event) : undefined
  return parsed?.kind === 'ok' && parsed.value.kind === 'subscription_change' ? [parsed.value.change] : []
}

/** The version that the plan had when the change took effect, where the change names none. */
function withPlanVersion(
  change: SubscriptionChange,
  row: AppliedRow,
  catalog: CatalogIndex,
): SubscriptionChange {
  const { plan, planVersion } = change
  if (plan === undefined || planVersion !== undefined) return change
  const version = row.plan === plan ? row.plan_version : catalog.newestVersion(plan)
  return version === undefined ? change : { ...change, planVersion: version }
}

function pricesOf(
  changes: readonly SubscriptionChange[],
  currency: string,
  catalog: CatalogIndex,
): readonly SubscriptionPrices[] | undefined {
  const prices: SubscriptionPrices[] = []
  for (const ofOne of grouped(changes, change => change.subscriptionId).values()) {
    const timeline = resolveTimeline(
      ofOne.toSorted((a, b) => a.sequence - b.sequence),
      currency,
    )
    if (timeline === undefined) continue
    if (timeline.versions.some(({ terms }) => catalog.plan(terms.plan, terms.planVersion) === undefined))
      return undefined
    prices.push(resolvePrices(timeline, catalog))
  }
  return prices
}

function grouped<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const value of values) {
    const group = groups.get(keyOf(value))
    if (group === undefined) groups.set(keyOf(value), [value])
    else group.push(value)
  }
  return groups
}
