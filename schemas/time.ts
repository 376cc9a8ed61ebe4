// Instants: RFC 3339 text to epoch nanoseconds and back. Contract section 1.
// Invariants: nothing of an instant is lost or rounded; a valid instant lies in [1970-01-01, 2200-01-01); one that is
// written has no more digits than it needs.
// Two forms: `bigint` nanoseconds where terms and money are worked out (names end in `Ns`); milliseconds as a number with
// the nanoseconds beyond them beside it where every event passes. Clocks of our own are milliseconds (`Ms`).

import { leapSecondEnds } from './leap-seconds.js'

export const nsPerMs = 1_000_000n

/** Stands for no end: later than every instant, and still 64 bits. */
export const endlessNs = 2n ** 63n - 1n
/** Stands for no beginning: earlier than every instant. */
export const beginninglessNs = -(2n ** 63n)

/** The first millisecond that is too late to be accepted: 2200-01-01. The first accepted one is 0. */
export const rangeEndMs = Date.UTC(2200, 0, 1)

/** No boundary that follows from accepted instants lies as late: the longest period is a year, and clocks are set by hours. */
const boundaryEndMs = Date.UTC(2201, 0, 3)

export type InstantFault = 'invalid_time' | 'time_out_of_range'

const zero = 48
const colon = 58
const msPerDay = 86_400_000
const minuteMs = 60_000

/** What `readInstant` found: epoch milliseconds, and the nanoseconds beyond them (0 to 999,999). */
let foundMs = 0
let foundNanos = 0

/** Epoch nanoseconds of an RFC 3339 instant with an offset; undefined when it is none, or none that is accepted. */
export function parseInstant(text: string): bigint | undefined {
  if (!readInstant(text) || foundMs < 0 || foundMs >= rangeEndMs) return undefined
  return nsOf(foundMs, foundNanos)
}

/** The same for an end: an instant after the latest accepted one means no end. */
export function parseEnd(text: string): bigint | undefined {
  if (!readInstant(text) || foundMs < 0) return undefined
  return foundMs >= rangeEndMs ? endlessNs : nsOf(foundMs, foundNanos)
}

/** The same for what we worked out: a period that begins before 2200 ends, and is earned, up to a year beyond. */
export function parseBoundary(text: string): bigint | undefined {
  if (!readInstant(text) || foundMs < 0 || foundMs >= boundaryEndMs) return undefined
  return nsOf(foundMs, foundNanos)
}

/** Why a text is not accepted as an instant. */
export function instantFault(text: string): InstantFault {
  return readInstant(text) ? 'time_out_of_range' : 'invalid_time'
}

/** What to say of it. */
export function instantFaultText(fault: InstantFault): string {
  return fault === 'invalid_time'
    ? 'is not an RFC 3339 instant with an offset and at most 9 fraction digits'
    : 'is before 1970-01-01 or not before 2200-01-01'
}

export function nsOf(ms: number, nanos = 0): bigint {
  return BigInt(ms) * nsPerMs + BigInt(nanos)
}

/** The millisecond in which an instant lies. */
export function msOf(ns: bigint): number {
  const ms = ns / nsPerMs
  return Number(ns < 0n && ms * nsPerMs !== ns ? ms - 1n : ms)
}

/** The nanoseconds of an instant beyond its millisecond. */
export function nanosOf(ns: bigint): number {
  const rest = Number(ns % nsPerMs)
  return rest < 0 ? rest + 1_000_000 : rest
}

export function earlier(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

export function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

/** For sorting. */
export function compareInstants(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** RFC 3339 in UTC, with as many groups of three digits after the second as are needed: none for a whole one. */
export function formatInstant(instantNs: bigint): string {
  const nanos = nanosOf(instantNs)
  const text = new Date(msOf(instantNs)).toISOString()
  if (nanos === 0) return text.replace('.000Z', 'Z')
  return `${text.slice(0, -1)}${String(nanos).padStart(6, '0').replace(/000$/, '')}Z`
}

/** The same for a clock of ours. */
export function formatInstantMs(instantMs: number): string {
  return new Date(instantMs).toISOString().replace('.000Z', 'Z')
}

/** For ids and keys: milliseconds, with the rest as a fraction only where it is not 0. */
export function instantKey(instantNs: bigint): string {
  const nanos = nanosOf(instantNs)
  const ms = String(msOf(instantNs))
  return nanos === 0 ? ms : `${ms}.${String(nanos).padStart(6, '0')}`
}

/** Reads any instant that RFC 3339 can write into `foundMs` and `foundNanos`. By character code: every event has one. */
function readInstant(text: string): boolean {
  const length = text.length
  if (length < 20 || length > 35) return false
  const date = parseDate(text)
  const separator = text.charCodeAt(10) | 0x20
  const hour = digits2(text, 11)
  const minute = digits2(text, 14)
  const second = digits2(text, 17)
  if (date === undefined || separator !== 0x74 || hour > 23 || minute > 59 || second > 60) return false
  if (text.charCodeAt(13) !== colon || text.charCodeAt(16) !== colon) return false
  let at = 19
  let fraction = 0
  if (text.charCodeAt(at) === 46) {
    const first = 20
    for (at = first; isDigit(text.charCodeAt(at)); at += 1)
      fraction = fraction * 10 + text.charCodeAt(at) - zero
    const digits = at - first
    if (digits === 0 || digits > 9) return false
    fraction *= 10 ** (9 - digits)
  }
  const offsetMs = parseOffset(text, at)
  if (offsetMs === undefined) return false
  const minuteStartMs = date + (hour * 60 + minute) * minuteMs - offsetMs
  if (second === 60) return readLeapSecond(minuteStartMs + minuteMs)
  foundMs = minuteStartMs + second * 1000 + Math.floor(fraction / 1_000_000)
  foundNanos = fraction % 1_000_000
  return true
}

/** All of a leap second is the last nanosecond of the minute that it ends: after all others of it, before the next. */
function readLeapSecond(minuteEndMs: number): boolean {
  foundMs = minuteEndMs - 1
  foundNanos = 999_999
  return leapSecondEnds.has(minuteEndMs)
}

/** `Z` or `+hh:mm`, which must be the rest of the text. */
function parseOffset(text: string, at: number): number | undefined {
  const sign = text.charCodeAt(at)
  if ((sign | 0x20) === 0x7a) return text.length === at + 1 ? 0 : undefined
  if ((sign !== 43 && sign !== 45) || text.length !== at + 6) return undefined
  const hours = digits2(text, at + 1)
  const minutes = digits2(text, at + 4)
  if (hours > 23 || minutes > 59 || text.charCodeAt(at + 3) !== colon) return undefined
  return (sign === 43 ? 1 : -1) * (hours * 60 + minutes) * minuteMs
}

/** Epoch milliseconds of the day at the start of the text, by Howard Hinnant's days_from_civil. */
function parseDate(text: string): number | undefined {
  const year = digits2(text, 0) * 100 + digits2(text, 2)
  const month = digits2(text, 5)
  const day = digits2(text, 8)
  if (!(year <= 9999) || month < 1 || month > 12 || day < 1 || !(day <= daysOfMonth(year, month)))
    return undefined
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return undefined
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return (era * 146_097 + dayOfEra - 719_468) * msPerDay
}

function daysOfMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function isDigit(code: number): boolean {
  return code >= zero && code <= 57
}

/** Two digits as a number; 1000, which no field allows, when they are not digits. */
function digits2(text: string, at: number): number {
  const tens = text.charCodeAt(at) - zero
  const ones = text.charCodeAt(at + 1) - zero
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : 1000
}
