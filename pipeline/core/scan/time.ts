// Reads the `time` of an event from its bytes: the usual forms of RFC 3339, read as schemas/time.ts reads
// them.
// Invariant: a number is the millisecond of what parseInstant gives for the same text, and `nanos` the
// nanoseconds beyond it; a text in any other form, or one that is not accepted, gives NaN.
// Successive events have close times, so the last valid day is remembered and compared instead of computed.

import * as time from '../../../schemas/time.js'

const dash = 45
const colon = 58
const letterT = 84
const letterZ = 90
const point = 46
const msPerDay = 86_400_000
const { rangeEndMs } = time
/** By the number of digits in a fraction: the factor that makes it nanoseconds. */
const powers = Float64Array.of(1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 100, 10, 1)

export class TimeReader {
  // The last date that was valid, as bytes: YYYY, -MM-, DD.
  #year = 0
  #month = 0
  #day = 0
  #dateMs = 0
  /** The nanoseconds beyond the millisecond of the text that was read last. */
  nanos = 0

  /** The epoch millisecond of the text `[from, until)`; NaN when it is not one of the usual forms. */
  read(bytes: Uint8Array, view: DataView, from: number, until: number): number {
    const length = until - from
    if (length < 20 || length > 35) return Number.NaN
    if (
      view.getInt32(from, true) !== this.#year ||
      view.getInt32(from + 4, true) !== this.#month ||
      view.getInt16(from + 8, true) !== this.#day
    ) {
      if (!this.#readDate(bytes, view, from)) return Number.NaN
    }
    const hour = digits2(bytes, from + 11)
    const minute = digits2(bytes, from + 14)
    const second = digits2(bytes, from + 17)
    if (hour > 23 || minute > 59 || second > 59) return Number.NaN
    if (bytes[from + 10] !== letterT || bytes[from + 13] !== colon || bytes[from + 16] !== colon)
      return Number.NaN
    let at = from + 19
    let fraction = 0
    if (bytes[at] === point) {
      at += 1
      const first = at
      // The byte after the text is its closing quote, so reading digits stops there.
      for (let digit = bytes[at]! - 48; digit >= 0 && digit <= 9; digit = bytes[at]! - 48) {
        fraction = fraction * 10 + digit
        at += 1
      }
      const digits = at - first
      if (digits === 0 || digits > 9) return Number.NaN
      fraction *= powers[digits]!
    }
    const milliseconds = Math.floor(fraction / 1_000_000)
    this.nanos = fraction - milliseconds * 1_000_000
    const instant = this.#dateMs + ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds
    const isZulu = bytes[at] === letterZ && at + 1 === until
    const instantMs = isZulu ? instant : instant - offsetMs(bytes, at, until)
    return instantMs >= 0 && instantMs < rangeEndMs ? instantMs : Number.NaN
  }

  #readDate(bytes: Uint8Array, view: DataView, from: number): boolean {
    const year = digits2(bytes, from) * 100 + digits2(bytes, from + 2)
    const month = digits2(bytes, from + 5)
    const day = digits2(bytes, from + 8)
    if (bytes[from + 4] !== dash || bytes[from + 7] !== dash) return false
    if (year > 9999 || month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return false
    const marchYear = month <= 2 ? year - 1 : year
    const era = Math.floor(marchYear / 400)
    const yearOfEra = marchYear - era * 400
    const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
    const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
    this.#dateMs = (era * 146_097 + dayOfEra - 719_468) * msPerDay
    this.#year = view.getInt32(from, true)
    this.#month = view.getInt32(from + 4, true)
    this.#day = view.getInt16(from + 8, true)
    return true
  }
}

/** Reads `+hh:mm` or `-hh:mm`, which must be the rest of the text; else NaN. */
function offsetMs(bytes: Uint8Array, at: number, until: number): number {
  const sign = bytes[at]
  if ((sign !== 43 && sign !== dash) || at + 6 !== until) return Number.NaN
  const hours = digits2(bytes, at + 1)
  const minutes = digits2(bytes, at + 4)
  if (hours > 23 || minutes > 59 || bytes[at + 3] !== colon) return Number.NaN
  return (sign === 43 ? 1 : -1) * (hours * 60 + minutes) * 60_000
}

function daysOfMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Two digits as a number; 1000, which no field allows, when they are not digits. */
function digits2(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - 48
  const ones = bytes[at + 1]! - 48
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : 1000
}
