// Reads fields of Stripe's objects, in the places that several versions of its API have them. What is not there is '' or
// undefined; nothing throws.

import { isRecord } from '../../../schemas/json/json-text.js'
import { scalarText } from '../../../schemas/json/scalar-text.js'
import { formatInstant, nsOf } from '../../../schemas/time.js'

export type StripeObject = Readonly<Record<string, unknown>>

const latestSeconds = 7_258_118_400 // 2200-01-01

export function objectIn(value: unknown): StripeObject {
  return isRecord(value) ? value : {}
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** An id, or the id of an object that was expanded in its place. */
export function idOf(value: unknown): string {
  return typeof value === 'string' ? value : textOf(objectIn(value)['id'])
}

export function secondsOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value < latestSeconds
    ? value
    : undefined
}

export function instantOf(seconds: number): string {
  return formatInstant(nsOf(seconds * 1000))
}

/** The text of a whole number, with every digit. */
export function wholeText(value: unknown): string {
  if (typeof value === 'boolean' || typeof value === 'string') return ''
  const text = scalarText(value)
  return typeof text === 'string' && /^-?\d+$/.test(text) ? text : ''
}

export function listIn(value: unknown): readonly StripeObject[] {
  const data = isRecord(value) ? value['data'] : value
  return Array.isArray(data) ? data.filter(isRecord) : []
}
