// attach: decides which subscription and prices the readings of a usage event belong to. Contract section 2,
// "Attach".
// Invariants: an event is atomic: one reading that is ambiguous, suspended or without a matrix cell refuses
// the whole event, and the event waits only when none of its readings can be attached. The answer depends on
// the timelines alone.

import { groupOf } from '../../../rating/models/grouped/group.js'
import { cellOf } from '../../../rating/models/registry.js'
import {
  type PriceLine,
  type Segment,
  type SubscriptionPrices,
  segmentAt,
} from '../../../rating/timeline/price-lines.js'
import { type Version, versionAt } from '../../../rating/timeline/timeline.js'
import type { UsagePrice } from '../../../schemas/catalog/catalog.js'
import type { MeteredEvent, MeterReading } from '../../../schemas/event/metered-event.js'
import type { Rejection } from '../../../schemas/rejection.js'

/** One reading on one price, with the segment that its quantity goes to. */
export interface Assignment {
  readonly reading: MeterReading
  readonly segment: Segment<UsagePrice>
  /** The subscription version in force at the event's time. */
  readonly version: Version
  readonly cell: number
  /** Of a price with `group_by`; '' for any other. */
  readonly group: string
}

export type Attachment =
  | {
      readonly kind: 'attached'
      readonly assignments: readonly Assignment[]
      /** Readings that no price wants; they are kept, so that later terms can price them. */
      readonly unwanted: readonly MeterReading[]
    }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'refused'; readonly rejection: Rejection }

const waiting: Attachment = { kind: 'waiting' }

/** `subscriptions` are all subscriptions of the event's customer. */
export function attachEvent(event: MeteredEvent, subscriptions: readonly SubscriptionPrices[]): Attachment {
  const assignments: Assignment[] = []
  const unwanted: MeterReading[] = []
  for (const reading of event.readings) {
    const owner = ownerOf(event, reading.meter, subscriptions)
    if (owner === undefined) {
      unwanted.push(reading)
      continue
    }
    if (owner === 'ambiguous') return { kind: 'refused', rejection: ambiguous(event, reading.meter) }
    const problem = assign(event, reading, owner, assignments)
    if (problem !== undefined) return { kind: 'refused', rejection: problem }
  }
  return assignments.length === 0 ? waiting : { kind: 'attached', assignments, unwanted }
}

/** The one subscription whose version in force at the event's time has a price on the meter. */
function ownerOf(
  event: MeteredEvent,
  meter: string,
  subscriptions: readonly SubscriptionPrices[],
): SubscriptionPrices | 'ambiguous' | undefined {
  let owner: SubscriptionPrices | undefined
  for (const candidate of subscriptions) {
    const { subscriptionId } = candidate.timeline
    if (event.pinnedSubscriptionId !== '' && event.pinnedSubscriptionId !== subscriptionId) continue
    if (!isPriced(candidate, meter, event.timeNs)) continue
    if (owner !== undefined) return 'ambiguous'
    owner = candidate
  }
  return owner
}

function isPriced(prices: SubscriptionPrices, meter: string, atNs: bigint): boolean {
  for (const line of prices.usage.get(meter) ?? []) if (covers(line, atNs)) return true
  return false
}

function covers(line: PriceLine<UsagePrice>, atNs: bigint): boolean {
  return line.fromNs <= atNs && atNs < line.untilNs
}

function assign(
  event: MeteredEvent,
  reading: MeterReading,
  prices: SubscriptionPrices,
  out: Assignment[],
): Rejection | undefined {
  const version = versionAt(prices.timeline, event.timeNs)
  if (version === undefined) throw new Error('A priced instant has no version in force.')
  if (version.terms.status === 'suspended') return suspended(event, prices.timeline.subscriptionId)
  for (const line of prices.usage.get(reading.meter) ?? []) {
    if (!covers(line, event.timeNs)) continue
    const cell = cellOf(line.price, reading.dimensions)
    if (cell === undefined) return noCell(line.price, reading)
    const segment = segmentAt(line, event.timeNs)
    if (segment === undefined) throw new Error(`A price line has no segment at ${event.timeNs}.`)
    out.push({ reading, segment, version, cell, group: groupOf(line.price, reading.dimensions) })
  }
  return undefined
}

function ambiguous(event: MeteredEvent, meter: string): Rejection {
  return {
    code: 'ambiguous_subscription',
    detail: `Two or more subscriptions of ${event.customerId} price the meter ${meter} at that time.`,
  }
}

function suspended(event: MeteredEvent, subscriptionId: string): Rejection {
  return {
    code: 'subscription_suspended',
    detail: `The subscription ${subscriptionId} of ${event.customerId} is suspended at that time.`,
  }
}

function noCell(price: UsagePrice, reading: MeterReading): Rejection {
  const dimensions = [...reading.dimensions].map(([name, value]) => `${name}=${value}`).join(', ')
  return {
    code: 'no_matrix_cell',
    detail: `The matrix price ${price.price} has no cell and no default for {${dimensions}}.`,
  }
}
