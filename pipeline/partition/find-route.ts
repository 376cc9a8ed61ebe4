// Finds where plain usage of a customer goes at an instant, and for how long that stays so, by asking attach.ts once.
// Invariant: a route is given only where every event of the kind is rated by adding its values to running totals; for
// everything else there is none, and the general way decides.

import type { SubscriptionPrices } from '../../rating/price-lines.js'
import { isRatedByTotal, raterOf } from '../../rating/rate.js'
import { scaledOne } from '../../schemas/decimal.js'
import { type Assignment, attachEvent } from '../stages/attach.js'
import type { PlainMatch } from '../stages/plain-meters.js'
import { basisOf, chargeOfSegment } from '../stages/rate.js'
import { UsageTerms } from './rated-usage-terms.js'
import type { PartitionState } from './state/partition-state.js'
import type { PriceBook } from './state/price-book.js'
import { none, type RouteTarget, type Stretch } from './state/usage-routes.js'

const noDimensions: ReadonlyMap<string, string> = new Map()

/** The charges of the route are made if they are not there yet: an event is about to be rated on them. */
export function findRoute(
  state: PartitionState,
  book: PriceBook,
  customer: number,
  match: PlainMatch,
  atMs: number,
): number {
  const customerId = state.routes.customerId(customer)
  if (state.held.has(customerId) || state.retractedOf.has(customerId)) return none
  const subscriptions = book.ofCustomer(customerId)
  const readings = match.meters.map(({ meter }) => ({
    meter: meter.meter,
    quantity: scaledOne,
    text: '',
    dimensions: noDimensions,
  }))
  const attached = attachEvent({ ...unnamed, customerId, timeMs: atMs, readings }, subscriptions)
  if (attached.kind !== 'attached') return none
  const { assignments } = attached
  if (!assignments.every(({ segment }) => isRatedByTotal(basisOf(segment, book.catalog)))) return none
  const rated = assignments.map(one => ratedTarget(one, readings.indexOf(one.reading), match, state, book))
  const unwanted = attached.unwanted.map(one => unwantedTarget(customerId, readings.indexOf(one), match))
  const stretch = stretchOf(subscriptions, assignments, match, atMs)
  return state.routes.keep(customer, match, stretch, [...rated, ...unwanted])
}

/** What the general way knows of an event and attach.ts does not ask for. */
const unnamed = {
  source: '',
  id: '',
  type: '',
  ingestedAtMs: 0,
  pinnedSubscriptionId: '',
  correlationId: '',
  traceparent: '',
}

function ratedTarget(
  { segment, version }: Assignment,
  reading: number,
  match: PlainMatch,
  state: PartitionState,
  book: PriceBook,
): RouteTarget {
  const charge = chargeOfSegment(segment, state, book.catalog)
  const rater = raterOf(basisOf(segment, book.catalog))
  const { sequence, plan, planVersion, entityId } = version.terms
  const terms = new UsageTerms({
    eventType: match.type,
    customerId: charge.customerId,
    subscriptionId: charge.subscriptionId,
    subscriptionVersion: sequence,
    plan,
    planVersion,
    price: charge.price,
    meter: charge.meter,
    chargeId: charge.chargeId,
    fromMs: charge.fromMs,
    untilMs: charge.untilMs,
    currency: charge.currency,
    entityId,
  })
  return { reading, meter: match.meters[reading]!, rated: { charge, version, rater }, terms }
}

function unwantedTarget(customerId: string, reading: number, match: PlainMatch): RouteTarget {
  const meter = match.meters[reading]!
  const terms = new UsageTerms({
    eventType: match.type,
    customerId,
    subscriptionId: '',
    subscriptionVersion: 0,
    plan: '',
    planVersion: 0,
    price: '',
    meter: meter.meter.meter,
    chargeId: '',
    fromMs: undefined,
    untilMs: undefined,
    currency: '',
    entityId: '',
  })
  return { reading, meter, rated: undefined, terms }
}

/** The stretch around an instant in which nothing begins or ends that attach.ts looks at. */
function stretchOf(
  subscriptions: readonly SubscriptionPrices[],
  assignments: readonly Assignment[],
  match: PlainMatch,
  atMs: number,
): Stretch {
  const borders: Stretch[] = assignments.map(one => one.segment)
  for (const { timeline, usage } of subscriptions) {
    borders.push(...timeline.versions)
    for (const { meter } of match.meters) borders.push(...(usage.get(meter.meter) ?? []))
  }
  let fromMs = Number.NEGATIVE_INFINITY
  let untilMs = Number.POSITIVE_INFINITY
  for (const border of borders) {
    for (const ms of [border.fromMs, border.untilMs]) {
      if (ms <= atMs) fromMs = Math.max(fromMs, ms)
      else untilMs = Math.min(untilMs, ms)
    }
  }
  return { fromMs, untilMs }
}
