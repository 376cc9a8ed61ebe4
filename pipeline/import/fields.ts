// Reads fields of the objects of other systems. What is not there, or is of another type, is '' or undefined; nothing throws.
// Invariant: a number keeps every digit; none passes through a float.

import { Temporal } from 'temporal-polyfill'
import { isRecord } from '../../schemas/json/json-text.js'
import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import { decimalParts } from '../../schemas/money/decimal-text.js'
import { ExactNumber } from '../../schemas/money/exact-number.js'
import { formatInstant, nsOf, parseInstant } from '../../schemas/time.js'

export type ForeignObject = Readonly<Record<string, unknown>>

const latestSeconds = 7_258_118_400 // 2200-01-01

export function objectIn(value: unknown): ForeignObject {
  return isRecord(value) ? value : {}
}

export function textIn(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** An id, or the id of an object that was expanded in its place. */
export function idIn(value: unknown): string {
  return typeof value === 'string' ? value : textIn(objectIn(value)['id'])
}

/** The objects of a list, or of a page of Stripe's (`data`). */
export function listIn(value: unknown): readonly ForeignObject[] {
  const data = isRecord(value) ? value['data'] : value
  return Array.isArray(data) ? data.filter(isRecord) : []
}

export function textsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : []
}

/** The digits of a number or of a text that is one; undefined for anything else. */
export function digitsIn(value: unknown): string | undefined {
  const text = value instanceof ExactNumber ? value.text : typeof value === 'number' ? String(value) : value
  return typeof text === 'string' && text.length <= 200 && decimalParts(text) !== undefined ? text : undefined
}

export type ReadAmount =
  | { readonly kind: 'ok'; readonly value: Scaled; readonly text: string }
  | { readonly kind: 'none' }
  /** It is there and cannot be said: not a number, or of more digits than are kept. */
  | { readonly kind: 'fault'; readonly detail: string }

/** A number, `places` to the right of where it is meant: cents as 2. Never rounded. */
export function amountIn(value: unknown, places = 0): ReadAmount {
  if (value === undefined || value === null || value === '') return { kind: 'none' }
  const digits = digitsIn(value)
  const parts = digits === undefined ? undefined : decimalParts(digits)
  if (parts === undefined) return { kind: 'fault', detail: `${shown(value)} is no decimal number` }
  const exponent = parts.digits === '' ? 0 : parts.exponent - places
  const read = Number.isSafeInteger(exponent)
    ? parseDecimal(`${parts.isNegative ? '-' : ''}${parts.digits === '' ? '0' : parts.digits}e${exponent}`)
    : undefined
  if (read?.kind !== 'ok')
    return {
      kind: 'fault',
      detail: `${digits} has more digits than the 26 before and 12 after the point that are kept`,
    }
  return { kind: 'ok', value: read.value, text: formatScaled(read.value) }
}

/** The text of a decimal; '' where there is none. */
export function decimalIn(value: unknown, places = 0): string {
  const read = amountIn(value, places)
  return read.kind === 'ok' ? read.text : ''
}

/** The text of a whole number from zero on. */
export function wholeIn(value: unknown): string | undefined {
  const read = amountIn(value)
  return read.kind === 'ok' && /^\d+$/.test(read.text) ? read.text : undefined
}

export function secondsIn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value < latestSeconds
    ? value
    : undefined
}

/** RFC 3339, of Unix seconds. */
export function instantOfSeconds(seconds: number): string {
  return formatInstant(nsOf(seconds * 1000))
}

/** Epoch nanoseconds of a text in RFC 3339. */
export function instantIn(value: unknown): bigint | undefined {
  return typeof value === 'string' ? parseInstant(value) : undefined
}

export function isTimezone(name: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name)
    return true
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return false
  }
}

/** A value as people may read it in a report, in one line and of bounded length. */
export function shown(value: unknown): string {
  const text = value instanceof ExactNumber ? value.text : (JSON.stringify(value) ?? String(value))
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
