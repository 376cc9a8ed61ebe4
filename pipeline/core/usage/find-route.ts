// Finds where plain usage of a customer goes at an instant, and for how long that stays so, by asking attach.ts once.
// Invariant: a route is given only where every event of the kind is rated by adding its values to running totals; for
// everything else there is none, and the general way decides.

import { isRatedByTotal } from '../../../rating/charges/rate.js'
import { raterOf } from '../../../rating/charges/rater.js'
import type { SubscriptionPrices } from '../../../rating/timeline/price-lines.js'
import { scaledOne } from '../../../schemas/money/decimal.js'
import { beginninglessNs, earlier, endlessNs, later, msOf } from '../../../schemas/time.js'
import { type Assignment, attachEvent } from '../rate/attach.js'
import { basisOf } from '../rate/basis.js'
import { chargeOfSegment } from '../rate/rate.js'
import type { MeterMatch } from '../scan/meter-slots.js'
import type { UsageTerms } from '../state/rated-usage-terms.js'
import { none, type RouteTarget, type Stretch } from '../state/usage-routes.js'
import type { Step } from '../step/step.js'

const noDimensions: ReadonlyMap<string, string> = new Map()

/** The charges of the route are made if they are not there yet: an event is about to be rated on them. */
export function findRoute(step: Step, customer: number, match: MeterMatch, atNs: bigint): number {
  const { book, state } = step
  const customerId = state.routes.customerId(customer)
  if (state.held.has(customerId) || state.retractedOf.has(customerId)) return none
  const subscriptions = book.ofCustomerOnce(customerId)
  const readings = match.meters.map(({ meter }) => ({
    meter: meter.meter,
    quantity: scaledOne,
    text: '',
    dimensions: noDimensions,
  }))
  const attached = attachEvent({ ...unnamed, customerId, timeNs: atNs, readings }, subscriptions)
  if (attached.kind !== 'attached') return none
  const { assignments } = attached
  if (!assignments.every(({ segment }) => isRatedByTotal(basisOf(segment, book.catalog)))) return none
  const stretch = stretchOf(subscriptions, assignments, match, atNs)
  const atMs = msOf(atNs)
  if (atMs < stretch.fromMs || atMs >= stretch.untilMs) return none
  const rated = assignments.map(one => ratedTarget(step, one, readings.indexOf(one.reading), match))
  const unwanted = attached.unwanted.map(one =>
    unwantedTarget(step, customerId, readings.indexOf(one), match),
  )
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
  { book, out, state }: Step,
  { segment, version }: Assignment,
  reading: number,
  match: MeterMatch,
): RouteTarget {
  const charge = chargeOfSegment(segment, state, book.catalog)
  const { sequence, plan, planVersion, entityId } = version.terms
  const terms: UsageTerms = {
    texts: {
      ...noTexts,
      event_type: match.type,
      customer_id: charge.customerId,
      subscription_id: charge.subscriptionId,
      plan,
      price: charge.price,
      meter: charge.meter,
      charge_id: charge.chargeId,
      currency: charge.currency,
      entity_id: entityId,
    },
    subscriptionVersion: sequence,
    planVersion,
    eventCount: 1,
    fromNs: charge.fromNs,
    untilNs: charge.untilNs,
  }
  return {
    reading,
    rated: { charge, rater: raterOf(basisOf(segment, book.catalog)) },
    terms: out.terms.keep(terms),
  }
}

function unwantedTarget({ out }: Step, customerId: string, reading: number, match: MeterMatch): RouteTarget {
  const { meter } = match.meters[reading]!.meter
  const terms: UsageTerms = {
    texts: { ...noTexts, event_type: match.type, customer_id: customerId, meter },
    subscriptionVersion: 0,
    planVersion: 0,
    eventCount: 1,
    fromNs: undefined,
    untilNs: undefined,
  }
  return { reading, rated: undefined, terms: out.terms.keep(terms) }
}

const noTexts: UsageTerms['texts'] = {
  event_type: '',
  customer_id: '',
  pinned_subscription_id: '',
  subscription_id: '',
  plan: '',
  price: '',
  meter: '',
  charge_id: '',
  currency: '',
  entity_id: '',
  kind: 'usage',
}

interface Interval {
  readonly fromNs: bigint
  readonly untilNs: bigint
}

/**
 * The stretch around an instant in which nothing begins or ends that attach.ts looks at, in whole milliseconds: what lies
 * in one millisecond with a border has no route, unless the border is its beginning.
 */
function stretchOf(
  subscriptions: readonly SubscriptionPrices[],
  assignments: readonly Assignment[],
  match: MeterMatch,
  atNs: bigint,
): Stretch {
  const borders: Interval[] = assignments.map(one => one.segment)
  for (const { timeline, usage } of subscriptions) {
    borders.push(...timeline.versions)
    for (const { meter } of match.meters) borders.push(...(usage.get(meter.meter) ?? []))
  }
  let fromNs = beginninglessNs
  let untilNs: bigint = endlessNs
  for (const border of borders) {
    for (const borderNs of [border.fromNs, border.untilNs]) {
      if (borderNs <= atNs) fromNs = later(fromNs, borderNs)
      else untilNs = earlier(untilNs, borderNs)
    }
  }
  return { fromMs: -msOf(-fromNs), untilMs: msOf(untilNs) }
}
