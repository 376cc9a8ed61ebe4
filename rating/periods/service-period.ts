// Service periods: anchor + n x period in the subscription's time zone. Contract section 3, "Service periods".
// Invariants: every boundary is counted from the anchor itself, never from its neighbour (31 Jan, 28 Feb, 31 Mar); the
// periods of a calendar cover all of time without overlap, also before the anchor; none that is returned is empty.
// Calendar arithmetic is Temporal's (RFC 9557): wall-clock time is kept across a change of offset, a time that the
// clock skips is taken later, one that it shows twice is taken the first time.

import { Temporal } from 'temporal-polyfill'
import { type BillingPeriod, periodStep } from '../../schemas/catalog/billing-period.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { beginninglessNs, endlessNs, instantKey, msOf } from '../../schemas/time.js'

/** [fromNs, untilNs); `index` counts from the period that begins at the anchor. */
export interface ServicePeriod {
  readonly index: number
  readonly fromNs: bigint
  readonly untilNs: bigint
}

interface Step {
  readonly unit: 'days' | 'weeks' | 'months'
  readonly count: number
  /** The mean length, from which the first guess at an index is made. */
  readonly meanMs: number
}

const dayMs = 86_400_000
const yearMs = 365.2425 * dayMs
const meanMsOf = { day: dayMs, week: 7 * dayMs, month: yearMs / 12 } as const

/** The calendar reaches a little less far than `endlessNs`. Instants that are accepted lie far within. */
const farthestMs = 9.2e12
const maxCachedPeriods = 4096
const maxCalendars = 65_536

export class ServiceCalendar {
  readonly #anchorNs: bigint
  readonly #anchor: Temporal.ZonedDateTime
  readonly #step: Step
  /** Ascending; the cache that spares Temporal, at some 20 microseconds a boundary. */
  #periods: ServicePeriod[] = []
  #last: ServicePeriod | undefined

  constructor(anchorNs: bigint, timezone: string, billingPeriod: BillingPeriod) {
    this.#anchorNs = anchorNs
    this.#anchor = Temporal.Instant.fromEpochNanoseconds(anchorNs).toZonedDateTimeISO(timezone)
    const { unit, count } = periodStep(billingPeriod)
    this.#step = { unit: `${unit}s`, count, meanMs: count * meanMsOf[unit] }
  }

  /** The period that holds an instant. */
  periodAt(atNs: bigint): ServicePeriod {
    const last = this.#last
    if (last !== undefined && last.fromNs <= atNs && atNs < last.untilNs) return last
    const at = this.#firstEndingAfter(atNs)
    let period = this.#periods[at]
    if (period === undefined || atNs < period.fromNs) {
      period = this.#find(atNs)
      this.#keep(at, period)
    }
    this.#last = period
    return period
  }

  /** The boundary of that index, anchor + index x period; infinite beyond what a calendar can hold. */
  startOf(index: number): bigint {
    const { unit, count, meanMs } = this.#step
    if (index === 0) return this.#anchorNs
    const guessMs = msOf(this.#anchorNs) + index * meanMs
    if (Math.abs(guessMs) > farthestMs) return guessMs > 0 ? endlessNs : beginninglessNs
    return this.#anchor.add({ [unit]: index * count }).epochNanoseconds
  }

  #find(atNs: bigint): ServicePeriod {
    // The guess is at most a few periods off. Empty periods (a skipped calendar day) are stepped over.
    let index = Math.floor((msOf(atNs) - msOf(this.#anchorNs)) / this.#step.meanMs)
    let fromNs = this.startOf(index)
    while (fromNs > atNs) {
      index -= 1
      fromNs = this.startOf(index)
    }
    let untilNs = this.startOf(index + 1)
    while (untilNs <= atNs) {
      index += 1
      fromNs = untilNs
      untilNs = this.startOf(index + 1)
    }
    return { index, fromNs, untilNs }
  }

  #firstEndingAfter(atNs: bigint): number {
    let low = 0
    let high = this.#periods.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#periods[middle]!.untilNs <= atNs) low = middle + 1
      else high = middle
    }
    return low
  }

  #keep(at: number, period: ServicePeriod): void {
    if (this.#periods.length >= maxCachedPeriods) this.#periods = [period]
    else this.#periods.splice(at, 0, period)
  }
}

const calendars = new Map<string, ServiceCalendar>()

/** The same instance for the same arguments, as long as it is among the newest ones. */
export function serviceCalendar(
  anchorNs: bigint,
  timezone: string,
  billingPeriod: BillingPeriod,
): ServiceCalendar {
  const key = compositeKey(instantKey(anchorNs), timezone, billingPeriod)
  const known = calendars.get(key)
  if (known !== undefined) return known
  const calendar = new ServiceCalendar(anchorNs, timezone, billingPeriod)
  const oldest = calendars.size >= maxCalendars ? calendars.keys().next().value : undefined
  if (oldest !== undefined) calendars.delete(oldest)
  calendars.set(key, calendar)
  return calendar
}

/** Whether the name is a time zone of the IANA database, as calendars take it. */
export function isTimezone(name: string): boolean {
  // Temporal takes offsets and whole timestamps too.
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]*$/.test(name)) return false
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name)
    return true
  } catch {
    return false
  }
}
