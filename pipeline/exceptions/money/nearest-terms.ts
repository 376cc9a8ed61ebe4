// Under which terms an event would be rated: those in force at its time, else the nearest of the customer's in time.
// The subscription that it names counts alone.

import { groupOf } from '../../../rating/models/grouped/group.js'
import { cellOf } from '../../../rating/models/registry.js'
import {
  type PriceLine,
  type Segment,
  type SubscriptionPrices,
  segmentAt,
} from '../../../rating/timeline/price-lines.js'
import type { UsagePrice } from '../../../schemas/catalog/catalog.js'
import type { MeterReading } from '../../../schemas/event/metered-event.js'

export interface PricedReading {
  readonly reading: MeterReading
  readonly segment: Segment<UsagePrice>
  readonly cell: number
  readonly group: string
}

export type NearestTerms =
  | { readonly kind: 'ok'; readonly priced: readonly PricedReading[] }
  | { readonly kind: 'not_known'; readonly why: string }

interface PricedEvent {
  readonly timeNs: bigint
  /** '' where it names none. */
  readonly subscriptionId: string
  readonly readings: readonly MeterReading[]
}

/** `subscriptions` are all those of the event's customer. Readings that no price ever wanted owe nothing. */
export function nearestTerms(
  { timeNs, subscriptionId, readings }: PricedEvent,
  subscriptions: readonly SubscriptionPrices[],
): NearestTerms {
  const mine = subscriptions.filter(
    ({ timeline }) => subscriptionId === '' || timeline.subscriptionId === subscriptionId,
  )
  if (mine.length === 0)
    return notKnown(
      subscriptionId === '' ? 'the customer has no subscription' : 'its subscription is not known',
    )
  const priced: PricedReading[] = []
  for (const reading of readings) {
    const lines = linesAt(mine, reading.meter, timeNs)
    if (new Set(lines.map(line => line.subscriptionId)).size > 1)
      return notKnown(`several subscriptions price the meter ${reading.meter}`)
    for (const line of lines) {
      const cell = cellOf(line.price, reading.dimensions)
      if (cell === undefined) return notKnown(`the price ${line.price.price} has no cell for it`)
      const segment = segmentAt(line, within(line, timeNs))
      if (segment === undefined) throw new Error('A price line has no segment within its bounds.')
      priced.push({ reading, segment, cell, group: groupOf(line.price, reading.dimensions) })
    }
  }
  return priced.length === 0 ? notKnown('no terms of the customer price it') : { kind: 'ok', priced }
}

/** The lines of the meter in force then; where there is none, those of the nearest line's subscription nearest in time. */
function linesAt(
  subscriptions: readonly SubscriptionPrices[],
  meter: string,
  atNs: bigint,
): readonly PriceLine<UsagePrice>[] {
  const lines = subscriptions.flatMap(({ usage }) => usage.get(meter) ?? [])
  let nearest: bigint | undefined
  for (const line of lines) {
    const distance = distanceOf(line, atNs)
    if (nearest === undefined || distance < nearest) nearest = distance
  }
  return lines.filter(line => distanceOf(line, atNs) === nearest)
}

function distanceOf(line: PriceLine, atNs: bigint): bigint {
  if (atNs < line.fromNs) return line.fromNs - atNs
  return atNs < line.untilNs ? 0n : atNs - line.untilNs + 1n
}

function within({ fromNs, untilNs }: PriceLine, atNs: bigint): bigint {
  if (atNs < fromNs) return fromNs
  return atNs < untilNs ? atNs : untilNs - 1n
}

function notKnown(why: string): NearestTerms {
  return { kind: 'not_known', why }
}
