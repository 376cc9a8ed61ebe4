// Finds the charges that a customer's usage goes to at an instant, and for how long that holds, by asking
// attach.ts once.
// Invariant: a route is given only where every event of the kind is rated by adding its values to running
// totals; otherwise there is no route and placeEvent decides.

import { isRatedByTotal } from '../../../rating/charges/rate.js'
import { raterOf } from '../../../rating/charges/rater.js'
import type { SubscriptionPrices } from '../../../rating/timeline/price-lines.js'
import { noInput } from '../../../schemas/event/event-input.js'
import { scaledOne } from '../../../schemas/money/decimal.js'
import { beginninglessNs, earlier, endlessNs, later, msOf } from '../../../schemas/time.js'
import { type Assignment, attachEvent } from '../rate/attach.js'
import { basisOf } from '../rate/basis.js'
import { assignedRow, chargeOfSegment, unwantedRow } from '../rate/rate.js'
import { termsOf } from '../rows/rated-usage-row.js'
import type { MeterMatch } from '../scan/meter-slots.js'
import type { KeyedEvent } from '../state/metered-event.js'
import { none, type RouteTarget, type Stretch } from '../state/usage-routes.js'
import type { Step } from '../step/step.js'

const noDimensions: ReadonlyMap<string, string> = new Map()

/** Makes the charges of the route that do not exist yet, because an event is about to be rated on them. */
export function findRoute(step: Step, customer: number, match: MeterMatch, atNs: bigint): number {
  const { book, out, state } = step
  const customerId = state.routes.customerId(customer)
  if (state.held.has(customerId)) return none
  const subscriptions = book.ofCustomerOnce(customerId)
  const readings = match.meters.map(({ meter }) => ({
    meter: meter.meter,
    quantity: scaledOne,
    text: '',
    dimensions: noDimensions,
  }))
  const event: KeyedEvent = { ...unnamed, type: match.type, customerId, timeNs: atNs, readings }
  const attached = attachEvent(event, subscriptions)
  if (attached.kind !== 'attached') return none
  const { assignments } = attached
  if (!assignments.every(({ segment }) => isRatedByTotal(basisOf(segment, book.catalog)))) return none
  const stretch = stretchOf(subscriptions, assignments, match, atNs)
  const atMs = msOf(atNs)
  if (atMs < stretch.fromMs || atMs >= stretch.untilMs) return none
  const rated = assignments.map((assignment): RouteTarget => {
    const { reading, segment } = assignment
    const charge = chargeOfSegment(segment, state, book.catalog)
    const terms = out.terms.keep(termsOf(assignedRow('usage', event, assignment, charge, 0n)))
    const rater = raterOf(basisOf(segment, book.catalog))
    return { reading: readings.indexOf(reading), rated: { charge, rater }, terms }
  })
  const unwanted = attached.unwanted.map((reading): RouteTarget => {
    const terms = out.terms.keep(termsOf(unwantedRow('usage', event, reading, 1)))
    return { reading: readings.indexOf(reading), rated: undefined, terms }
  })
  return state.routes.keep(customer, match, stretch, [...rated, ...unwanted])
}

/** The fields of a metered event that attach.ts does not read. */
const unnamed = {
  key: '',
  source: '',
  id: '',
  ingestedAtMs: 0,
  pinnedSubscriptionId: '',
  correlationId: '',
  traceparent: '',
  input: noInput,
}

interface Interval {
  readonly fromNs: bigint
  readonly untilNs: bigint
}

/**
 * The range around an instant, in whole milliseconds, in which nothing that attach.ts looks at begins or
 * ends. An instant in the same millisecond as a border has no route, unless the border is the beginning of
 * that millisecond.
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
