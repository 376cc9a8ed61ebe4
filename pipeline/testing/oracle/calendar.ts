// The oracle's own calendar: civil dates by hand, offsets of time zones asked of Intl. Contract section 3, "Service
// periods": anchor + n × period in the time zone, always counted from the anchor, a missing day being the month's last.
// A wall-clock time that the clock skips is taken later, one that it shows twice is taken the first time.

import type { BillingPeriod } from '../../../schemas/catalog/catalog.js'

export interface Period {
  readonly fromNs: bigint
  readonly untilNs: bigint
}

const dayMs = 86_400_000
/** Clocks change on a quarter of an hour everywhere, so within one the offset is the same. */
const quarterHourMs = 900_000

const formats = new Map<string, Intl.DateTimeFormat>()
const offsets = new Map<string, number>()
const boundaries = new Map<string, bigint>()

/** The calendar date of an instant in a time zone, in days since 1970. */
export function dateOf(timezone: string, instantNs: bigint): number {
  return Math.floor(wallClock(timezone, floorMs(instantNs)) / dayMs)
}

/** The service period that holds an instant. */
export function periodAt(anchorNs: bigint, timezone: string, period: BillingPeriod, atNs: bigint): Period {
  let n = 0
  while (periodStart(anchorNs, timezone, period, n + 1) <= atNs) n += 1
  while (periodStart(anchorNs, timezone, period, n) > atNs) n -= 1
  return {
    fromNs: periodStart(anchorNs, timezone, period, n),
    untilNs: periodStart(anchorNs, timezone, period, n + 1),
  }
}

/** Anchor + n × period. Clocks change by whole seconds, so what the anchor has beyond its millisecond stays as it is. */
export function periodStart(anchorNs: bigint, timezone: string, period: BillingPeriod, n: number): bigint {
  if (n === 0) return anchorNs
  const anchorMs = floorMs(anchorNs)
  const beyondNs = anchorNs - BigInt(anchorMs) * 1_000_000n
  const key = `${anchorNs} ${timezone} ${period} ${n}`
  const known = boundaries.get(key)
  if (known !== undefined) return known
  const anchor = wallClock(timezone, anchorMs)
  const startNs = BigInt(instantOf(timezone, plusPeriods(anchor, period, n))) * 1_000_000n + beyondNs
  boundaries.set(key, startNs)
  return startNs
}

/** `2 week` is two weeks, `quarter` one quarter. */
export function inUnits(
  period: BillingPeriod,
): readonly [number, 'day' | 'week' | 'month' | 'quarter' | 'year'] {
  const words = period.split(' ')
  return [words.length === 1 ? 1 : Number(words[0]), words.at(-1) as 'day']
}

/** No instant lies before 1970. */
function floorMs(instantNs: bigint): number {
  return Number(instantNs / 1_000_000n)
}

/** The time on the wall clock, as if it were UTC. */
function plusPeriods(wallMs: number, period: BillingPeriod, n: number): number {
  const [count, unit] = inUnits(period)
  switch (unit) {
    case 'day':
      return wallMs + n * count * dayMs
    case 'week':
      return wallMs + n * count * 7 * dayMs
    case 'month':
      return plusMonths(wallMs, n * count)
    case 'quarter':
      return plusMonths(wallMs, n * count * 3)
    case 'year':
      return plusMonths(wallMs, n * count * 12)
    default:
      return unit satisfies never
  }
}

function plusMonths(wallMs: number, months: number): number {
  const date = new Date(wallMs)
  const year = date.getUTCFullYear()
  const month = date.getUTCMonth() + months
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
  const timeOfDay = wallMs - Math.floor(wallMs / dayMs) * dayMs
  return Date.UTC(year, month, Math.min(date.getUTCDate(), lastDay)) + timeOfDay
}

function wallClock(timezone: string, instantMs: number): number {
  return instantMs + offsetAt(timezone, instantMs)
}

function instantOf(timezone: string, wallMs: number): number {
  // Around that time the clock can only show the offset of the day before or of the day after.
  const before = wallMs - offsetAt(timezone, wallMs - dayMs)
  const after = wallMs - offsetAt(timezone, wallMs + dayMs)
  const shown = [before, after].filter(instantMs => wallClock(timezone, instantMs) === wallMs)
  return shown.length === 0 ? before : Math.min(...shown)
}

function offsetAt(timezone: string, instantMs: number): number {
  if (timezone === 'UTC') return 0
  const blockMs = Math.floor(instantMs / quarterHourMs) * quarterHourMs
  const key = `${timezone} ${blockMs}`
  let offset = offsets.get(key)
  if (offset === undefined) {
    offset = askedOffset(timezone, blockMs)
    offsets.set(key, offset)
  }
  return offset
}

function askedOffset(timezone: string, instantMs: number): number {
  const format = formats.get(timezone) ?? newFormat(timezone)
  const field = Object.fromEntries(format.formatToParts(instantMs).map(({ type, value }) => [type, value]))
  const { year, month, day, hour, minute, second } = field as Record<string, string>
  const wall = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  )
  return wall - instantMs
}

function newFormat(timezone: string): Intl.DateTimeFormat {
  const number = 'numeric'
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: number,
    month: number,
    day: number,
    hour: number,
    minute: number,
    second: number,
  })
  formats.set(timezone, format)
  return format
}
