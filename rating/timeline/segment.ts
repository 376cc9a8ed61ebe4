// Segments: a price line cut at service periods. One charge is owed per segment. Contract section 4, "Charge".
// Invariants: the segments of a line cover it without overlap; the same instant gives the same object each time, so
// that values compiled for a segment can be cached on it; the id follows from subscription, price and start alone.

import type { BillingPeriod, Price } from '../../schemas/catalog/catalog.js'
import { type Proration, prorationUnit } from '../../schemas/catalog/proration.js'
import { stableId } from '../../schemas/identifiers.js'
import type { Rounding, Scaled } from '../../schemas/money/decimal.js'
import { earlier, instantKey, later } from '../../schemas/time.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { type Fraction, prorationFraction } from '../periods/proration.js'
import type { ServiceCalendar, ServicePeriod } from '../periods/service-period.js'
import { type Timeline, type Version, versionAt } from './timeline.js'

/** A price over [fromNs, untilNs), not cut by service periods. Terms are those of the version at its start. */
export interface PriceLine<P extends Price = Price> {
  readonly subscriptionId: string
  readonly customerId: string
  /** Without its discount once that has run out. */
  readonly price: P
  readonly fromNs: bigint
  readonly untilNs: bigint
  readonly currency: string
  readonly rounding: Rounding
  readonly minimumWhenSuspended: boolean
  readonly billingPeriod: BillingPeriod
  readonly proration: Proration
  /** Whether what of its first and last period lies outside the line is owed with it (billed-lines.ts). */
  readonly isStartWhole: boolean
  readonly isEndWhole: boolean
  readonly billingAnchorNs: bigint
  readonly timezone: string
  readonly calendar: ServiceCalendar
  readonly trial: boolean
  /** Of a recurring price per unit; else one. */
  readonly quantity: Scaled
  /** A cache of the segments cut so far; not part of the terms. */
  readonly segments: SegmentCache<P>
}

export interface Segment<P extends Price = Price> {
  readonly line: PriceLine<P>
  /** The whole service period that contains it. */
  readonly period: ServicePeriod
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** Segment over period, by the unit of the proration; of what is owed whole all of it. */
  readonly fraction: Fraction
  /** In force at its start. */
  readonly version: Version
  readonly chargeId: string
  /** A cache of the charge basis, filled on first use. */
  basis: ChargeBasis | undefined
}

export interface SegmentCache<P extends Price = Price> {
  readonly timeline: Timeline
  /** Most lines are asked for one segment only, or are not kept: a map is made with the second one. */
  byPeriod: Map<number, Segment<P>> | undefined
  last: Segment<P> | undefined
}

export function newSegmentCache<P extends Price>(timeline: Timeline): SegmentCache<P> {
  return { timeline, byPeriod: undefined, last: undefined }
}

/**
 * The line cut at the service period that holds the instant; undefined outside the line. On the path of every usage
 * event: events come roughly in order of time, so the last segment is nearly always the one.
 */
export function segmentAt<P extends Price>(line: PriceLine<P>, atNs: bigint): Segment<P> | undefined {
  const cache = line.segments
  const last = cache.last
  if (last !== undefined && last.fromNs <= atNs && atNs < last.untilNs) return last
  if (atNs < line.fromNs || atNs >= line.untilNs) return undefined
  const period = line.calendar.periodAt(atNs)
  let segment = cache.byPeriod?.get(period.index)
  if (segment === undefined) {
    segment = newSegment(line, period)
    if (last !== undefined) {
      cache.byPeriod ??= new Map([[last.period.index, last]])
      cache.byPeriod.set(period.index, segment)
    }
  }
  cache.last = segment
  return segment
}

/** Every segment that begins before an instant, in order. */
export function segmentsBefore<P extends Price>(line: PriceLine<P>, asOfNs: bigint): Segment<P>[] {
  const endNs = earlier(asOfNs, line.untilNs)
  const segments: Segment<P>[] = []
  let atNs = line.fromNs
  while (atNs < endNs) {
    const segment = segmentAt(line, atNs)
    if (segment === undefined) throw new Error(`A price line has no segment at ${atNs}.`)
    segments.push(segment)
    atNs = segment.untilNs
  }
  return segments
}

function newSegment<P extends Price>(line: PriceLine<P>, period: ServicePeriod): Segment<P> {
  const fromNs = later(line.fromNs, period.fromNs)
  const untilNs = earlier(line.untilNs, period.untilNs)
  const owed = {
    fromNs: line.isStartWhole && fromNs === line.fromNs ? period.fromNs : fromNs,
    untilNs: line.isEndWhole && untilNs === line.untilNs ? period.untilNs : untilNs,
  }
  const version = versionAt(line.segments.timeline, fromNs)
  if (version === undefined) throw new Error(`A price line has no version at ${fromNs}.`)
  return {
    line,
    period,
    fromNs,
    untilNs,
    fraction: prorationFraction(prorationUnit(line.proration), line.timezone, owed, period),
    version,
    chargeId: stableId('ch', line.subscriptionId, line.price.price, instantKey(fromNs)),
    basis: undefined,
  }
}
