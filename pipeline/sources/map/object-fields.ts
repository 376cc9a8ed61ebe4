// Reads fields of the objects of other systems. What is not there, or is of another type, is '' or undefined; nothing throws.

import { decodeUtf8, isRecord, parseJson } from '../../../schemas/json/json-text.js'
import { scalarText } from '../../../schemas/json/scalar-text.js'
import { formatInstant, msOf, nsOf, parseInstant } from '../../../schemas/time.js'

export type ForeignObject = Readonly<Record<string, unknown>>

const latestSeconds = 7_258_118_400 // 2200-01-01

export function objectIn(value: unknown): ForeignObject {
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

export function listIn(value: unknown): readonly ForeignObject[] {
  const data = isRecord(value) ? value['data'] : value
  return Array.isArray(data) ? data.filter(isRecord) : []
}

/** RFC 3339, as epoch milliseconds. */
export function msOfInstant(value: unknown): number | undefined {
  const instant = typeof value === 'string' ? parseInstant(value) : undefined
  return instant === undefined ? undefined : msOf(instant)
}

/** The text of a number, with every digit; numbers that stand in texts too. */
export function numberText(value: unknown): string {
  if (typeof value === 'boolean') return ''
  const text = scalarText(value)
  return typeof text === 'string' && /^-?\d+(\.\d+)?$/.test(text) ? text : ''
}

/** The JSON object that the bytes hold; undefined where they hold none. */
export function jsonObjectOf(bytes: Uint8Array): ForeignObject | undefined {
  const text = decodeUtf8(bytes)
  const json = text === undefined ? undefined : parseJson(text)
  return json?.kind === 'ok' && isRecord(json.value) ? json.value : undefined
}
