// One-off prices of a subscription: the charge that each is owed by. Contract section 9; price-lines.ts finds the instants.
// Invariants: each price id is owed at most once in the life of a subscription, on the first instant at which a version
// in force has it as a one-off price, suspended or not, in a trial or not; the terms are those of that instant.
//
// Its line has no length: it begins and ends on that instant. A back-dated change that moves the instant moves the charge.

import type { OneOffPrice } from '../../schemas/catalog/catalog.js'
import { stableId } from '../../schemas/identifiers.js'
import { instantKey } from '../../schemas/time.js'
import type { PriceLine, Segment } from './segment.js'
import { versionAt } from './timeline.js'

/** Where and under which terms a charge is: what a segment and the instant of a one-off price have in common. */
export type ChargePlace = Pick<Segment, 'line' | 'fromNs' | 'untilNs' | 'version' | 'chargeId'>

export function placeOfOneOff(line: PriceLine<OneOffPrice>): ChargePlace {
  const { fromNs, untilNs, subscriptionId, price } = line
  const version = versionAt(line.segments.timeline, fromNs)
  if (version === undefined) throw new Error(`A one-off price has no version at ${fromNs}.`)
  const chargeId = stableId('ch', subscriptionId, price.price, instantKey(fromNs))
  return { line, fromNs, untilNs, version, chargeId }
}
