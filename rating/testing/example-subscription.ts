// Subscriptions and catalogs for tests, written as briefly as a test can read them. For tests alone.

import type { Price } from '../../schemas/catalog/catalog.js'
import { parseCatalogValue, parsePrice } from '../../schemas/catalog/catalog-parser.js'
import { commitmentsField, commitmentsOf } from '../../schemas/lifecycle/commitment.js'
import type { SubscriptionChange, SubscriptionChangeKind } from '../../schemas/lifecycle/lifecycle-event.js'
import { parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import { parseInstant } from '../../schemas/time.js'
import { CatalogIndex } from '../timeline/catalog-index.js'
import { resolvePrices, type SubscriptionPrices } from '../timeline/price-lines.js'
import { resolveTimeline, type Timeline } from '../timeline/timeline.js'

/** A date is midnight UTC, and a time without offset is UTC. */
export function at(text: string): bigint {
  const [date, time = '00:00:00Z'] = text.split('T')
  const instantNs = parseInstant(`${date}T${/Z|[+-]\d\d:\d\d$/.test(time) ? time : `${time}Z`}`)
  if (instantNs === undefined) throw new Error(`${text} is no instant`)
  return instantNs
}

export function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`${text} is ${parsed.kind}`)
  return parsed.value
}

interface ChangeFields {
  readonly plan?: string
  readonly planVersion?: number
  readonly quantities?: Readonly<Record<string, string>>
  readonly priceOverrides?: readonly Price[]
  readonly until?: string
  readonly entityId?: string
  readonly contractId?: string
  readonly anchor?: string
  readonly timezone?: string
  readonly trialUntil?: string
  readonly subscriptionId?: string
  /** As an event writes them. */
  readonly commitments?: readonly Readonly<Record<string, unknown>>[]
}

/** A change of `sub_1`; version 1 of a plan unless it says another. */
export function change(
  kind: SubscriptionChangeKind,
  sequence: number,
  from: string,
  fields: ChangeFields = {},
): SubscriptionChange {
  const { quantities, until, anchor, trialUntil, subscriptionId, commitments, ...same } = fields
  return {
    kind,
    subscriptionId: subscriptionId ?? 'sub_1',
    customerId: 'acme',
    sequence,
    effectiveFromNs: at(from),
    ...(same.plan === undefined ? {} : { planVersion: 1 }),
    ...same,
    ...(quantities === undefined ? {} : { quantities: quantitiesOf(quantities) }),
    ...(until === undefined ? {} : { effectiveUntilNs: at(until) }),
    ...(anchor === undefined ? {} : { billingAnchorNs: at(anchor) }),
    ...(trialUntil === undefined ? {} : { trialUntilNs: at(trialUntil) }),
    ...(commitments === undefined
      ? {}
      : { commitments: commitmentsOf(commitmentsField.parse(commitments))! }),
    eventSource: 'test',
    eventId: `e${sequence}`,
    correlationId: '',
    contentHash: `${sequence}`,
  }
}

function quantitiesOf(quantities: Readonly<Record<string, string>>): Map<string, Scaled> {
  return new Map(Object.entries(quantities).map(([price, quantity]) => [price, scaled(quantity)]))
}

export function timelineOf(...changes: readonly SubscriptionChange[]): Timeline {
  const timeline = resolveTimeline(changes)
  if (timeline === undefined) throw new Error('there is no created')
  return timeline
}

export function priceOf(value: Readonly<Record<string, unknown>>): Price {
  const parsed = parsePrice(value)
  if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed))
  return parsed.value
}

/** Plans as a catalog writes them; USD by month and by second, unless they say otherwise. Meters: `calls`, `bytes`. */
export function catalogOf(...plans: readonly Readonly<Record<string, unknown>>[]): CatalogIndex {
  const defaults = { version: 1, currency: 'USD', billing_period: 'month' }
  const parsed = parseCatalogValue({
    meters: [
      { meter: 'calls', event_type: 'call', aggregation: 'count' },
      { meter: 'bytes', event_type: 'call', aggregation: 'sum', value: 'bytes' },
    ],
    plans: plans.map(plan => ({ ...defaults, ...plan })),
  })
  if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed.problems))
  return new CatalogIndex(parsed.catalog)
}

export const seats = {
  price: 'seats',
  kind: 'recurring',
  amount: '20',
  per: 'unit',
  timing: 'in_advance',
} as const

export const base = {
  price: 'base',
  kind: 'recurring',
  amount: '99',
  per: 'subscription',
  timing: 'in_advance',
} as const

export const calls = {
  price: 'calls',
  kind: 'usage',
  meter: 'calls',
  model: 'per_unit',
  unit_amount: '0.01',
} as const

export function pricesOf(
  catalog: CatalogIndex,
  ...changes: readonly SubscriptionChange[]
): SubscriptionPrices {
  return resolvePrices(timelineOf(...changes), catalog)
}
