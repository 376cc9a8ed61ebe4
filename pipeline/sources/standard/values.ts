// Reads a value of a body as a mapping file says: the path, the transform, the map of values, the id.
// Invariants: a value that is missing is a fault unless the operator wrote that it may be; numbers keep every digit; nothing
// here divides or rounds. A fault names the path and never shows a value of the body.

import { isRecord } from '../../../schemas/json/json-text.js'
import { scalarText } from '../../../schemas/json/scalar-text.js'
import { minorUnits } from '../../../schemas/money/currency.js'
import { formatScaled, parseDecimal } from '../../../schemas/money/decimal.js'
import { formatInstant, nsOf, parseInstant } from '../../../schemas/time.js'
import type { MapContext } from '../source-kind.js'
import type { ObjectSpec, PathSpec, Transform, ValueSpec } from './rules.js'

export interface Scope {
  readonly body: unknown
  /** The value that the event is made for. */
  readonly each: unknown
  readonly context: Pick<MapContext, 'id' | 'fault'>
}

/** Undefined: it is left out, or a fault was told. */
export function readSpec(spec: ValueSpec, field: string, scope: Scope): unknown {
  switch (spec.kind) {
    case 'constant':
      return spec.value
    case 'concat': {
      const parts = spec.parts.map((part, index) => readSpec(part, `${field}/${index}`, scope))
      return parts.some(part => part === undefined) ? undefined : parts.map(textOf).join(spec.between)
    }
    case 'from':
      return readFrom(spec, field, scope)
    default:
      return spec satisfies never
  }
}

export function objectOf({ members }: ObjectSpec, field: string, scope: Scope): Record<string, unknown> {
  const made: Record<string, unknown> = {}
  for (const [name, spec] of members) {
    const at = `${field}/${name}`
    const value = spec.kind === 'object' ? objectOf(spec, at, scope) : readSpec(spec, at, scope)
    if (value === undefined) continue
    Object.defineProperty(made, name, { value, enumerable: true, writable: true, configurable: true })
  }
  return made
}

function readFrom(spec: Extract<ValueSpec, { kind: 'from' }>, field: string, scope: Scope): unknown {
  const { path, as, map, id, metadata, fallback, isOptional } = spec
  const fault = (code: string, detail: string) => {
    scope.context.fault(code, `${field.slice(1)}: ${detail}`, field)
    return undefined
  }
  const found = lookUp(path, scope)
  if (found.length > 1) return fault('several_values', `${path.text} finds ${found.length} values.`)
  const [value] = found
  if (value === undefined || value === null) {
    if (fallback !== undefined) return fallback.value
    return isOptional ? undefined : fault('missing_value', `${path.text} finds nothing.`)
  }
  if (map !== undefined) {
    const text = scalarTextOf(value)
    if (text === undefined || !map.has(text))
      return fault('unmapped_value', `The map has no entry for the value at ${path.text}.`)
    return map.get(text)
  }
  if (id !== undefined) {
    const text = scalarTextOf(value)
    if (text === undefined) return fault('invalid_value', `The value at ${path.text} is no id.`)
    return scope.context.id(id, text, metadata === undefined ? undefined : lookUp(metadata, scope)[0])
  }
  if (as === 'json') return value
  const text = scalarTextOf(value)
  if (text === undefined)
    return fault('invalid_value', `The value at ${path.text} is no text, number or boolean.`)
  if (as === undefined) return typeof value === 'boolean' ? value : text
  if (as === 'minor_units') {
    const currency =
      spec.currency === undefined ? undefined : readSpec(spec.currency, `${field}/currency`, scope)
    const amount = fromMinorUnits(text, currency)
    return (
      amount ??
      fault('invalid_value', `The value at ${path.text} is no whole number of a currency's minor units.`)
    )
  }
  return transformed(text, as) ?? fault('invalid_value', `The value at ${path.text} is no ${wordsOf[as]}.`)
}

export function lookUp({ query, isOfEach }: PathSpec, { body, each }: Scope): readonly unknown[] {
  return query.query((isOfEach ? each : body) as never).values()
}

const wordsOf: Readonly<Record<Transform, string>> = {
  text: 'text',
  decimal: 'decimal',
  whole: 'whole number',
  boolean: 'boolean',
  minor_units: 'amount',
  unix_seconds: 'Unix time in seconds',
  unix_ms: 'Unix time in milliseconds',
  instant: 'instant with an offset',
  lower: 'text',
  upper: 'text',
  json: 'value',
}

function transformed(text: string, as: Exclude<Transform, 'json' | 'minor_units'>): unknown {
  switch (as) {
    case 'text':
      return text
    case 'lower':
      return text.toLowerCase()
    case 'upper':
      return text.toUpperCase()
    case 'decimal': {
      const parsed = parseDecimal(text)
      return parsed.kind === 'ok' ? formatScaled(parsed.value) : undefined
    }
    case 'whole':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'unix_seconds':
      return fromUnix(text, 1_000)
    case 'unix_ms':
      return fromUnix(text, 1)
    case 'instant':
      return parseInstant(text) === undefined ? undefined : text
    default:
      return as satisfies never
  }
}

function fromUnix(text: string, msOfUnit: number): string | undefined {
  if (!/^\d{1,15}$/.test(text)) return undefined
  const ms = Number(text) * msOfUnit
  const instant = Number.isSafeInteger(ms) && ms < 8e15 ? formatInstant(nsOf(ms)) : undefined
  return instant !== undefined && parseInstant(instant) !== undefined ? instant : undefined
}

/** `1250` of EUR is `12.50`. */
export function fromMinorUnits(text: string, currency: unknown): string | undefined {
  const digits = typeof currency === 'string' ? minorUnits(currency.toUpperCase()) : undefined
  const read = /^(-?)(\d{1,30})$/.exec(text)
  if (digits === undefined || read === null) return undefined
  const [, sign = '', whole = ''] = read
  if (digits === 0) return `${sign}${BigInt(whole)}`
  const padded = whole.padStart(digits + 1, '0')
  return `${sign}${BigInt(padded.slice(0, -digits))}.${padded.slice(-digits)}`
}

function scalarTextOf(value: unknown): string | undefined {
  if (typeof value === 'boolean') return String(value)
  if (isRecord(value) || Array.isArray(value)) return undefined
  const text = scalarText(value)
  return typeof text === 'string' ? text : undefined
}

function textOf(value: unknown): string {
  return scalarTextOf(value) ?? ''
}
